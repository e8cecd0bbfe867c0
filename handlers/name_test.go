package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"keymaker/internal/demoidp"
	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
)

// rename gives the person with alice's account another name at the provider,
// and her name to somebody else.
func rename(t *testing.T, e *harness.Env) {
	t.Helper()
	for _, u := range []demoidp.User{
		{Subject: demoidptest.Alice.Subject, Username: "alicia", Name: "Alicia"},
		{Subject: "subject-second", Username: "alice", Name: "Another Alice"},
	} {
		if err := e.IDP.SetUser(u); err != nil {
			t.Fatal(err)
		}
	}
}

func userID(e *harness.Env, user string) string {
	e.T.Helper()
	return e.WhoAmI(e.LogIn(user, "WHO"+strings.ToUpper(user)).Access).Text("user_id")
}

func TestNamesAtTheProvider(t *testing.T) {
	t.Run("L-30: a name that is taken is answered with a generated one", func(t *testing.T) {
		e := harness.Start(t)
		if first := userID(e, "alice"); first != "@alice:example.org" {
			t.Fatalf("alice is %s", first)
		}
		rename(t, e)
		second := userID(e, "alice")
		if second == "@alice:example.org" || !strings.HasSuffix(second, ":example.org") {
			t.Errorf("the second alice is %s", second)
		}
		if again := userID(e, "alice"); again != second {
			t.Errorf("the second alice is %s, then %s", second, again)
		}
		if first := userID(e, "alicia"); first != "@alice:example.org" {
			t.Errorf("the first alice, whose name changed at the provider, is %s", first)
		}
	})
	t.Run("L-30: without fallbacks a name that is taken shows a page, and another account may be tried", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Provider = "unique_id_fallbacks = false" })
		userID(e, "alice")
		rename(t, e)
		id, _ := e.Register(harness.WebClient)
		b := e.NewBrowser()
		p := b.Consent(e.NewRequest(id, harness.ScopeStable+"TAKEN"), "alice")
		expectPage(t, p, http.StatusOK, "It gave you the name @alice:example.org, and somebody here has that name.")
		at := b.Visit(linkTo(p, "Sign in with another account"))
		expectLogin(t, e, at)
		expectPage(t, b.SignIn(at, "bob"), http.StatusOK, "@bob:example.org")
		if first := userID(e, "alicia"); first != "@alice:example.org" {
			t.Errorf("the first alice is %s", first)
		}
	})
	t.Run("L-30: with trusted the name is enough", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Provider = "trusted = true" })
		userID(e, "alice")
		rename(t, e)
		if second := userID(e, "alice"); second != "@alice:example.org" {
			t.Errorf("the second alice is %s", second)
		}
	})
}

func TestRegistrationAtTheProvider(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Provider = "registration = false\ntrusted = true" })
	id, _ := e.Register(harness.WebClient)
	t.Run("L-30: without registration a new person gets a page and no account", func(t *testing.T) {
		e := e.For(t)
		p := e.NewBrowser().Consent(e.NewRequest(id, harness.ScopeStable+"CLOSED"), "bob")
		expectPage(t, p, http.StatusForbidden, "example.org does not create new accounts")
		harness.ExpectMatrixError(t, e.Get("/_matrix/client/v3/profile/@bob:example.org"), http.StatusNotFound, "M_NOT_FOUND")
	})
	t.Run("L-30: without registration an existing user signs in", func(t *testing.T) {
		e := e.For(t)
		execute(e, "INSERT INTO users (localpart, display_name, email, created_at) VALUES ('alice', '', '', 0)")
		if got := userID(e, "alice"); got != "@alice:example.org" {
			t.Errorf("alice is %s", got)
		}
	})
}

func TestSeveralProviders(t *testing.T) {
	second := demoidptest.Start(t, func(o *demoidptest.Options) { o.ClientID = "second" })
	e := harness.Start(t, func(o *harness.Options) {
		o.Extra = fmt.Sprintf("[[global.identity_provider]]\nbrand = \"Second\"\nname = \"The <second> one\"\nclient_id = %q\nclient_secret = %q\nissuer_url = %q\n",
			second.ClientID, second.ClientSecret, second.Issuer)
	})
	second.SetRedirectURIs(e.URL + "/_matrix/client/unstable/login/sso/callback/second")
	e.Origins = []string{second.Issuer}
	id, _ := e.Register(harness.WebClient)
	t.Run("I-11: without a wish the person chooses, and comes back with the account", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		p := b.Authorize(e.NewRequest(id, harness.ScopeStable+"CHOICE"))
		expectPage(t, p, http.StatusOK, "My App asks you to sign in. Choose how.")
		if !strings.Contains(p.Text(), "Continue with Demo") || !strings.Contains(p.Text(), "Continue with The <second> one") || len(p.Links()) != 2 {
			t.Fatalf("the choice is %s", p.Text())
		}
		expectPage(t, b.SignIn(b.Follow(p, 0), "alice"), http.StatusOK, "@alice:example.org")
	})
	for _, name := range []string{"idp_id", "io.element.idp_id"} {
		t.Run("I-11: "+name+" picks the provider", func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, harness.ScopeStable+"CHOICE")
			r.Values.Set(name, "second")
			if at := e.NewBrowser().Authorize(r).Request.URL.String(); !strings.HasPrefix(at, second.Issuer) {
				t.Errorf("ended at %s", at)
			}
		})
	}
	t.Run("I-11: a provider that is not there is no wish", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest(id, harness.ScopeStable+"CHOICE")
		r.Values.Set("idp_id", "third")
		expectPage(t, e.NewBrowser().Authorize(r), http.StatusOK, "Choose how.")
	})
	t.Run("L-26: the same subject at another provider is another person", func(t *testing.T) {
		e := e.For(t)
		users := map[string]bool{}
		for _, provider := range []string{e.IDP.ClientID, "second"} {
			b := e.NewBrowser()
			r := e.NewRequest(id, harness.ScopeStable+"SAMESUBJECT")
			r.Values.Set("idp_id", provider)
			tokens := e.Exchange(r, b.Approve(r, "alice").Get("code"))
			users[e.WhoAmI(tokens.Text("access_token")).Text("user_id")] = true
		}
		if len(users) != 2 || !users["@alice:example.org"] {
			t.Errorf("the users are %v", users)
		}
	})
}
