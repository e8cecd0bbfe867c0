package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/config"
	"keymaker/internal/demoidp"
	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/secret"
	"keymaker/upstream"
)

func TestLogin(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*config.IdentityProvider)
		idp    func(*demoidptest.Options)
	}{
		{name: "claims from userinfo, ES256"},
		{name: "claims from the ID token, RS256", idp: func(o *demoidptest.Options) { o.ClaimsInIDToken, o.Algorithm = true, "RS256" }},
		{name: "PS256", idp: func(o *demoidptest.Options) { o.Algorithm = "PS256" }},
		{name: "EdDSA", idp: func(o *demoidptest.Options) { o.Algorithm = "EdDSA" }},
		{name: "public client", change: func(c *config.IdentityProvider) { c.ClientSecret = "" }, idp: func(o *demoidptest.Options) { o.ClientSecret = "" }},
		{name: "issuer_url with a slash that the provider does not advertise", change: func(c *config.IdentityProvider) { c.IssuerURL += "/" }},
	} {
		t.Run("L-30: "+c.name, func(t *testing.T) {
			var configure []func(*demoidptest.Options)
			if c.idp != nil {
				configure = append(configure, c.idp)
			}
			b := newBench(t, c.change, configure...)
			id, err := b.signIn(t)
			if err != nil {
				t.Fatal(err)
			}
			if id.ProviderID != "keymaker" || id.Issuer != b.idp.Issuer || id.Subject != "subject-alice" {
				t.Errorf("provider %q, issuer %q, subject %q", id.ProviderID, id.Issuer, id.Subject)
			}
			if id.Claims.Text("preferred_username") != "alice" || id.Claims.Email() != "alice@example.org" || id.Claims.Text("name") != "Alice Liddell" {
				t.Errorf("claims: name %q, user %q, email %q", id.Claims.Text("name"), id.Claims.Text("preferred_username"), id.Claims.Email())
			}
			if !id.AuthTime.Equal(b.clock.Now().Truncate(time.Second)) {
				t.Errorf("auth_time %v, want %v", id.AuthTime, b.clock.Now())
			}
			if strings.Count(id.IDToken.Reveal(), ".") != 2 {
				t.Error("the ID token is not kept")
			}
		})
	}
}

func TestSubjectLength(t *testing.T) {
	for length, want := range map[int]error{255: nil, 256: upstream.ErrUnverified} {
		t.Run(fmt.Sprint(length, " bytes"), func(t *testing.T) {
			b := newBench(t, nil, func(o *demoidptest.Options) {
				o.Users = []demoidp.User{{Subject: strings.Repeat("s", length), Username: "alice"}}
			})
			if _, err := b.signIn(t); !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
		})
	}
}

func TestNewAsksNobody(t *testing.T) {
	b := newBench(t, nil)
	if n := b.wire.count(discoveryPath); n != 0 {
		t.Fatalf("%d requests before the first use", n)
	}
	for range 3 {
		if _, err := b.signIn(t); err != nil {
			t.Fatal(err)
		}
	}
	if d, k := b.wire.count(discoveryPath), b.wire.count(keysPath); d != 1 || k != 1 {
		t.Errorf("three logins made %d discoveries and fetched the keys %d times, want one each", d, k)
	}
}

