package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
	"keymaker/store"
)

const linksLink = accountPath + "?action=links"

// twoProviders starts a server with the demonstration provider and a second one,
// called Second, which knows the same people.
func twoProviders(t *testing.T, options string) *harness.Env {
	t.Helper()
	second := demoidptest.Start(t, func(o *demoidptest.Options) { o.ClientID = "second" })
	e := harness.Start(t, func(o *harness.Options) {
		o.Global = "oidc_rc_per_second = 0"
		o.Extra = fmt.Sprintf("[[global.identity_provider]]\nbrand = \"Second\"\nclient_id = %q\nclient_secret = %q\nissuer_url = %q\n%s\n",
			second.ClientID, second.ClientSecret, second.Issuer, options)
	})
	second.SetRedirectURIs(e.URL + "/_matrix/client/unstable/login/sso/callback/second")
	e.Origins = []string{second.Issuer}
	return e
}

// signedInAt opens an account page with a sign-in at a provider.
func signedInAt(e *harness.Env, provider, user string) (*harness.Browser, harness.Page) {
	e.T.Helper()
	b := e.NewBrowser()
	return b, b.SignIn(b.Visit(accountPath+"?idp_id="+provider), user)
}

// proveAs follows the way to prove who somebody is at a provider.
func proveAs(t *testing.T, b *harness.Browser, p harness.Page, way, user string) harness.Page {
	t.Helper()
	to := linkTo(p, way)
	for _, l := range p.Links() {
		if strings.Contains(l, "idp_id="+url.QueryEscape(way)) {
			to = l
		}
	}
	if to == "" {
		t.Fatalf("there is no way to prove anything at %s:\n%s", way, p.Text())
	}
	return b.SignIn(b.Visit(to), user)
}

// linkOther goes to link alice's account at the second provider.
func linkOther(t *testing.T, b *harness.Browser, user string) harness.Page {
	t.Helper()
	return b.SignIn(b.Visit(linksLink+"&link=second"), user)
}

