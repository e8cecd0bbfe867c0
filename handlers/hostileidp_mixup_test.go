package handlers_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
)

// A provider that sends its visitors on to another one, to get hold of the code
// that the other gives (RFC 9700 §4.4).
func TestMixUp(t *testing.T) {
	var e *harness.Env
	asked := map[string]int{}
	evil := demoidptest.Start(t, func(o *demoidptest.Options) {
		o.ClientID = "evil"
		o.Wrap = func(provider http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked[r.URL.Path]++
				if r.URL.Path != "/authorize" {
					provider.ServeHTTP(w, r)
					return
				}
				q := r.URL.Query()
				q.Set("client_id", e.IDP.ClientID)
				q.Set("redirect_uri", e.URL+callbackPath(e))
				http.Redirect(w, r, e.IDP.Issuer+"/authorize?"+q.Encode(), http.StatusSeeOther)
			})
		}
	})
	e = harness.Start(t, func(o *harness.Options) {
		o.Extra = "[[global.identity_provider]]\nbrand = \"Evil\"\nclient_id = \"evil\"\nissuer_url = \"" + evil.Issuer + "\""
	})
	e.Origins = []string{evil.Issuer}
	id, _ := e.Register(harness.WebClient)
	at := func(e *harness.Env, provider string) (*harness.Browser, harness.Page) {
		b := e.NewBrowser()
		r := e.NewRequest(id, harness.ScopeStable+"MIXUP")
		r.Values.Set("idp_id", provider)
		return b, b.Consent(r, "alice")
	}
	t.Run("L-04: a code of one provider in a login at another reaches neither of them", func(t *testing.T) {
		b, p := at(e.For(t), "evil")
		expectPage(t, p, http.StatusBadRequest, "This sign-in has expired")
		if !strings.Contains(p.Text(), "Go back to your app") || strings.Contains(b.Cookie(), "keymaker_session") || asked[idpToken] != 0 {
			t.Errorf("the cookies are %q, the evil provider's token endpoint was asked %d times, and the page says %s", b.Cookie(), asked[idpToken], p.Text())
		}
	})
	t.Run("L-04: and a login at the honest one succeeds", func(t *testing.T) {
		_, p := at(e.For(t), e.IDP.ClientID)
		expectPage(t, p, http.StatusOK, consentTitle)
	})
}

func TestProviderAnswersByPost(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	t.Run("L-06: an answer by POST is none, the page says so, and the login goes on by GET", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		form := b.Authorize(e.NewRequest(id, harness.ScopeStable+"BYPOST"))
		p := b.Post(form, e.URL+callbackPath(e), url.Values{"code": {"x"}, "state": {stateOf(t, form)}})
		expectPage(t, p, http.StatusMethodNotAllowed, "Go back to your app and start again from there.")
		if p.Header.Get("Allow") != http.MethodGet || strings.Contains(b.Cookie(), "keymaker_session") {
			t.Errorf("Allow is %q, the cookies are %q", p.Header.Get("Allow"), b.Cookie())
		}
		referenceOf(t, p)
		expectPage(t, b.SignIn(form, "alice"), http.StatusOK, consentTitle)
	})
}

// world answers for every host.
type world func(r *http.Request) *http.Response

// RoundTrip implements http.RoundTripper.
func (w world) RoundTrip(r *http.Request) (*http.Response, error) { return w(r), nil }

func TestProviderLeavesHTTPS(t *testing.T) {
	const honest = `{"issuer":"https://idp.example","authorization_endpoint":"https://idp.example/authorize","token_endpoint":"https://idp.example/token","jwks_uri":"https://idp.example/keys"}`
	document, redirect := honest, ""
	e := harness.Start(t, func(o *harness.Options) {
		o.Extra = "[[global.identity_provider]]\nbrand = \"Safe\"\nclient_id = \"safe\"\nissuer_url = \"https://idp.example\""
		o.HTTPClient = &http.Client{Transport: world(func(r *http.Request) *http.Response {
			w := httptest.NewRecorder()
			if redirect != "" && r.URL.Scheme == "https" {
				http.Redirect(w, r, redirect, http.StatusFound)
			} else {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, document)
			}
			return w.Result()
		})}
	})
	id, _ := e.Register(harness.WebClient)
	begin := func(e *harness.Env) harness.Page {
		r := e.NewRequest(id, harness.ScopeStable+"HTTPS")
		r.Values.Set("idp_id", "safe")
		return e.NewBrowser().Authorize(r)
	}
	for _, endpoint := range []string{"authorize", "token", "keys"} {
		t.Run("L-14: an https provider whose endpoint for "+endpoint+" is http is not used", func(t *testing.T) {
			e.Restart()
			e := e.For(t)
			document = strings.Replace(honest, "https://idp.example/"+endpoint, "http://idp.example/"+endpoint, 1)
			defer func() { document = honest }()
			p := begin(e)
			expectPage(t, p, http.StatusBadGateway, "Safe does not answer")
			if line := logged(e, referenceOf(t, p)); !strings.Contains(line, "is not https") {
				t.Errorf("the log says %s", line)
			}
		})
	}
	t.Run("L-14: an https provider that redirects to http is not followed", func(t *testing.T) {
		e.Restart()
		e := e.For(t)
		redirect = "http://idp.example/?SECRET"
		defer func() { redirect = "" }()
		p := begin(e)
		expectPage(t, p, http.StatusBadGateway, "Safe does not answer")
		if line := logged(e, referenceOf(t, p)); !strings.Contains(line, "leaves https") || strings.Contains(line, "SECRET") {
			t.Errorf("the log says %s", line)
		}
	})
	t.Run("L-14: with https in all of it the login begins", func(t *testing.T) {
		e.Restart()
		p := begin(e.For(t))
		if to := p.Header.Get("Location"); p.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "https://idp.example/authorize?") {
			t.Errorf("status %d to %q", p.StatusCode, to)
		}
	})
}