func TestAuthorizationURL(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		name    string
		change  func(*config.IdentityProvider)
		request func(*upstream.Request)
		want    map[string]string // "" = absent
	}{
		{name: "L-06: state, nonce and PKCE S256 are sent", want: map[string]string{
			"response_type": "code", "client_id": "keymaker", "redirect_uri": callbackURL, "scope": "openid email profile",
			"state": "state", "nonce": "nonce", "code_challenge_method": "S256", "prompt": "", "max_age": "", "login_hint": "",
			"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", // RFC 7636 appendix B
		}},
		{name: "what the caller asks for is sent", request: func(r *upstream.Request) {
			r.Prompt, r.MaxAge, r.LoginHint, r.UILocales = []string{"login", "consent"}, &day, "alice", []string{"de", "en"}
		}, want: map[string]string{"prompt": "login consent", "max_age": "86400", "login_hint": "alice", "ui_locales": "de en"}},
		{name: "max_age of zero is sent", request: func(r *upstream.Request) { r.MaxAge = new(time.Duration) }, want: map[string]string{"max_age": "0"}},
		{name: "extra parameters are sent, and built-ins win", change: func(c *config.IdentityProvider) {
			c.ExtraAuthorizationParameters = map[string]string{"hd": "example.org", "state": "fixed", "scope": "all", "code_challenge": "x", "prompt": "select_account"}
		}, want: map[string]string{"hd": "example.org", "state": "state", "scope": "openid email profile", "prompt": "select_account"}},
		{name: "the caller's prompt beats the extra one", change: func(c *config.IdentityProvider) {
			c.ExtraAuthorizationParameters = map[string]string{"prompt": "select_account"}
		}, request: func(r *upstream.Request) { r.Prompt = []string{"login"} }, want: map[string]string{"prompt": "login"}},
		{name: "authorization_url acts, and keeps its own query", change: func(c *config.IdentityProvider) {
			c.AuthorizationURL = "https://login.example/start?tenant=7&scope=none"
		}, want: map[string]string{"tenant": "7", "scope": "openid email profile"}},
		{name: "MSC3824: action=register asks to create", change: func(c *config.IdentityProvider) { c.ForwardActionPrompt = true },
			request: func(r *upstream.Request) { r.Action = "register" }, want: map[string]string{"prompt": "create"}},
		{name: "MSC3824: action=login asks for nothing", change: func(c *config.IdentityProvider) { c.ForwardActionPrompt = true },
			request: func(r *upstream.Request) { r.Action = "login" }, want: map[string]string{"prompt": ""}},
		{name: "the action is kept to ourselves by default", request: func(r *upstream.Request) { r.Action = "register" }, want: map[string]string{"prompt": ""}},
		{name: "the second attempt after RejectsPKCE has no challenge", request: func(r *upstream.Request) { r.Verifier = "" },
			want: map[string]string{"code_challenge": "", "code_challenge_method": "", "nonce": "nonce"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.change)
			r := upstream.Request{State: "state", Nonce: "nonce", Verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
			if c.request != nil {
				c.request(&r)
			}
			address, err := b.provider.Start(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range c.want {
				if got := u.Query()[name]; strings.Join(got, "|") != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
		})
	}
	t.Run("a request without state or nonce is a mistake", func(t *testing.T) {
		b := newBench(t, nil)
		for _, r := range []upstream.Request{{Nonce: "n"}, {State: "s"}} {
			if _, err := b.provider.Start(context.Background(), r); err == nil {
				t.Errorf("%d and %d bytes were accepted", len(r.State), len(r.Nonce))
			}
		}
	})
}

// Overrides: each configured URL takes the place of the discovered one.
func TestOverrides(t *testing.T) {
	moved := func(b *bench, from, to string) {
		b.wire.spoil(to, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.URL.Path = from
			next.ServeHTTP(w, r)
		})
		b.wire.spoil(from, status(http.StatusInternalServerError, "text/plain", "not here"))
	}
	for _, c := range []struct {
		name, from, to string
		set            func(*config.IdentityProvider, string)
	}{
		{"token_url", tokenPath, "/moved/token", func(c *config.IdentityProvider, u string) { c.TokenURL = u }},
		{"userinfo_url", userinfoPath, "/moved/userinfo", func(c *config.IdentityProvider, u string) { c.UserinfoURL = u }},
		{"jwks_url", keysPath, "/moved/keys", func(c *config.IdentityProvider, u string) { c.JWKSURL = u }},
		{"discovery_url", discoveryPath, "/moved/document", func(c *config.IdentityProvider, u string) { c.DiscoveryURL = u }},
		{"base_path", discoveryPath, "/base/.well-known/openid-configuration", func(c *config.IdentityProvider, _ string) { c.BasePath = "/base/" }},
	} {
		t.Run(c.name+" acts", func(t *testing.T) {
			b := newBench(t, nil)
			moved(b, c.from, c.to)
			c.set(&b.config, b.idp.Issuer+c.to)
			b.provider = upstream.New(b.config, callbackURL, upstream.Options{Clock: b.clock})
			if _, err := b.signIn(t); err != nil {
				t.Fatal(err)
			}
			if to, from := b.wire.count(c.to), b.wire.count(c.from); to != 1 || from != 0 {
				t.Errorf("%d requests to %s, and %d to %s", to, c.to, from, c.from)
			}
		})
	}
	t.Run("revocation_url acts: the access token is given back", func(t *testing.T) {
		b := newBench(t, nil)
		b.config.RevocationURL = b.idp.Issuer + "/revoke"
		b.provider = upstream.New(b.config, callbackURL, upstream.Options{Clock: b.clock})
		if _, err := b.signIn(t); err != nil {
			t.Fatal(err)
		}
		bearer := b.wire.last(userinfoPath).Header.Get("Authorization")
		r, _ := http.NewRequest(http.MethodGet, b.idp.Issuer+userinfoPath, nil)
		r.Header.Set("Authorization", bearer)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			t.Error("the access token is still good")
		}
	})
	t.Run("a failing revocation_url does not stand in the way, and is logged", func(t *testing.T) {
		b := newBench(t, func(c *config.IdentityProvider) { c.RevocationURL = "http://127.0.0.1:1/revoke" })
		if _, err := b.signIn(t); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.log.String(), "could not be revoked") {
			t.Errorf("the log says %q", b.log.String())
		}
	})
	t.Run("without revocation_url nothing is revoked", func(t *testing.T) {
		b := newBench(t, nil)
		if _, err := b.signIn(t); err != nil {
			t.Fatal(err)
		}
		if n := b.wire.count("/revoke"); n != 0 {
			t.Errorf("%d revocations", n)
		}
	})
}

