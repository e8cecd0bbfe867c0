package provider

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"

	"keymaker/provider/errtext"
	"keymaker/provider/loginhint"
	"keymaker/provider/redirect"
	"keymaker/provider/scope"
	"keymaker/provider/signing"
	"keymaker/store"
)

// requestTTL is how long a person has between the client's request and the
// approval (conformance C-06).
const requestTTL = 30 * time.Minute

// longestMaxAge is what a longer max_age is taken for: a century in seconds.
const longestMaxAge = 100 * 365 * 24 * 60 * 60

// Refusal is a request for authorization that cannot go on and cannot go back
// to its client either: the client or its redirect URI is not to be trusted
// (conformance C-29), or nothing is known of the request.
type Refusal struct {
	Reason RefusalReason
	cause  error
}

// RefusalReason says what a page should explain.
type RefusalReason int

// The reasons for which a request is not redirected.
const (
	UnknownClient RefusalReason = iota
	UnregisteredRedirect
	UnusableRequestURI
	// ForeignHint: an id_token_hint is not ours, or not the client's.
	ForeignHint
)

// Error implements error.
func (r *Refusal) Error() string {
	text := map[RefusalReason]string{
		UnknownClient:        "the client is not registered",
		UnregisteredRedirect: "the redirect URI is not registered for the client",
		UnusableRequestURI:   "the request URI is unknown, used, expired or another client's",
		ForeignHint:          "the id_token_hint is refused",
	}[r.Reason]
	if r.cause != nil {
		text += ": " + r.cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.cause }

// RedirectError is an error that the client may be told, by way of the browser.
type RedirectError struct {
	OAuth *Error
	// To is the response that tells the client.
	To AuthorizationResponse
	// Trusted: the administrator has configured the client, so that the browser
	// may be sent there at once (conformance C-2A).
	Trusted bool
}

// Error implements error.
func (e *RedirectError) Error() string { return e.OAuth.Error() }

// Unwrap returns the OAuth error.
func (e *RedirectError) Unwrap() error { return e.OAuth }

// Authorization is a validated authorization request.
type Authorization struct {
	Client      *store.Client
	RedirectURI string
	Mode        string // one of the response modes
	State       string
	Scope       scope.Set
	Nonce       string
	Prompt      []string
	MaxAge      *int64 // seconds; nil = not asked
	LoginHint   loginhint.Hint
	// UILocales are the languages that the client asks for, as it wrote them.
	UILocales string
	// ProviderID is the identity provider that the client asks for, or "".
	ProviderID string

	params url.Values
}

// response is an answer to this request.
func (a *Authorization) response(p *Provider, values url.Values) AuthorizationResponse {
	if a.State != "" {
		values.Set("state", a.State)
	}
	values.Set("iss", p.issuer)
	return AuthorizationResponse{RedirectURI: a.RedirectURI, Mode: a.Mode, Params: values,
		OpensApp: redirect.OpensApp(a.RedirectURI, redirect.ApplicationType(a.Client.ApplicationType()))}
}

// refuse is an error answer to this request.
func (a *Authorization) refuse(p *Provider, e *Error) *RedirectError {
	return &RedirectError{OAuth: e, To: a.response(p, url.Values{"error": {e.Code}, "error_description": {e.Description}}), Trusted: a.Client.Configured()}
}

// ParseAuthorization validates the parameters of an authorization request. The
// error is a *Refusal, a *RedirectError, or wraps store.ErrUnavailable.
func (p *Provider) ParseAuthorization(ctx context.Context, form url.Values) (*Authorization, error) {
	a, err := p.identify(ctx, form)
	if err != nil {
		return nil, err
	}
	if e := p.checkAuthorization(a, form); e != nil {
		return nil, a.refuse(p, e)
	}
	if _, err := p.fositeRequest(ctx, a); err != nil {
		e := AsError(err)
		if e.Temporary() {
			return nil, e
		}
		return nil, a.refuse(p, e)
	}
	return a, nil
}

// identify finds out whom an answer may go to: without that, there is none.
func (p *Provider) identify(ctx context.Context, form url.Values) (*Authorization, error) {
	if len(form["client_id"]) != 1 {
		return nil, &Refusal{Reason: UnknownClient}
	}
	client, err := p.store.Client(ctx, form.Get("client_id"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, &Refusal{Reason: UnknownClient, cause: err}
	}
	if err != nil {
		return nil, err
	}
	uri := form.Get("redirect_uri")
	if len(form["redirect_uri"]) != 1 || !redirect.Match(client.GetRedirectURIs(), uri, redirect.ApplicationType(client.ApplicationType())) {
		return nil, &Refusal{Reason: UnregisteredRedirect}
	}
	a := &Authorization{Client: client, RedirectURI: uri, Mode: ModeQuery, params: url.Values{}}
	if len(form["state"]) == 1 {
		a.State = form.Get("state")
	}
	if mode := form.Get("response_mode"); len(form["response_mode"]) == 1 && deliverable(mode, uri) {
		a.Mode = mode
	}
	return a, nil
}

// deliverable tells whether an answer can reach a redirect URI in a mode. An
// application that owns a scheme is opened with a URL, and gets no form.
func deliverable(mode, uri string) bool {
	return slices.Contains(responseModes(), mode) && (mode != ModeFormPost || strings.HasPrefix(uri, "http"))
}

// checkAuthorization applies the rules of conformance C-03 and C-04 that
// fosite has otherwise or not at all.
func (p *Provider) checkAuthorization(a *Authorization, form url.Values) *Error {
	for name, values := range form {
		if len(values) > 1 {
			return invalidRequest("The parameter %s is repeated.", errtext.Name(name))
		}
	}
	if e := checkUnsupported(a, form); e != nil {
		return e
	}
	if e := p.checkChallenge(form); e != nil {
		return e
	}
	if e := a.readPrompt(form); e != nil {
		return e
	}
	set, err := p.parseScope(form.Get("scope"))
	if err != nil {
		return AsError(err)
	}
	a.Scope, a.Nonce = set, form.Get("nonce")
	hint := p.loginHint(a.Client, form)
	a.LoginHint = loginhint.Parse(hint, p.config.ServerName)
	a.UILocales = form.Get("ui_locales")
	a.ProviderID = form.Get("idp_id")
	if a.ProviderID == "" {
		a.ProviderID = form.Get("io.element.idp_id")
	}
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "response_mode", "state", "nonce", "code_challenge", "code_challenge_method",
		"prompt", "max_age", "ui_locales", "idp_id"} {
		if v := form.Get(name); v != "" {
			a.params.Set(name, v)
		}
	}
	if hint != "" {
		a.params.Set("login_hint", hint)
	}
	a.params.Set("scope", set.String())
	return nil
}

// loginHint is whom the client expects: the user of its id_token_hint, or else
// its login_hint. An ID token that is not ours, or another client's, is no hint:
// it must not cause an error (OpenID Connect Core §15.1). One that has expired is
// (§3.1.2.1).
func (p *Provider) loginHint(client *store.Client, form url.Values) string {
	payload, err := p.keys.Verify(signing.JWT, form.Get("id_token_hint"))
	var claims idTokenClaims
	if err == nil && json.Unmarshal(payload, &claims) == nil && claims.Issuer == p.issuer && claims.Audience == client.ID {
		return "mxid:" + claims.Subject
	}
	return form.Get("login_hint")
}

func checkUnsupported(a *Authorization, form url.Values) *Error {
	for _, name := range []string{"request", "request_uri", "registration"} {
		if form.Get(name) != "" {
			return oauthError(http.StatusBadRequest, name+"_not_supported", "The parameter %s is not supported.", name)
		}
	}
	switch mode := form.Get("response_mode"); {
	case mode == "", deliverable(mode, a.RedirectURI):
	case mode == ModeFormPost:
		return invalidRequest("The response_mode form_post needs an https or loopback redirect_uri: use query or fragment.")
	default:
		return invalidRequest("The response_mode is not supported: use query, fragment or form_post.")
	}
	switch form.Get("response_type") {
	case "code":
	case "":
		return invalidRequest("The response_type is missing.")
	default:
		return oauthError(http.StatusBadRequest, "unsupported_response_type", "The response_type is not supported: use code.")
	}
	if !a.Client.GetGrantTypes().Has("authorization_code") {
		return oauthError(http.StatusBadRequest, "unauthorized_client", "The client is not registered for the authorization_code grant.")
	}
	return nil
}

// checkChallenge looks at the PKCE challenge before anybody signs in: fosite
// would only after the approval (conformance C-05, RFC 7636 §4.4.1).
func (p *Provider) checkChallenge(form url.Values) *Error {
	challenge, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	if challenge == "" && method == "" && !p.config.OIDCRequirePKCE {
		return nil
	}
	switch {
	case challenge == "":
		return invalidRequest("The code_challenge is missing: code challenge required.")
	case method != "S256":
		return invalidRequest("The code_challenge_method must be S256: transform algorithm not supported.")
	case len(challenge) != encoding.EncodedLen(32):
		return invalidRequest("The code_challenge is not a SHA-256 in base64url: it must have 43 characters.")
	}
	if _, ok := decode(challenge, 32); !ok {
		return invalidRequest("The code_challenge is not base64url without padding.")
	}
	return nil
}

func (a *Authorization) readPrompt(form url.Values) *Error {
	a.Prompt = strings.Fields(form.Get("prompt"))
	if slices.Contains(a.Prompt, "none") && len(a.Prompt) > 1 {
		return invalidRequest("The prompt none cannot be combined with another.")
	}
	if raw := form.Get("max_age"); raw != "" {
		var seconds int64
		if err := json.Unmarshal([]byte(raw), &seconds); err != nil || seconds < 0 {
			return invalidRequest("The max_age is not a number of seconds.")
		}
		seconds = min(seconds, longestMaxAge)
		a.MaxAge = &seconds
	}
	return nil
}

// fositeRequest has fosite validate the request. It sees a client whose only
// redirect URI is the requested one, which Match has accepted: fosite's own
// comparison lacks the port exception for localhost (conformance C-13). What
// it would check at the approval, too late for the client to be told well, is
// left out: prompt and max_age have been dealt with.
func (p *Provider) fositeRequest(ctx context.Context, a *Authorization) (fosite.AuthorizeRequester, error) {
	// fosite demands a state of eight characters. PKCE protects, and a state is
	// the client's own affair (conformance C-04): the response has the client's.
	form := url.Values{"state": {"not the client's"}}
	for name, values := range a.params {
		if name != "prompt" && name != "max_age" && name != "state" {
			form[name] = values
		}
	}
	ctx = p.store.WithClient(ctx, a.Client.OnlyRedirecting(a.RedirectURI))
	return p.fosite.NewAuthorizeRequest(ctx, &http.Request{Method: http.MethodGet, URL: &url.URL{}, Header: http.Header{}, Form: form})
}

// registered is fosite's check of a redirect URI's security. The rules of the
// redirect package were applied at registration and again at the match.
func registered(context.Context, *url.URL) bool { return true }