func TestAccountLinks(t *testing.T) {
	e := twoProviders(t, "unique_id_fallbacks = false")
	b, _ := signedInAt(e, e.IDP.ClientID, "alice")
	links := func(e *harness.Env, localpart string) []string {
		all, err := e.Server.Store().UpstreamLinks(t.Context(), localpart)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, l := range all {
			ids = append(ids, l.ProviderID)
		}
		return ids
	}
	t.Run("H-02: it lists the account at the provider, what it is called there and since when", func(t *testing.T) {
		e := e.For(t)
		p := b.For(t).Visit(linksLink)
		for _, says := range []string{"Signed in with Demo", "Account there alice@", "Linked since " + e.Clock.Now().UTC().Format("2006-01-02"), "Used in this browser"} {
			expectPage(t, p, http.StatusOK, says)
		}
		if linkTo(p, "Unlink") != "" {
			t.Error("the only one can be unlinked")
		}
	})
	t.Run("H-04: a sign-in at another provider links nothing before the person has proved who they are", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		p := linkOther(t, b, "alice")
		expectPage(t, p, http.StatusOK, "Link your account at Second?")
		if p.Has("form") {
			t.Error("there is a form")
		}
		if got := links(e, "alice"); !slices.Equal(got, []string{e.IDP.ClientID}) {
			t.Errorf("linked: %q", got)
		}
	})
	t.Run("H-04: nor does a proof by somebody else", func(t *testing.T) {
		e := e.For(t)
		b, _ := signedInAt(e, e.IDP.ClientID, "alice")
		p := proveAs(t, b, linkOther(t, b, "alice"), e.IDP.ClientID, "bob")
		expectPage(t, p, http.StatusForbidden, "That was another account")
		expectPage(t, b.Visit(accountPath), http.StatusOK, "@alice:example.org")
		if got := links(e, "alice"); len(got) != 1 {
			t.Errorf("linked: %q", got)
		}
	})
	t.Run("H-04 L-06: the form of one browser is worth nothing in another, even by the same person", func(t *testing.T) {
		e := e.For(t)
		b, _ := signedInAt(e, e.IDP.ClientID, "alice")
		p := proveAs(t, b, linkOther(t, b, "alice"), e.IDP.ClientID, "alice")
		expectPage(t, p, http.StatusOK, "Whoever signs in as alice@")
		action, values := b.Fields(p)
		values.Set("decision", "approve")
		other, _ := signedInAt(e, e.IDP.ClientID, "alice")
		if p := other.Post(other.Visit(accountPath), action, values); p.StatusCode != http.StatusBadRequest && p.StatusCode != http.StatusForbidden {
			t.Errorf("status %d:\n%s", p.StatusCode, p.Text())
		}
		values.Set("csrf_token", strings.Repeat("0", 64))
		expectPage(t, b.Post(p, action, values), http.StatusForbidden, "This page is too old")
		if got := links(e, "alice"); len(got) != 1 {
			t.Errorf("linked: %q", got)
		}
	})
	t.Run("H-04: a proof that is too old is asked for again", func(t *testing.T) {
		e := e.For(t)
		b, _ := signedInAt(e, e.IDP.ClientID, "alice")
		p := proveAs(t, b, linkOther(t, b, "alice"), e.IDP.ClientID, "alice")
		e.Clock.Advance(11 * time.Minute)
		expectPage(t, b.Decide(p, "approve"), http.StatusOK, "@alice:example.org is yours?")
		if got := links(e, "alice"); len(got) != 1 {
			t.Errorf("linked: %q", got)
		}
	})
	t.Run("H-02: after a proof the account is linked, and leads to the same user", func(t *testing.T) {
		e := e.For(t)
		b, _ := signedInAt(e, e.IDP.ClientID, "alice")
		p := proveAs(t, b, linkOther(t, b, "alice"), e.IDP.ClientID, "alice")
		shown := p
		p = b.Decide(p, "approve")
		expectPage(t, p, http.StatusOK, "Signed in with Second")
		_, p = signedInAt(e, "second", "alice")
		expectPage(t, p, http.StatusOK, "Signed in as @alice:example.org")
		expectPage(t, b.Decide(shown, "approve"), http.StatusBadRequest, "This sign-in has expired")
	})
	t.Run("H-02: one that is linked already is left as it is", func(t *testing.T) {
		b := b.For(t)
		expectPage(t, linkOther(t, b, "alice"), http.StatusOK, "How you sign in")
	})
	t.Run("H-04: an account of somebody else is refused on a page that says so", func(t *testing.T) {
		e := e.For(t)
		bob, _ := signedInAt(e, e.IDP.ClientID, "bob")
		expectPage(t, linkOther(t, bob, "alice"), http.StatusConflict, "This account belongs to somebody else here")
		if got := links(e, "bob"); len(got) != 1 {
			t.Errorf("linked: %q", got)
		}
	})
	unlinkURL := func(t *testing.T, p harness.Page, place int) string {
		t.Helper()
		var all []string
		for _, l := range p.Links() {
			if strings.Contains(l, "action=unlink") {
				all = append(all, l)
			}
		}
		if place >= len(all) {
			t.Fatalf("only %q can be unlinked:\n%s", all, p.Text())
		}
		return all[place]
	}
	t.Run("H-04: unlinking needs a proof, and a GET does not do it", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		p := b.Visit(unlinkURL(t, b.Visit(linksLink), 1))
		expectPage(t, p, http.StatusOK, "Unlink this account?")
		if p.Request.URL.Path != accountPath || p.Has("form") || len(links(e, "alice")) != 2 {
			t.Errorf("links %q:\n%s", links(e, "alice"), p.Text())
		}
	})
	t.Run("H-04 L-06: what is not the person's own, or not there, is not unlinked", func(t *testing.T) {
		e := e.For(t)
		bob, _ := signedInAt(e, e.IDP.ClientID, "bob")
		for _, key := range []string{"", "x", strings.Repeat("0", 64), unlinkURL(t, b.For(t).Visit(linksLink), 1)} {
			_, key, _ = strings.Cut(key, "link=")
			expectPage(t, bob.Visit(accountPath+"?action=unlink&link="+key), http.StatusOK, "How you sign in")
		}
	})
	t.Run("H-02: after a proof the account is unlinked, browsers that used it are signed out, and apps are not", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		other, _ := signedInAt(e, "second", "alice")
		tokens := logInAt(e, e.IDP.ClientID, "alice", "STAYS")
		p := proveAs(t, b, b.Visit(unlinkURL(t, b.Visit(linksLink), 1)), e.IDP.ClientID, "alice")
		expectPage(t, p, http.StatusOK, "Unlink this account?")
		p = b.Decide(p, "approve")
		expectPage(t, p, http.StatusOK, "How you sign in")
		if got := links(e, "alice"); !slices.Equal(got, []string{e.IDP.ClientID}) {
			t.Errorf("linked: %q", got)
		}
		a := e.Do(http.MethodGet, accountPath, map[string]string{"Cookie": other.Cookie()}, "")
		if strings.Contains(string(a.Body), "Signed in as") {
			t.Errorf("the other browser is still signed in")
		}
		expectAlive(t, e, tokens.Access)
	})
}

