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
