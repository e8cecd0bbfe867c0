package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/demoidp"
	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
	"keymaker/internal/secret"
	"keymaker/templates"
)

// secrets are values that may stand in no log, with what each of them is. Those
// that a thief could use may stand in no copy of the database either.
type secrets struct {
	mu     sync.Mutex
	bearer map[string]string
	person map[string]string
}

// keep notes a value that a thief could use.
func (s *secrets) keep(what, value string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(value) > 5 {
		s.bearer[value] = what
	}
	return value
}

// values are those that a thief could use, so far.
func (s *secrets) values() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.bearer))
}

// watch notes what the server and the identity provider tell each other.
func (s *secrets) watch(provider http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		sent, _ := url.ParseQuery(r.URL.RawQuery + "&" + string(body))
		for _, name := range []string{"state", "nonce", "code", "code_verifier", "client_secret"} {
			s.keep("upstream "+name, sent.Get(name))
		}
		if scheme, credentials, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
			s.keep("upstream "+scheme+" credentials", credentials)
		}
		answer := httptest.NewRecorder()
		provider.ServeHTTP(answer, r)
		var tokens map[string]any
		if json.Unmarshal(answer.Body.Bytes(), &tokens) == nil {
			for _, name := range []string{"access_token", "id_token", "refresh_token"} {
				token, _ := tokens[name].(string)
				s.keep("upstream "+name, token)
			}
		}
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// isPreference tells whether a cookie is what somebody chose, which opens
// nothing.
func isPreference(c *http.Cookie) bool {
	return strings.HasSuffix(c.Name, "keymaker_provider") || strings.HasSuffix(c.Name, "keymaker_language")
}

// cookies notes what a browser got from the server.
func (s *secrets) cookies(e *harness.Env, b *harness.Browser) {
	e.T.Helper()
	at, err := url.Parse(e.URL)
	if err != nil {
		e.T.Fatal(err)
	}
	for _, c := range b.Jar.Cookies(at) {
		if !isPreference(c) {
			s.keep("cookie "+c.Name, c.Value)
		}
	}
}

// tokens notes what the server gave to a client.
func (s *secrets) tokens(a harness.Answer) harness.Answer {
	for _, name := range []string{"access_token", "refresh_token", "id_token", "client_secret"} {
		s.keep(name, a.Text(name))
	}
	return a
}

// The people of this test have names that stand nowhere else.
var (
	zqxalice = demoidp.User{Subject: "zqxsubject1", Username: "zqxalice", Name: "Zqxina Liddellqx", Email: "zqxmail@wonder.example", EmailVerified: new(true)}
	// zqxcopy would be the same Matrix user.
	zqxcopy = demoidp.User{Subject: "zqxsubject2", Username: "ZQXalice", Name: "Zqxcopy Liddellqx", Email: "zqxother@wonder.example", EmailVerified: new(true)}
)

func startWatched(t *testing.T) (*harness.Env, *secrets) {
	t.Helper()
	s := &secrets{bearer: map[string]string{}, person: map[string]string{}}
	for _, u := range []demoidp.User{zqxalice, zqxcopy} {
		s.person[u.Subject], s.person[u.Username], s.person[u.Name], s.person[u.Email] = "subject", "preferred_username", "name", "email"
	}
	e := harness.Start(t, func(o *harness.Options) {
		o.Global = "oidc_rc_per_second = 0\nlog_level = \"debug\""
		o.Provider = "unique_id_fallbacks = false"
		o.IDP = func(p *demoidptest.Options) { p.Users, p.Wrap = []demoidp.User{zqxalice, zqxcopy}, s.watch }
	})
	s.keep("homeserver secret", harness.HomeserverSecret)
	s.keep("provider's client secret", e.IDP.ClientSecret)
	return e, s
}

// live does what clients, browsers and homeservers do, and what goes wrong.
func live(e *harness.Env, s *secrets) {
	id, _ := e.Register(harness.WebClient)
	confidentialID, clientSecret := e.Register(confidential("client_secret_basic"))
	s.keep("client_secret", clientSecret)

	tokens := loginWatched(e, s, id)
	askWatched(e, s, tokens, basic(confidentialID, clientSecret))
	refreshWatched(e, s, tokens)
	legacyWatched(e, s)
	failWatched(e, s, id)
	misplace(e, s, id)
}