func TestTakenName(t *testing.T) {
	t.Run("H-02 L-27: whoever has the name of a user proves to be them, links, and goes on to the app", func(t *testing.T) {
		e := twoProviders(t, "")
		first := logInAt(e, e.IDP.ClientID, "alice", "FIRST")
		e = e.For(t)
		b := e.NewBrowser()
		r := e.NewRequest(first.ClientID, harness.ScopeStable+"LINKED")
		r.Values.Set("idp_id", "second")
		p := b.SignIn(b.Authorize(r), "alice")
		expectPage(t, p, http.StatusOK, "This name is already taken")
		p = proveAs(t, b, p, e.IDP.ClientID, "alice")
		expectPage(t, p, http.StatusOK, "Link your account at Second?")
		p = b.Decide(p, "approve")
		expectPage(t, p, http.StatusOK, "@alice:example.org")
		end := b.Decide(p, "approve")
		a := e.Exchange(r, harness.Returned(end).Get("code"))
		if a.Status != http.StatusOK || e.WhoAmI(a.Text("access_token")).Text("user_id") != "@alice:example.org" {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
	t.Run("L-27: a person who is not that user gets another name", func(t *testing.T) {
		e := twoProviders(t, "")
		signedInAt(e, e.IDP.ClientID, "alice")
		e = e.For(t)
		b, p := signedInAt(e, "second", "alice")
		expectPage(t, p, http.StatusOK, "@alice:example.org is somebody else?")
		action, values := formFor(t, p, "new_name")
		home := b.Post(p, action, values)
		expectPage(t, home, http.StatusOK, "Signed in as @")
		if strings.Contains(home.Text(), "@alice:") {
			t.Errorf("the person became alice:\n%s", home.Text())
		}
		expectPage(t, b.Post(p, action, values), http.StatusBadRequest, "This sign-in has expired")
		_, again := signedInAt(e, "second", "alice")
		if again.Text() != home.Text() {
			t.Errorf("the next sign-in is another user's:\n%s", again.Text())
		}
	})
	t.Run("L-27: without fallbacks there is no other name", func(t *testing.T) {
		e := twoProviders(t, "unique_id_fallbacks = false")
		signedInAt(e, e.IDP.ClientID, "alice")
		e = e.For(t)
		_, p := signedInAt(e, "second", "alice")
		expectPage(t, p, http.StatusOK, "This name is already taken")
		if p.Has("form") {
			t.Error("there is a form")
		}
	})
	t.Run("L-27: a proof as somebody else does not link", func(t *testing.T) {
		e := twoProviders(t, "")
		signedInAt(e, e.IDP.ClientID, "alice")
		signedInAt(e, e.IDP.ClientID, "bob")
		e = e.For(t)
		b, p := signedInAt(e, "second", "alice")
		expectPage(t, proveAs(t, b, p, e.IDP.ClientID, "bob"), http.StatusForbidden, "That was another account")
		expectPage(t, b.Visit(p.Request.URL.RequestURI()), http.StatusOK, "This name is already taken")
		if _, err := e.Server.Store().LinkedUser(t.Context(), "second", e.Origins[0], "subject-alice"); err == nil {
			t.Error("the account is linked")
		}
	})
	t.Run("L-07: what one browser may link no other sees", func(t *testing.T) {
		e := twoProviders(t, "")
		signedInAt(e, e.IDP.ClientID, "alice")
		e = e.For(t)
		_, p := signedInAt(e, "second", "alice")
		expectPage(t, e.NewBrowser().Visit(p.Request.URL.RequestURI()), http.StatusForbidden, "belongs to another browser")
		other, _ := signedInAt(e, e.IDP.ClientID, "bob")
		expectPage(t, other.Visit(p.Request.URL.RequestURI()), http.StatusBadRequest, "has expired")
	})
}

func TestAccountDeactivation(t *testing.T) {
	link := accountPath + "?action=org.matrix.account_deactivate"
	e := twoProviders(t, "")
	tokens, legacy := logInAt(e, e.IDP.ClientID, "alice", "FIRST"), e.LogInLegacy("alice", "SECOND")
	b, _ := signedInAt(e, e.IDP.ClientID, "alice")
	for _, name := range []string{"org.matrix.account_deactivate", "account_deactivate"} {
		t.Run("H-02 H-04: "+name+" says what will happen, and asks for a proof", func(t *testing.T) {
			e := e.For(t)
			p := b.For(t).Visit(accountPath + "?action=" + name)
			expectPage(t, p, http.StatusOK, "Nobody can sign in to this account again")
			if p.Has("form") {
				t.Error("there is a form")
			}
			expectAlive(t, e, tokens.Access)
		})
	}
	t.Run("H-04 H-07: a form without a proof closes nothing", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		p := proveAs(t, b, b.Visit(link), e.IDP.ClientID, "alice")
		e.Clock.Advance(11 * time.Minute)
		expectPage(t, b.Decide(p, "approve"), http.StatusOK, "Sign in once more")
		expectPage(t, b.Decide(proveAs(t, b, b.Visit(link), e.IDP.ClientID, "alice"), "cancel"), http.StatusOK, accountSays)
		tokens = e.MustRefresh(tokens.ClientID, tokens.Refresh)
		expectAlive(t, e, tokens.Access)
	})
	r := e.NewRequest(tokens.ClientID, harness.ScopeStable+"FLIGHT")
	r.Values.Set("idp_id", e.IDP.ClientID)
	flight := grant{r, e.NewBrowser().Approve(r, "alice").Get("code")}
	loginToken := e.LoginToken(e.NewBrowser(), "alice")
	waiting, taken := signedInAt(e, "second", "alice") // at its first sign-in, with the name of the user
	t.Run("H-07 E-03 E-04: after a proof everything ends at once, for ever", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		p := proveAs(t, b, b.Visit(link), e.IDP.ClientID, "alice")
		bob := logInAt(e, e.IDP.ClientID, "bob", "BOBS")
		action, values := b.Fields(p)
		values.Set("decision", "approve")
		values.Set("erase", "yes")
		expectPage(t, b.Post(p, action, values), http.StatusOK, "Your account is closed")
		expectDead(t, e, tokens.Access)
		expectDead(t, e, legacy.Access)
		expectInvalidGrant(t, e.Refresh(tokens.ClientID, tokens.Refresh))
		expectInvalidGrant(t, e.Exchange(flight.Request, flight.code))
		harness.ExpectMatrixError(t, withToken(e, loginToken), http.StatusForbidden, "M_FORBIDDEN")
		expectAlive(t, e, bob.Access)
		_, p = signedInAt(e, e.IDP.ClientID, "alice")
		expectPage(t, p, http.StatusForbidden, "This account is closed")
	})
	t.Run("H-07: a sign-in that was on its way does not get the name", func(t *testing.T) {
		e, waiting := e.For(t), waiting.For(t)
		p := proveAs(t, waiting, waiting.Visit(taken.Request.URL.RequestURI()), e.IDP.ClientID, "alice")
		expectPage(t, p, http.StatusForbidden, "This account is closed")
		_, p = signedInAt(e, "second", "alice")
		if p.StatusCode != http.StatusOK || strings.Contains(p.Text(), "@alice:") {
			t.Errorf("status %d:\n%s", p.StatusCode, p.Text())
		}
	})
	t.Run("H-07: with erase the name, the address and what the person is called at providers are gone", func(t *testing.T) {
		e := e.For(t)
		if a := e.Get(profilePath + "/@alice:example.org"); a.Status != http.StatusOK || len(a.JSON()) != 0 {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
		user, err := e.Server.Store().User(t.Context(), "alice")
		links, err2 := e.Server.Store().UpstreamLinks(t.Context(), "alice")
		if err != nil || err2 != nil || user.DisplayName != "" || user.Email != "" || links[0].AccountName != "" {
			t.Errorf("user %+v, links %+v, errors %v, %v", user, links, err, err2)
		}
	})
	t.Run("H-07: the audit log says that the person did it", func(t *testing.T) {
		e := e.For(t)
		expectDead(t, e, tokens.Access)
		events, err := e.Server.Store().AuditEvents(t.Context(), "alice", 20)
		if err != nil || !slices.ContainsFunc(events, func(ev store.Event) bool { return ev.Action == "user_deactivated" && ev.Actor == "user" }) {
			t.Errorf("events %+v, error %v", events, err)
		}
	})
}
