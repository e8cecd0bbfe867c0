package demoidp_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"keymaker/internal/clock"
	"keymaker/internal/demoidp"
	"keymaker/internal/demoidp/demoidptest"
)

const redirectURI = "http://127.0.0.1:1/callback"

// party is a client of the provider, made of the usual libraries.
type party struct {
	*demoidptest.Server
	provider *oidc.Provider
	config   oauth2.Config
	verifier string
	now      func() time.Time
}

func newParty(t *testing.T, configure ...func(*demoidptest.Options)) *party {
	t.Helper()
	s := demoidptest.Start(t, append([]func(*demoidptest.Options){func(o *demoidptest.Options) {
		o.RedirectURIs = []string{redirectURI}
	}}, configure...)...)
	provider, err := oidc.NewProvider(context.Background(), s.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	return &party{Server: s, provider: provider, verifier: oauth2.GenerateVerifier(), now: clock.System{}.Now, config: oauth2.Config{
		ClientID: s.ClientID, ClientSecret: s.ClientSecret, RedirectURL: redirectURI,
		Endpoint: provider.Endpoint(), Scopes: []string{"openid", "profile", "email"},
	}}
}

// open starts an authorization and returns what the browser ends at.
func (p *party) open(t *testing.T, browser *http.Client, extra ...oauth2.AuthCodeOption) *http.Response {
	t.Helper()
	options := append(extra, oidc.Nonce("n-1"), oauth2.S256ChallengeOption(p.verifier))
	answer, err := browser.Get(p.config.AuthCodeURL("state-1", options...))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// redirected returns the parameters that came back to the client.
func redirected(t *testing.T, answer *http.Response) url.Values {
	t.Helper()
	_ = answer.Body.Close()
	location, err := answer.Location()
	if err != nil || !strings.HasPrefix(location.String(), redirectURI) {
		t.Fatalf("the browser is at %s (status %d), not back at the client", answer.Request.URL, answer.StatusCode)
	}
	return location.Query()
}

// exchange redeems the code and verifies the ID token.
func (p *party) exchange(t *testing.T, params url.Values) (*oauth2.Token, *oidc.IDToken) {
	t.Helper()
	token, err := p.config.Exchange(context.Background(), params.Get("code"), oauth2.VerifierOption(p.verifier))
	if err != nil {
		t.Fatalf("exchange: %v (parameters %v)", err, params)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.provider.Verifier(&oidc.Config{ClientID: p.ClientID, Now: p.now}).Verify(context.Background(), raw)
	if err != nil {
		t.Fatalf("ID token: %v", err)
	}
	return token, id
}

func TestLoginGivesTokensAndClaims(t *testing.T) {
	for _, algorithm := range []string{"ES256", "RS256", "PS256", "EdDSA"} {
		t.Run(algorithm, func(t *testing.T) {
			p := newParty(t, func(o *demoidptest.Options) { o.Algorithm = algorithm })
			browser := demoidptest.Browser(t, redirectURI)
			params := redirected(t, demoidptest.Login(t, browser, p.open(t, browser), "alice"))
			if got := params.Get("state"); got != "state-1" {
				t.Errorf("state = %q, want state-1", got)
			}
			token, id := p.exchange(t, params)
			if id.Subject != "subject-alice" || id.Nonce != "n-1" || id.Issuer != p.Issuer {
				t.Errorf("ID token has subject %q, nonce %q, issuer %q", id.Subject, id.Nonce, id.Issuer)
			}
			info, err := p.provider.UserInfo(context.Background(), oauth2.StaticTokenSource(token))
			if err != nil {
				t.Fatal(err)
			}
			var claims struct {
				PreferredUsername string `json:"preferred_username"`
				EmailVerified     *bool  `json:"email_verified"`
			}
			if err := info.Claims(&claims); err != nil {
				t.Fatal(err)
			}
			if info.Subject != "subject-alice" || claims.PreferredUsername != "alice" || claims.EmailVerified == nil || !*claims.EmailVerified {
				t.Errorf("userinfo is about %q with claims %+v", info.Subject, claims)
			}
		})
	}
}

func TestClaimsFollowTheUser(t *testing.T) {
	p := newParty(t, func(o *demoidptest.Options) { o.ClaimsInIDToken = true })
	browser := demoidptest.Browser(t, redirectURI)
	for _, step := range []struct {
		name string
		user demoidp.User
		want map[string]any
	}{
		{"email_verified false is said", demoidptest.Bob, map[string]any{"preferred_username": "bob", "email": "bob@example.org", "email_verified": false}},
		{"email_verified may be absent", demoidp.User{Subject: "subject-bob", Username: "robert", Email: "r@example.org"}, map[string]any{"preferred_username": "robert", "email": "r@example.org", "email_verified": nil}},
		{"own claims win", demoidp.User{Subject: "subject-bob", Username: "robert", Claims: map[string]any{"preferred_username": nil, "nickname": "bobby"}}, map[string]any{"preferred_username": nil, "nickname": "bobby"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			if err := p.SetUser(step.user); err != nil {
				t.Fatal(err)
			}
			p.EndSessions()
			_, id := p.exchange(t, redirected(t, demoidptest.Login(t, browser, p.open(t, browser), step.user.Username)))
			var claims map[string]any
			if err := id.Claims(&claims); err != nil {
				t.Fatal(err)
			}
			for name, want := range step.want {
				if claims[name] != want {
					t.Errorf("%s = %v, want %v", name, claims[name], want)
				}
			}
		})
	}
}

func TestSession(t *testing.T) {
	for _, c := range []struct {
		name    string
		after   time.Duration // since alice signed in
		extra   []oauth2.AuthCodeOption
		form    bool
		problem string
	}{
		{name: "a second login is silent"},
		{name: "prompt=none is answered from the session", extra: prompt("none")},
		{name: "prompt=login asks again", extra: prompt("login"), form: true},
		{name: "prompt=select_account asks again", extra: prompt("select_account"), form: true},
		{name: "max_age that has passed asks again", after: time.Minute, extra: maxAge("60"), form: true},
		{name: "max_age that has not passed is silent", after: 59 * time.Second, extra: maxAge("60")},
		{name: "max_age=0 asks again", extra: maxAge("0"), form: true},
		{name: "prompt=none after max_age is login_required", after: time.Hour, extra: append(prompt("none"), maxAge("60")...), problem: "login_required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			manual := clock.NewManual(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
			p := newParty(t, func(o *demoidptest.Options) { o.Clock = manual })
			p.now = manual.Now
			browser := demoidptest.Browser(t, redirectURI)
			signedIn := manual.Now()
			redirected(t, demoidptest.Login(t, browser, p.open(t, browser), "alice"))
			manual.Advance(c.after)
			answer := p.open(t, browser, c.extra...)
			if c.form {
				manual.Advance(5 * time.Second)
				signedIn = manual.Now()
				answer = demoidptest.Login(t, browser, answer, "alice")
			}
			params := redirected(t, answer)
			if params.Get("error") != c.problem {
				t.Fatalf("error = %q, want %q", params.Get("error"), c.problem)
			}
			if c.problem != "" {
				return
			}
			_, id := p.exchange(t, params)
			var claims struct {
				AuthTime int64 `json:"auth_time"`
			}
			if err := id.Claims(&claims); err != nil {
				t.Fatal(err)
			}
			if claims.AuthTime != signedIn.Unix() {
				t.Errorf("auth_time = %d, want %d", claims.AuthTime, signedIn.Unix())
			}
			if d := id.IssuedAt.Sub(manual.Now()).Abs(); d > 2*time.Second {
				t.Errorf("iat is %v away from the provider's clock", d)
			}
		})
	}
}

func prompt(value string) []oauth2.AuthCodeOption {
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("prompt", value)}
}

func maxAge(seconds string) []oauth2.AuthCodeOption {
	return []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("max_age", seconds)}
}