// loginWatched walks an authorization request, once with every step refused on
// the way.
func loginWatched(e *harness.Env, s *secrets, id string) harness.Tokens {
	r := e.NewRequest(id, "openid profile email "+harness.ScopeStable+"ZDEVICE")
	s.keep("code_verifier", r.Verifier)
	r.Values.Set("state", s.keep("state", secret.Token()))
	r.Values.Set("nonce", s.keep("nonce", secret.Token()))
	r.Values.Set("login_hint", "mxid:@zqxalice:example.org")
	b := e.NewBrowser()
	consent := b.Consent(r, "zqxalice")
	action, values := b.Fields(consent)
	for name := range values {
		s.keep("form field "+name, values.Get(name))
	}
	s.keep("request id", consent.Request.URL.Query().Get(templates.FieldRequest))
	s.cookies(e, b)
	e.NewBrowser().Visit(consent.Request.URL.String()) // a thief's browser
	b.Post(consent, action, with(values, templates.FieldCSRF, "wrong", templates.FieldDecision, templates.DecisionApprove))
	code := s.keep("code", harness.Returned(b.Decide(consent, "approve")).Get("code"))
	b.Decide(consent, "approve") // twice
	s.cookies(e, b)

	g := grant{r, code}
	a := s.tokens(e.Form(tokenPath, g.values()))
	e.Clock.Advance(time.Second)
	e.Form(tokenPath, with(g.values(), "code_verifier", strings.Repeat("v", 43), "client_id", "nobody"))
	return harness.Tokens{ClientID: id, Access: a.Text("access_token"), Refresh: a.Text("refresh_token"), IDToken: a.Text("id_token")}
}

// askWatched uses an access token everywhere.
func askWatched(e *harness.Env, s *secrets, tokens harness.Tokens, credentials string) {
	e.Introspect(tokens.Access)
	e.Do(http.MethodPost, introspectPath, map[string]string{"Content-Type": form, "Authorization": credentials}, "token="+tokens.Access)
	s.keep("Basic credentials", strings.TrimPrefix(credentials, "Basic "))
	e.Form(userinfoPath, url.Values{"access_token": {tokens.Access}})
	for _, path := range []string{userinfoPath, whoamiPath, "/_matrix/client/v3/devices", "/_matrix/client/v3/devices/ZDEVICE", "/_matrix/client/v3/capabilities",
		"/_matrix/client/v3/account/3pid", "/_matrix/client/v3/profile/@zqxalice:example.org", "/_matrix/client/v3/profile/@zqxalice:example.org/displayname",
		"/_matrix/client/v3/profile/@zqxalice:other.example", "/_matrix/client/v3/user/@zqxalice:example.org/filter"} {
		e.As(tokens.Access, http.MethodGet, path, "")
		e.As(tokens.Access, http.MethodDelete, path, "")
	}
}

func refreshWatched(e *harness.Env, s *secrets, tokens harness.Tokens) {
	next := s.tokens(e.Refresh(tokens.ClientID, tokens.Refresh))
	s.tokens(e.Refresh(tokens.ClientID, tokens.Refresh))
	e.Clock.Advance(time.Hour)
	e.WhoAmI(next.Text("access_token"))
	e.Introspect(next.Text("access_token"))
	last := s.tokens(e.Refresh(tokens.ClientID, next.Text("refresh_token")))
	for _, write := range []string{"UPDATE ON sessions", "INSERT ON access_tokens", "INSERT ON audit_events"} {
		repair := broken(e, write)
		e.Refresh(tokens.ClientID, last.Text("refresh_token"))
		e.Form(revokePath, url.Values{"token": {last.Text("access_token")}})
		repair()
	}
	e.Refresh(tokens.ClientID, tokens.Refresh) // a reuse
	e.Form(revokePath, url.Values{"token": {last.Text("access_token")}, "client_id": {tokens.ClientID}})
}

func legacyWatched(e *harness.Env, s *secrets) {
	b := e.NewBrowser()
	token := s.keep("login token", e.LoginToken(b, "zqxalice"))
	s.cookies(e, b)
	kind := map[string]string{"Content-Type": "application/json"}
	body := fmt.Sprintf(`{"type":"m.login.token","token":%q,"device_id":"ZLEGACY","refresh_token":true}`, token)
	a := s.tokens(e.Do(http.MethodPost, "/_matrix/client/v3/login", kind, body))
	e.Do(http.MethodPost, "/_matrix/client/v3/login", kind, body)
	e.Do(http.MethodPost, "/_matrix/client/v3/login", kind, strings.Replace(body, "}", "", 1))
	refresh := fmt.Sprintf(`{"refresh_token":%q}`, a.Text("refresh_token"))
	next := s.tokens(e.Do(http.MethodPost, "/_matrix/client/v3/refresh", kind, refresh))
	e.WhoAmI(next.Text("access_token"))
	e.Do(http.MethodPost, "/_matrix/client/v3/refresh", kind, refresh)
	e.As(next.Text("access_token"), http.MethodPost, "/_matrix/client/v3/logout", "{}")
}

// failWatched lets logins fail in every place.
func failWatched(e *harness.Env, s *secrets, id string) {
	request := func() harness.Request { return e.NewRequest(id, "openid "+harness.ScopeStable+"ZFAIL") }
	e.NewBrowser().Consent(request(), "zqxcopy") // nobody of that name
	b := e.NewBrowser()
	b.Consent(request(), zqxcopy.Username) // the name is taken
	s.cookies(e, b)
	for _, write := range []string{"UPDATE ON authorization_requests", "INSERT ON browser_sessions", "DELETE ON upstream_logins", "INSERT ON authorization_codes"} {
		b := e.NewBrowser()
		repair := broken(e, write)
		if at := b.Consent(request(), "zqxalice"); at.StatusCode == http.StatusOK {
			b.Decide(at, "approve")
		}
		repair()
		s.cookies(e, b)
	}
	callback := "/_matrix/client/unstable/login/sso/callback/" + e.IDP.ClientID
	for _, value := range s.values() {
		e.Get(callback + "?" + url.Values{"state": {value}, "code": {value}, "error_description": {"zqxalice"}}.Encode())
	}
	e.Get(callback + "?" + url.Values{"state": {"x"}, "error": {"access_denied"}, "error_description": {"zqxmail@wonder.example"}}.Encode())
}