func TestIntrospection(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string
		code   int
		want   error
		log    string
	}{
		{"an active token of the same subject passes", `{"active":true,"sub":"subject-alice"}`, 200, nil, ""},
		{"an active token without a subject passes", `{"active":true}`, 200, nil, ""},
		{"an inactive token is refused", `{"active":false}`, 200, upstream.ErrUnverified, ""},
		{"a token of somebody else is refused", `{"active":true,"sub":"mallory"}`, 200, upstream.ErrUnverified, ""},
		{"an endpoint that fails is logged and passed over", `{}`, 503, nil, "could not be introspected"},
		{"an endpoint that refuses the client is logged and passed over", `{"error":"invalid_client"}`, 401, nil, "could not be introspected"},
		{"an answer that cannot be read is logged and passed over", `<html>`, 200, nil, "could not be introspected"},
	} {
		t.Run("introspection_url: "+c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.wire.spoil("/check", status(c.code, "application/json", c.answer))
			b.config.IntrospectionURL = b.idp.Issuer + "/check"
			b.provider = upstream.New(b.config, callbackURL, upstream.Options{Clock: b.clock, Logger: b.logger()})
			_, err := b.signIn(t)
			if c.want != nil {
				wantError(t, err, c.want)
			} else if err != nil {
				t.Fatal(err)
			}
			if id, password, ok := b.wire.last("/check").BasicAuth(); !ok || id != "keymaker" || password == "" {
				t.Error("the client did not authenticate")
			}
			if !strings.Contains(b.log.String(), c.log) {
				t.Errorf("the log says %q, want %q", b.log.String(), c.log)
			}
		})
	}
}

