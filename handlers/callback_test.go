package handlers_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
)

// callbackPath is where the identity provider sends people back to.
func callbackPath(e *harness.Env) string {
	return "/_matrix/client/unstable/login/sso/callback/" + e.IDP.ClientID
}

// stateOf is the state with which a browser came to where it is.
func stateOf(t *testing.T, p harness.Page) string {
	t.Helper()
	for r := p.Request; r != nil; r = r.Response.Request {
		if state := r.URL.Query().Get("state"); state != "" {
			return state
		}
		if r.Response == nil {
			break
		}
	}
	t.Fatalf("no state on the way to %s", p.Request.URL.Path)
	return ""
}

// back is a visit to the callback.
func back(b *harness.Browser, e *harness.Env, values url.Values) harness.Page {
	return b.Visit(callbackPath(e) + "?" + values.Encode())
}

func TestCallbackState(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) {
		o.Extra = "[[global.identity_provider]]\nbrand = \"Other\"\nclient_id = \"other\"\nissuer_url = \"https://other.invalid\""
	})
	id, _ := e.Register(harness.WebClient)
	request := func(e *harness.Env) harness.Request {
		r := e.NewRequest(id, harness.ScopeStable+"STATE")
		r.Values.Set("idp_id", e.IDP.ClientID)
		return r
	}
	b := e.NewBrowser()
	form := b.Authorize(request(e))
	state := stateOf(t, form)
	const expired = "This sign-in has expired"
	for name, values := range map[string]url.Values{
		"no parameters": {}, "no state": {"code": {"x"}}, "an unknown state": {"code": {"x"}, "state": {strings.Repeat("A", 43)}}, "a state of SQL": {"state": {"' OR 1=1 --"}},
	} {
		t.Run("L-06: a callback with "+name+" is nobody's sign-in", func(t *testing.T) {
			expectDeadEnd(t, back(b, e.For(t), values), http.StatusBadRequest, expired)
		})
	}
	t.Run("L-06: a callback with two states is malformed", func(t *testing.T) {
		e := e.For(t)
		p := back(b, e, url.Values{"code": {"x"}, "state": {state, "x"}})
		if p.StatusCode < 400 || p.Header.Get("Location") != "" {
			t.Errorf("status %d", p.StatusCode)
		}
	})
	form = b.Authorize(request(e))
	state = stateOf(t, form)
	t.Run("L-07: a state that another browser began is nobody's sign-in: without cookies", func(t *testing.T) {
		e := e.For(t)
		expectDeadEnd(t, back(e.NewBrowser(), e, url.Values{"code": {"x"}, "state": {state}}), http.StatusForbidden, "This sign-in belongs to another browser")
	})
	t.Run("L-07: a state that another browser began is nobody's sign-in: with other cookies", func(t *testing.T) {
		e := e.For(t)
		other := e.NewBrowser()
		other.Authorize(request(e))
		expectDeadEnd(t, back(other, e, url.Values{"code": {"x"}, "state": {state}}), http.StatusBadRequest, expired)
	})
	t.Run("L-04: a state of one provider is none at another's callback", func(t *testing.T) {
		p := b.For(t).Visit("/_matrix/client/unstable/login/sso/callback/other?" + url.Values{"code": {"x"}, "state": {state}}.Encode())
		expectDeadEnd(t, p, http.StatusBadRequest, expired)
	})
	t.Run("I-04: there is no callback of an unknown provider", func(t *testing.T) {
		p := b.For(t).Visit("/_matrix/client/unstable/login/sso/callback/nobody?state=" + state)
		expectDeadEnd(t, p, http.StatusNotFound, "This way to sign in does not exist")
	})
	var end harness.Page
	t.Run("L-07: the browser that began it goes on after all that", func(t *testing.T) {
		end = b.For(t).SignIn(form, "alice")
		expectPage(t, end, http.StatusOK, consentTitle)
	})
	t.Run("L-06: a state is good once", func(t *testing.T) {
		b := b.For(t)
		if end.Request.Response == nil {
			t.Fatal("the sign-in has not come back")
		}
		used := end.Request.Response.Request.URL // the callback
		if used.Path != callbackPath(e) {
			t.Fatalf("came from %s", used.Path)
		}
		expectDeadEnd(t, b.Visit(used.RequestURI()), http.StatusBadRequest, expired)
	})
}

func TestProviderRefuses(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	begin := func(e *harness.Env) (*harness.Browser, harness.Page) {
		b := e.NewBrowser()
		return b, b.Authorize(e.NewRequest(id, harness.ScopeStable+"REFUSED"))
	}
	retried := func(t *testing.T, b *harness.Browser, p harness.Page) {
		t.Helper()
		links := p.Links()
		if len(links) == 0 || !strings.Contains(p.Text(), "Try again") {
			t.Fatalf("there is no way back: %s", p.Text())
		}
		expectPage(t, b.SignIn(b.Visit(links[0]), "alice"), http.StatusOK, consentTitle)
	}
	t.Run("C-21: who cancels at the provider is told so, and can try again", func(t *testing.T) {
		b, at := begin(e.For(t))
		response := demoidptest.Cancel(t, b.Client, at.Response)
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		p := harness.Page{Response: response, HTML: string(body)}
		expectPage(t, p, http.StatusForbidden, "The sign-in was cancelled at Demo")
		retried(t, b, p)
	})
}

// referenceOf is what a person would tell the administrator.
func referenceOf(t *testing.T, p harness.Page) string {
	t.Helper()
	_, reference, ok := strings.Cut(p.Text(), "Reference: ")
	if !ok || reference == "" || reference != p.Header.Get("X-Request-Id") {
		t.Fatalf("the page's reference is %q, X-Request-Id is %q", reference, p.Header.Get("X-Request-Id"))
	}
	return reference
}

// logged are the lines of the log that have a reference.
func logged(e *harness.Env, reference string) string {
	var lines []string
	for line := range strings.Lines(e.Log.String()) {
		if strings.Contains(line, `"request":"`+reference+`"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