// misplace sends every secret where it does not belong.
func misplace(e *harness.Env, s *secrets, id string) {
	for _, v := range s.values() {
		q := url.QueryEscape(v)
		e.Form(tokenPath, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {v}, "client_id": {id}})
		e.Form(tokenPath, url.Values{"grant_type": {v}, "refresh_token": {v}, "client_id": {v}, "scope": {v}, "client_secret": {v}})
		e.Form(tokenPath, url.Values{"grant_type": {"authorization_code"}, "code": {v}, "redirect_uri": {v}, "client_id": {id}, "code_verifier": {v}})
		e.Form(tokenPath, url.Values{v: {v, v}})
		e.Form(revokePath, url.Values{"token": {"x"}, "token_type_hint": {v}})
		e.Form(introspectPath, url.Values{"token": {v}, "client_id": {v}, "client_secret": {v}})
		e.As(v, http.MethodGet, userinfoPath+"?access_token="+q, "")
		e.As(v, http.MethodGet, whoamiPath+"?access_token="+q, "")
		e.As(v, http.MethodPost, registerPath, `{"client_name":"`+v+`","redirect_uris":["https://`+v+`/"]`)
		e.As(v, http.MethodPost, "/_matrix/client/v3/login", `{"type":"m.login.password","password":"`+v+`"}`)
		for _, path := range []string{"/nothing/" + q, "/" + q + "?token=" + q, "/_matrix/client/v3/" + q, "/_tuwunel/oidc/_complete?oidc_req_id=" + q,
			"/_tuwunel/oidc/authorize?client_id=" + q, "/_tuwunel/oidc/authorize?client_id=" + id + "&redirect_uri=" + q,
			"/_matrix/client/v3/login/sso/redirect?redirectUrl=" + q, "/_matrix/client/v3/login/sso/redirect/" + q + "?redirectUrl=https%3A%2F%2F" + q,
			"/_matrix/client/unstable/login/sso/callback/" + q + "?state=" + q, "/_matrix/client/v3/devices/" + q, "/_matrix/client/v3/profile/" + q} {
			e.Do(http.MethodGet, path, map[string]string{"Cookie": "keymaker_browser=" + v + "; keymaker_session=" + v, "Referer": "https://x/?" + q, "X-Forwarded-For": v, "User-Agent": v}, "")
		}
	}
}

func TestSecretsStayUnseen(t *testing.T) {
	t.Run("L-18: no token, code, cookie, secret or claim is logged at any level", noSecretIsLogged)
	t.Run("D-71 L-18: no token, code, cookie or secret can be read in the database", databaseHoldsNoSecret)
}

func noSecretIsLogged(t *testing.T) {
	e, s := startWatched(t)
	live(e, s)
	if err := e.Server.Store().Close(); err != nil {
		t.Fatal(err)
	}
	misplace(e, s, "x") // and so while the database is away

	log := e.Log.String()
	if !strings.Contains(log, "DEBUG") || !strings.Contains(log, "session ended") || !strings.Contains(log, "ERROR") {
		t.Fatal("the log does not hold what happened")
	}
	if len(s.bearer) < 40 {
		t.Fatalf("only %d secrets were seen", len(s.bearer))
	}
	for _, values := range []map[string]string{s.bearer, s.person} {
		for value, what := range values {
			for _, spelling := range []string{value, url.QueryEscape(value), url.PathEscape(value)} {
				if at := strings.Index(log, spelling); at >= 0 {
					t.Fatalf("%s: ...%s...", what, log[max(0, at-200):min(len(log), at+100)])
				}
			}
		}
	}
}

// databaseHoldsNoSecret reads the file as somebody who has stolen it would.
func databaseHoldsNoSecret(t *testing.T) {
	e, s := startWatched(t)
	live(e, s)
	path := strings.TrimPrefix(e.Database, "sqlite:")
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("%v, %v", files, err)
	}
	var dump []byte
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read %s: mode %v", file, info.Mode())
		}
		if strings.HasSuffix(file, ".secret") {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		dump = append(dump, content...)
	}
	if !bytes.Contains(dump, []byte("zqxalice")) || !bytes.Contains(dump, []byte("ZDEVICE")) {
		t.Fatal("the dump does not hold what happened")
	}
	for value, what := range s.bearer {
		if what == "state" || what == "nonce" {
			continue // the client's own, of no use without its code
		}
		if bytes.Contains(dump, []byte(value)) {
			t.Errorf("there is a %s", what)
		}
	}
}