func TestWithoutDiscovery(t *testing.T) {
	with := func(b *bench, change func(*config.IdentityProvider)) {
		b.config.Discovery = false
		b.config.AuthorizationURL, b.config.TokenURL = b.idp.Issuer+"/authorize", b.idp.Issuer+tokenPath
		change(&b.config)
		b.provider = upstream.New(b.config, callbackURL, upstream.Options{Clock: b.clock})
	}
	t.Run("the issuer is not asked, and ID tokens verify by jwks_url", func(t *testing.T) {
		b := newBench(t, nil)
		with(b, func(c *config.IdentityProvider) { c.JWKSURL = b.idp.Issuer + keysPath })
		id, err := b.signIn(t)
		if err != nil {
			t.Fatal(err)
		}
		if id.Subject != "subject-alice" || id.Issuer != b.idp.Issuer || b.wire.count(discoveryPath) != 0 || b.wire.count(userinfoPath) != 0 {
			t.Errorf("subject %q, issuer %q, %d discoveries, %d userinfo requests", id.Subject, id.Issuer, b.wire.count(discoveryPath), b.wire.count(userinfoPath))
		}
	})
	t.Run("userinfo alone is a source of identity", func(t *testing.T) {
		b := newBench(t, nil)
		with(b, func(c *config.IdentityProvider) { c.UserinfoURL = b.idp.Issuer + userinfoPath })
		id, err := b.signIn(t)
		if err != nil {
			t.Fatal(err)
		}
		if id.Subject != "subject-alice" || id.Claims.Text("preferred_username") != "alice" {
			t.Errorf("subject %q", id.Subject)
		}
	})
	t.Run("a plain OAuth 2 user has a numeric id", func(t *testing.T) {
		b := newBench(t, nil)
		b.wire.spoil(userinfoPath, status(200, "application/json", `{"id":9007199254740993,"username":"alice"}`))
		with(b, func(c *config.IdentityProvider) { c.UserinfoURL = b.idp.Issuer + userinfoPath })
		id, err := b.signIn(t)
		if err != nil {
			t.Fatal(err)
		}
		if id.Subject != "9007199254740993" {
			t.Errorf("subject %q", id.Subject)
		}
	})
	t.Run("a user without sub and id is nobody", func(t *testing.T) {
		for _, answer := range []string{`{"username":"alice"}`, `{"sub":"","id":1.5}`, `{"id":true}`} {
			b := newBench(t, nil)
			b.wire.spoil(userinfoPath, status(200, "application/json", answer))
			with(b, func(c *config.IdentityProvider) { c.UserinfoURL = b.idp.Issuer + userinfoPath })
			_, err := b.signIn(t)
			wantError(t, err, upstream.ErrUnverified)
		}
	})
	t.Run("neither jwks_url nor userinfo_url is no identity", func(t *testing.T) {
		b := newBench(t, nil)
		with(b, func(*config.IdentityProvider) {})
		_, err := b.provider.Start(context.Background(), b.newLogin().request)
		wantError(t, err, upstream.ErrUnavailable)
	})
}

