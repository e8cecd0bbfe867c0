package handlers_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"keymaker/internal/faketuwunel"
	"keymaker/internal/harness"
	"keymaker/store"
)

// besideTuwunel is a server that is the identity provider and the provisioner of
// a Tuwunel, which asks it for these scopes.
func besideTuwunel(t *testing.T, scope ...string) (*harness.Env, *faketuwunel.Tuwunel) {
	t.Helper()
	home := faketuwunel.Start(t, "example.org", harness.HomeserverSecret)
	e := harness.Start(t, func(o *harness.Options) {
		o.Homeserver = "kind = \"synapse\"\nendpoint = \"" + home.URL() + "\""
		o.Extra = "[[global.oidc_client]]\nclient_id = \"tuwunel\"\nclient_secret = \"a secret of thirty-two characters.\"\n" +
			"token_endpoint_auth_method = \"client_secret_post\"\nclient_name = \"Matrix\"\nredirect_uris = [\"" + home.CallbackURL("tuwunel") + "\"]\n"
	})
	home.Configure(faketuwunel.Provider{ClientID: "tuwunel", ClientSecret: "a secret of thirty-two characters.", IssuerURL: e.URL, Scope: scope,
		Trusted: true, UserIDClaims: []string{"username"}})
	return e, home
}

// throughTuwunel signs somebody in at Tuwunel, and returns who they are there;
// "" for nobody.
func throughTuwunel(e *harness.Env, home *faketuwunel.Tuwunel, b *harness.Browser, user string) string {
	e.T.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		e.T.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	location := func(from string) *url.URL {
		e.T.Helper()
		a, err := client.Get(from)
		if err != nil {
			e.T.Fatal(err)
		}
		_ = a.Body.Close()
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil {
			e.T.Fatal(err)
		}
		return to
	}
	authorize := location(home.URL() + "/_matrix/client/v3/login/sso/redirect/tuwunel?redirectUrl=" + url.QueryEscape("https://app.example.com/"))
	page := b.Visit(authorize.RequestURI())
	if user != "" {
		page = b.Decide(b.SignIn(page, user), "approve")
	}
	back := page.Location()
	if !strings.HasPrefix(back.String(), home.CallbackURL("tuwunel")) {
		e.T.Fatalf("the browser is sent to %s", back)
	}
	return location(back.String()).Query().Get("loginToken")
}

func TestBesideTuwunel(t *testing.T) {
	for _, scope := range [][]string{{"openid"}, {"openid", "email", "profile"}} {
		t.Run("A person is at Tuwunel who they are here, with "+strings.Join(scope, " "), func(t *testing.T) {
			e, home := besideTuwunel(t, scope...)
			e = e.For(t)
			b := e.NewBrowser()
			if got := throughTuwunel(e, home, b, "alice"); got != "alice" {
				t.Fatalf("they are %q", got)
			}
			// Who has approved once, and is signed in here, is not asked again.
			if got := throughTuwunel(e, home, b, ""); got != "alice" {
				t.Errorf("the second time they are %q", got)
			}
		})
	}
	for _, tt := range []struct {
		name string
		do   func(e *harness.Env) error
		left []string
	}{
		{"A user who is deactivated has no session there any more", func(e *harness.Env) error {
			_, err := e.Server.Store().DeactivateUser(e.T.Context(), "alice")
			return err
		}, nil},
		{"A user whose devices are told again has none there any more", func(e *harness.Env) error {
			return e.Server.Store().SyncDevices(e.T.Context(), "alice")
		}, nil},
		{"A user who is signed out here stays signed in there", func(e *harness.Env) error {
			_, err := e.Server.Store().SignOutUser(e.T.Context(), "alice", store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin})
			return err
		}, []string{"OFTUWUNEL"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, home := besideTuwunel(t, "openid")
			e = e.For(t)
			throughTuwunel(e, home, e.NewBrowser(), "alice")
			home.SignIn("alice", "OFTUWUNEL")
			if err := tt.do(e); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Server.RunJobs(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := home.Devices("alice"); !slices.Equal(got, tt.left) {
				t.Errorf("Tuwunel has the devices %q", got)
			}
		})
	}
}
