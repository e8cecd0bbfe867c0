package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
)

func TestTheProviderThatWasUsedLastIsFirst(t *testing.T) {
	second := demoidptest.Start(t, func(o *demoidptest.Options) { o.ClientID = "second" })
	e := harness.Start(t, func(o *harness.Options) {
		o.Extra = fmt.Sprintf("[[global.identity_provider]]\nbrand = \"GitLab\"\nname = \"Our own GitLab\"\nclient_id = %q\nclient_secret = %q\nissuer_url = %q\n",
			second.ClientID, second.ClientSecret, second.Issuer)
	})
	second.SetRedirectURIs(e.URL + "/_matrix/client/unstable/login/sso/callback/second")
	e.Origins = []string{second.Issuer}
	id, _ := e.Register(harness.WebClient)
	first := func(p harness.Page) string {
		_, rest, _ := strings.Cut(p.Text(), "Continue with ")
		name, _, _ := strings.Cut(rest, " Continue with ")
		return name
	}
	choices := map[string]func(*harness.Browser, *harness.Env, string) harness.Page{
		"of an application": func(b *harness.Browser, e *harness.Env, device string) harness.Page {
			return b.Authorize(e.NewRequest(id, harness.ScopeStable+device))
		},
		"of a legacy login": func(b *harness.Browser, _ *harness.Env, _ string) harness.Page {
			return b.Visit(legacyStart(harness.LegacyRedirect))
		},
		"of the account": func(b *harness.Browser, _ *harness.Env, _ string) harness.Page {
			return b.Visit(accountPath + "?switch=1")
		},
	}
	for name, open := range choices {
		t.Run("I-11: at the choice "+name+" a person finds the provider that they used last before the others", func(t *testing.T) {
			e := e.For(t)
			b := e.NewBrowser()
			choice := open(b, e, "LASTONE")
			if got := first(choice); got != "Demo" {
				t.Errorf("at first the first is %q:\n%s", got, choice.Text())
			}
			if p := b.SignIn(b.Follow(choice, 1), "bob"); p.StatusCode != http.StatusOK {
				t.Fatalf("status %d: %s", p.StatusCode, p.Text())
			}
			again := open(b, e, "LASTTWO")
			if got := first(again); !strings.HasPrefix(got, "Our own GitLab You used this last") || strings.Count(again.Text(), "You used this last") != 1 {
				t.Errorf("then the first is %q:\n%s", got, again.Text())
			}
			if !strings.Contains(again.HTML, `<svg class="brand"`) {
				t.Error("a brand has no drawing")
			}
			if got := first(open(e.NewBrowser(), e, "LASTTHREE")); got != "Demo" {
				t.Errorf("in another browser the first is %q", got)
			}
		})
	}
}
