package harness

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"keymaker/internal/secret"
)

// Scopes of a Matrix client, in both spellings.
const (
	ScopeStable   = "urn:matrix:client:api:* urn:matrix:client:device:"
	ScopeUnstable = "urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:"
)

// Answer is a response that has been read.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON is the body as an object; nil when it is none.
func (a Answer) JSON() map[string]any {
	var m map[string]any
	_ = json.Unmarshal(a.Body, &m)
	return m
}

// Text is a string member of the body, or "".
func (a Answer) Text(name string) string {
	s, _ := a.JSON()[name].(string)
	return s
}

// Do sends a request to a path of the server, or to a URL.
func (e *Env) Do(method, path string, header map[string]string, body string) Answer {
	e.t().Helper()
	a, err := e.Try(method, path, header, body)
	if err != nil {
		e.t().Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// Try is Do for any goroutine: what goes wrong on the way is returned. A header
// named Host replaces the request's.
func (e *Env) Try(method, path string, header map[string]string, body string) (Answer, error) {
	target := path
	if strings.HasPrefix(path, "/") {
		target = e.URL + path
	}
	r, err := http.NewRequestWithContext(e.t().Context(), method, target, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	r.Host = r.Header.Get("Host")
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := c.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	return Answer{Status: response.StatusCode, Header: response.Header, Body: read}, err
}

// Get sends a GET.
func (e *Env) Get(path string) Answer { e.t().Helper(); return e.Do(http.MethodGet, path, nil, "") }

// As sends a request with an access token.
func (e *Env) As(token, method, path, body string) Answer {
	e.t().Helper()
	return e.Do(method, path, map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}, body)
}

// Form posts a form.
func (e *Env) Form(path string, values url.Values) Answer {
	e.t().Helper()
	return e.Do(http.MethodPost, path, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, values.Encode())
}

// WebRedirect is where the web client of the tests is sent back to.
const WebRedirect = "https://app.example.com/callback"

// WebClient is the registration of the tests' web client.
const WebClient = `{"client_name":"My App","client_uri":"https://example.com/","redirect_uris":["https://app.example.com/callback"],
	"token_endpoint_auth_method":"none","response_types":["code"],"grant_types":["authorization_code","refresh_token"],"application_type":"web"}`

// Register registers a client and returns its id and, where it has one, its
// secret.
func (e *Env) Register(metadata string) (id, clientSecret string) {
	e.t().Helper()
	a := e.Do(http.MethodPost, "/_tuwunel/oidc/registration", map[string]string{"Content-Type": "application/json"}, metadata)
	if a.Status != http.StatusCreated {
		e.t().Fatalf("registration: status %d: %s", a.Status, a.Body)
	}
	return a.Text("client_id"), a.Text("client_secret")
}

// Challenge is the S256 challenge of a verifier.
func Challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Request is an authorization request of a client.
type Request struct {
	ClientID string
	Redirect string
	Verifier string
	Values   url.Values
}

// NewRequest returns a request of the web client for a device, with PKCE and
// state. Values may be changed before it is sent.
func (e *Env) NewRequest(clientID, scope string) Request {
	verifier := secret.Token()
	return Request{ClientID: clientID, Redirect: WebRedirect, Verifier: verifier, Values: url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {WebRedirect}, "scope": {scope}, "state": {"state of the client"},
		"code_challenge": {Challenge(verifier)}, "code_challenge_method": {"S256"},
	}}
}

// Exchange exchanges a code.
func (e *Env) Exchange(r Request, code string) Answer {
	e.t().Helper()
	return e.Form("/_tuwunel/oidc/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {r.Values.Get("redirect_uri")},
		"client_id": {r.ClientID}, "code_verifier": {r.Verifier}})
}

// Tokens are what a login gives.
type Tokens struct {
	ClientID, Access, Refresh, IDToken, Scope string
	ExpiresIn                                 float64
}

// LogIn registers the web client and logs a user in on a device.
func (e *Env) LogIn(user, device string) Tokens {
	e.t().Helper()
	id, _ := e.Register(WebClient)
	return e.LogInWith(e.NewRequest(id, "openid "+ScopeStable+device), user)
}

// LogInWith walks a request to its tokens.
func (e *Env) LogInWith(r Request, user string) Tokens {
	e.t().Helper()
	code := e.NewBrowser().Approve(r, user).Get("code")
	a := e.Exchange(r, code)
	if a.Status != http.StatusOK {
		e.t().Fatalf("exchange: status %d: %s", a.Status, a.Body)
	}
	return tokensOf(r.ClientID, a)
}

func tokensOf(clientID string, a Answer) Tokens {
	expires, _ := a.JSON()["expires_in"].(float64)
	return Tokens{ClientID: clientID, Access: a.Text("access_token"), Refresh: a.Text("refresh_token"), IDToken: a.Text("id_token"),
		Scope: a.Text("scope"), ExpiresIn: expires}
}

// Refresh presents a refresh token.
func (e *Env) Refresh(clientID, token string) Answer {
	e.t().Helper()
	return e.Form("/_tuwunel/oidc/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {clientID}})
}

// MustRefresh presents a refresh token that must be accepted.
func (e *Env) MustRefresh(clientID, token string) Tokens {
	e.t().Helper()
	a := e.Refresh(clientID, token)
	if a.Status != http.StatusOK {
		e.t().Fatalf("refresh: status %d: %s", a.Status, a.Body)
	}
	return tokensOf(clientID, a)
}

// WhoAmI asks whose an access token is.
func (e *Env) WhoAmI(token string) Answer {
	e.t().Helper()
	return e.As(token, http.MethodGet, "/_matrix/client/v3/account/whoami", "")
}

// Introspect asks about a token as Synapse does.
func (e *Env) Introspect(token string) Answer {
	e.t().Helper()
	return e.Do(http.MethodPost, "/oauth2/introspect", map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Bearer " + HomeserverSecret,
		"Accept": "application/json", "X-MAS-Supports-Device-Id": "1",
	}, url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode())
}