func TestClientAuthentication(t *testing.T) {
	for _, c := range []struct {
		name    string
		methods []string // nil = the metadata does not say
		refuse  bool     // the Authorization header
		basic   bool
	}{
		{name: "client_secret_basic where it is advertised", methods: []string{"client_secret_post", "client_secret_basic"}, basic: true},
		{name: "client_secret_post where that is all", methods: []string{"client_secret_post"}},
		{name: "client_secret_basic where nothing is said", basic: true},
		{name: "client_secret_post where nothing is said and basic is refused", refuse: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.wire.spoil(discoveryPath, changed(func(document map[string]any) {
				delete(document, "token_endpoint_auth_methods_supported")
				if c.methods != nil {
					document["token_endpoint_auth_methods_supported"] = c.methods
				}
			}))
			if c.refuse {
				b.wire.spoil(tokenPath, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					if _, _, ok := r.BasicAuth(); ok {
						status(http.StatusUnauthorized, "application/json", `{"error":"invalid_client"}`)(w, r, next)
						return
					}
					next.ServeHTTP(w, r)
				})
			}
			for range 2 {
				if _, err := b.signIn(t); err != nil {
					t.Fatal(err)
				}
			}
			last := b.wire.last(tokenPath)
			_, password, basic := last.BasicAuth()
			if basic != c.basic || (last.PostForm.Get("client_secret") != "") == c.basic {
				t.Errorf("basic %v with %d bytes, body has %d bytes", basic, len(password), len(last.PostForm.Get("client_secret")))
			}
			if n := b.wire.count(tokenPath); c.refuse && n != 3 {
				t.Errorf("%d token requests for two logins, want the refused way tried once", n)
			}
		})
	}
	t.Run("client_secret_file is read at each exchange, and trimmed", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "secret")
		b := newBench(t, func(c *config.IdentityProvider) { c.ClientSecret, c.ClientSecretFile = "", file })
		_, err := b.signIn(t)
		wantError(t, err, upstream.ErrUnavailable)
		if err := os.WriteFile(file, []byte(b.idp.ClientSecret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := b.signIn(t); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("the inline secret wins over the file", func(t *testing.T) {
		b := newBench(t, func(c *config.IdentityProvider) { c.ClientSecretFile = "/nonexistent" })
		if _, err := b.signIn(t); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a wrong secret is the provider's refusal", func(t *testing.T) {
		b := newBench(t, func(c *config.IdentityProvider) { c.ClientSecret = secret.Text("wrong") })
		_, err := b.signIn(t)
		wantError(t, err, upstream.ErrRejected)
		if !strings.Contains(err.Error(), "invalid_client") {
			t.Errorf("error %v", err)
		}
	})
}

func TestFreshness(t *testing.T) {
	zero, hour := time.Duration(0), time.Hour
	for _, c := range []struct {
		name   string
		maxAge *time.Duration
		auth   func(started time.Time) any // the claim auth_time; nil = absent
		want   error
	}{
		{"not asked for, not checked", nil, func(time.Time) any { return nil }, nil},
		{"max_age=0 is proved by a sign-in of now", &zero, func(s time.Time) any { return seconds(s) }, nil},
		{"max_age=0 is not proved by an older sign-in", &zero, func(s time.Time) any { return seconds(s.Add(-time.Minute)) }, upstream.ErrStale},
		{"max_age is proved within it", &hour, func(s time.Time) any { return seconds(s.Add(-59 * time.Minute)) }, nil},
		{"max_age is not proved beyond it", &hour, func(s time.Time) any { return seconds(s.Add(-61 * time.Minute)) }, upstream.ErrStale},
		{"nothing is proved without auth_time", &hour, func(time.Time) any { return nil }, upstream.ErrStale},
		{"nothing is proved by nonsense", &hour, func(time.Time) any { return "yesterday" }, upstream.ErrStale},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			forge := newForger(t, b)
			l := b.newLogin()
			l.request.MaxAge = c.maxAge
			params := b.visit(t, l)
			forge.claims(func(claims map[string]any) {
				delete(claims, "auth_time")
				if v := c.auth(l.started); v != nil {
					claims["auth_time"] = v
				}
			})
			_, err := b.finish(context.Background(), l, params)
			if c.want == nil && err != nil {
				t.Fatal(err)
			}
			if c.want != nil {
				wantError(t, err, c.want)
			}
		})
	}
	t.Run("a login whose start is unknown proves nothing", func(t *testing.T) {
		b := newBench(t, nil)
		l := b.newLogin()
		l.request.MaxAge, l.started = &hour, time.Time{}
		_, err := b.finish(context.Background(), l, b.visit(t, l))
		wantError(t, err, upstream.ErrStale)
	})
}

func TestNothingIsPrinted(t *testing.T) {
	b := newBench(t, nil)
	id, err := b.signIn(t)
	if err != nil {
		t.Fatal(err)
	}
	logger := b.logger()
	logger.Info("signed in", "identity", id, "value", *id, "claims", id.Claims, "token", id.IDToken)
	printed := b.log.String() + fmt.Sprintf("%v %+v %#v %s %v %q", id, id, *id, id, id.Claims, id.Claims)
	for _, private := range []string{"subject-alice", "alice@example.org", "Liddell", "eyJ"} {
		if strings.Contains(printed, private) {
			t.Errorf("%q is printed: %s", private, printed)
		}
	}
}