func TestRefusals(t *testing.T) {
	t.Run("prompt=none without a session is login_required", func(t *testing.T) {
		p := newParty(t)
		if got := redirected(t, p.open(t, demoidptest.Browser(t, redirectURI), prompt("none")...)).Get("error"); got != "login_required" {
			t.Errorf("error = %q", got)
		}
	})
	t.Run("cancelling is access_denied", func(t *testing.T) {
		p := newParty(t)
		browser := demoidptest.Browser(t, redirectURI)
		params := redirected(t, demoidptest.Cancel(t, browser, p.open(t, browser)))
		if params.Get("error") != "access_denied" || params.Get("state") != "state-1" {
			t.Errorf("parameters %v", params)
		}
	})
	t.Run("an unknown user sees the form again", func(t *testing.T) {
		p := newParty(t)
		browser := demoidptest.Browser(t, redirectURI)
		again := demoidptest.Login(t, browser, p.open(t, browser), "mallory")
		if again.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("status %d", again.StatusCode)
		}
		redirected(t, demoidptest.Login(t, browser, again, "bob"))
	})
	t.Run("a removed user is signed out", func(t *testing.T) {
		p := newParty(t)
		browser := demoidptest.Browser(t, redirectURI)
		redirected(t, demoidptest.Login(t, browser, p.open(t, browser), "bob"))
		p.RemoveUser("subject-bob")
		if got := redirected(t, p.open(t, browser, prompt("none")...)).Get("error"); got != "login_required" {
			t.Errorf("error = %q", got)
		}
	})
	t.Run("an unknown redirect URI is not followed", func(t *testing.T) {
		p := newParty(t)
		p.SetRedirectURIs("http://127.0.0.1:2/other")
		answer := p.open(t, demoidptest.Browser(t, redirectURI))
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d", answer.StatusCode)
		}
	})
	t.Run("the form of another browser signs nobody in", func(t *testing.T) {
		p := newParty(t)
		attacker, victim := demoidptest.Browser(t, redirectURI), demoidptest.Browser(t, redirectURI)
		_ = p.open(t, victim).Body.Close()
		form := p.open(t, attacker)
		answer := demoidptest.Login(t, victim, form, "alice")
		defer func() { _ = answer.Body.Close() }()
		if body, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK || !strings.Contains(string(body), `name="username"`) {
			t.Errorf("status %d, want the form again", answer.StatusCode)
		}
	})
	t.Run("a form posted from another origin is refused", func(t *testing.T) {
		p := newParty(t)
		r, _ := http.NewRequest(http.MethodPost, p.Issuer+"/login", strings.NewReader("username=alice"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusForbidden {
			t.Errorf("status %d", answer.StatusCode)
		}
	})
}

func TestTokenEndpoint(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*party, url.Values)
	}{
		{"a wrong verifier is refused", func(p *party, _ url.Values) { p.verifier = oauth2.GenerateVerifier() }},
		{"a wrong secret is refused", func(p *party, _ url.Values) { p.config.ClientSecret = "guess" }},
		{"another redirect URI is refused", func(p *party, _ url.Values) { p.config.RedirectURL += "/other" }},
		{"an unknown code is refused", func(_ *party, v url.Values) { v.Set("code", "guess") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newParty(t)
			browser := demoidptest.Browser(t, redirectURI)
			params := redirected(t, demoidptest.Login(t, browser, p.open(t, browser), "alice"))
			c.spoil(p, params)
			if _, err := p.config.Exchange(context.Background(), params.Get("code"), oauth2.VerifierOption(p.verifier)); err == nil {
				t.Error("the exchange succeeded")
			}
		})
	}
	t.Run("a code is good once", func(t *testing.T) {
		p := newParty(t)
		browser := demoidptest.Browser(t, redirectURI)
		params := redirected(t, demoidptest.Login(t, browser, p.open(t, browser), "alice"))
		p.exchange(t, params)
		if _, err := p.config.Exchange(context.Background(), params.Get("code"), oauth2.VerifierOption(p.verifier)); err == nil {
			t.Error("the second exchange succeeded")
		}
	})
}

func TestPageIsVisiblyADemonstration(t *testing.T) {
	p := newParty(t)
	answer := p.open(t, demoidptest.Browser(t, redirectURI))
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Demonstration identity provider", "Alice Liddell", "Bob Dobbs"} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the login page does not say %q", want)
		}
	}
	if csp := answer.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("Content-Security-Policy = %q", csp)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		options demoidp.Options
	}{
		{"an issuer that is no URL", demoidp.Options{Issuer: "127.0.0.1"}},
		{"an issuer with a path", demoidp.Options{Issuer: "http://127.0.0.1:1/path"}},
		{"an unknown algorithm", demoidp.Options{Issuer: "http://127.0.0.1:1", Algorithm: "HS256"}},
		{"a subject with a colon", demoidp.Options{Issuer: "http://127.0.0.1:1", Users: []demoidp.User{{Subject: "a:b", Username: "a"}}}},
		{"two users of one name", demoidp.Options{Issuer: "http://127.0.0.1:1", Users: []demoidp.User{{Subject: "1", Username: "a"}, {Subject: "2", Username: "a"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := demoidp.New(c.options); err == nil {
				t.Error("it was accepted")
			}
		})
	}
}
