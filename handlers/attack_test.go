package handlers_test

import (
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

// wire is a request as somebody without a browser's manners sends it: nothing is
// followed, and no cookie is kept.
type wire struct {
	e            *harness.Env
	method, path string
	query        url.Values
	raw          string // of the query, as it is, instead of query
	header       http.Header
	// The body: the first of these that is there.
	body string
	json map[string]any
	form url.Values
	// token is what the request is about, where a theme is about tokens; place
	// puts another one in its place.
	token string
	place func(w *wire, token string)
}

// clone is the same request, to be sent again or changed.
func (w *wire) clone() *wire {
	c := *w
	c.query, c.form, c.json, c.header = cloned(w.query), cloned(w.form), maps.Clone(w.json), w.header.Clone()
	return &c
}

func cloned(v url.Values) url.Values { return url.Values(http.Header(v).Clone()) }

func (w *wire) bytes() string {
	switch {
	case w.body != "":
		return w.body
	case w.json != nil:
		doc, _ := json.Marshal(w.json)
		return string(doc)
	}
	return w.form.Encode()
}

func (w *wire) send() harness.Answer {
	w.e.T.Helper()
	target := w.e.URL + w.path
	if query := w.query.Encode() + w.raw; query != "" {
		target += "?" + query
	}
	r, err := http.NewRequestWithContext(w.e.T.Context(), w.method, target, strings.NewReader(w.bytes()))
	if err != nil {
		w.e.T.Fatalf("%s %s: %v", w.method, w.path, err)
	}
	r.Header = w.header.Clone()
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.e.T.Fatalf("%s %s: %v", w.method, w.path, err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		w.e.T.Fatalf("%s %s: %v", w.method, w.path, err)
	}
	return harness.Answer{Status: response.StatusCode, Header: response.Header, Body: body}
}

// fetched is a GET of a path that may have a query.
func fetched(e *harness.Env, path string, headers ...string) *wire {
	path, raw, _ := strings.Cut(path, "?")
	return &wire{e: e, method: http.MethodGet, path: path, raw: raw, header: headersOf(headers)}
}

// posting is a POST of a form.
func posting(e *harness.Env, path string, values url.Values, headers ...string) *wire {
	return &wire{e: e, method: http.MethodPost, path: path, form: values, header: headersOf(append([]string{"Content-Type", form}, headers...))}
}

// postingJSON is a POST of a JSON object.
func postingJSON(e *harness.Env, path string, body map[string]any) *wire {
	return &wire{e: e, method: http.MethodPost, path: path, json: body, header: headersOf([]string{"Content-Type", "application/json"})}
}

func headersOf(pairs []string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// theme is a request that succeeds, and attacks: what turns it into one that
// must not.
type theme struct {
	configure func(*harness.Options)
	// good makes everything that the request needs.
	good func(e *harness.Env) *wire
	// succeeds wants the answer to the good request, refused that to a changed
	// one.
	succeeds, refused func(t *testing.T, w *wire, a harness.Answer)
	attacks           []attack
	// consumed: the attack may use up what the good request needs, which is made
	// anew then.
	consumed bool
}

// attack is a change to a theme's good request.
type attack struct {
	name    string // begins with the items that it proves
	change  func(w *wire)
	refused func(t *testing.T, w *wire, a harness.Answer) // nil = the theme's
}

// hostileThemes are all of them: each attack stands beside the request without
// it.
func hostileThemes() []theme {
	var all []theme
	for _, some := range []func() []theme{
		redirectThemes, pkceThemes, codeThemes, callbackThemes, formThemes, sessionThemes, tokenThemes, shapeThemes, routeThemes, textThemes,
	} {
		all = append(all, some()...)
	}
	return all
}

// TestHostileThemes sends no request: it counts.
func TestHostileThemes(t *testing.T) {
	items := regexp.MustCompile(`^([A-L]-[0-9A-F][0-9A-Z][a-z]? )*[A-L]-[0-9A-F][0-9A-Z][a-z]?: .`)
	seen := map[string]bool{}
	for _, th := range hostileThemes() {
		if th.good == nil || th.succeeds == nil || len(th.attacks) == 0 {
			t.Error("a theme has no attack, or no request that succeeds beside it")
		}
		for _, a := range th.attacks {
			if seen[a.name] || !items.MatchString(a.name) || a.change == nil || th.refused == nil && a.refused == nil {
				t.Errorf("%q is no attack: it needs a name of its own that begins with items, a change and a refusal", a.name)
			}
			seen[a.name] = true
		}
	}
	if len(seen) < 150 {
		t.Errorf("there are %d attacks, want at least 150", len(seen))
	}
	t.Logf("%d attacks", len(seen))
}

// attackAll sends each attack, which must be refused, and beside it the request
// without what makes it an attack, which must succeed.
func attackAll(t *testing.T, themes []theme) {
	t.Helper()
	for _, th := range themes {
		e := harness.Start(t, unlimited, func(o *harness.Options) {
			if th.configure != nil {
				th.configure(o)
			}
		})
		for _, a := range th.attacks {
			t.Run(a.name, func(t *testing.T) {
				e := e.For(t)
				good := th.good(e)
				evil := good.clone()
				a.change(evil)
				refused := th.refused
				if a.refused != nil {
					refused = a.refused
				}
				refused(t, evil, evil.send())
				if th.consumed {
					good = th.good(e)
				}
				th.succeeds(t, good, good.send())
				expectNoPanic(t, e)
			})
		}
	}
}

// stranded wants a page that leads nowhere and signs nobody in.
func stranded(t *testing.T, _ *wire, a harness.Answer) {
	t.Helper()
	if kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type")); a.Status < 400 || a.Status >= 500 || kind != "text/html" {
		t.Errorf("status %d, Content-Type %q instead of a page:\n%.300s", a.Status, kind, a.Body)
	}
	goesNowhere(t, a)
}

// goesNowhere wants an answer that sends nobody anywhere, and starts no session.
func goesNowhere(t *testing.T, a harness.Answer) {
	t.Helper()
	page := strings.ToLower(string(a.Body))
	if a.Header.Get("Location") != "" || a.Header.Get("Refresh") != "" || strings.Contains(page, "http-equiv") || strings.Contains(page, "<script") {
		t.Errorf("it leads to %q %q:\n%.300s", a.Header.Get("Location"), a.Header.Get("Refresh"), a.Body)
	}
	for _, name := range []string{"keymaker_session", "__Host-keymaker_session"} {
		if cookieOf(a.Header, name) != nil {
			t.Error("a session begins")
		}
	}
	if a.Status >= 500 {
		t.Errorf("status %d: our fault", a.Status)
	}
}

// noTokens wants an OAuth error without any token.
func noTokens(t *testing.T, _ *wire, a harness.Answer) {
	t.Helper()
	if a.Status != http.StatusBadRequest && a.Status != http.StatusUnauthorized || a.Text("error") == "" {
		t.Errorf("status %d instead of an OAuth error: %.300s", a.Status, a.Body)
	}
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if _, there := a.JSON()[name]; there {
			t.Errorf("there is an %s", name)
		}
	}
}

// ok wants a JSON object with 200.
func ok(t *testing.T, _ *wire, a harness.Answer) {
	t.Helper()
	if a.Status != http.StatusOK || a.JSON() == nil {
		t.Errorf("without the attack: status %d: %.300s", a.Status, a.Body)
	}
}

// tokensCome wants a successful token response.
func tokensCome(t *testing.T, w *wire, a harness.Answer) {
	t.Helper()
	ok(t, w, a)
	if a.Text("access_token") == "" {
		t.Errorf("without the attack there is no access token: %s", a.Body)
	}
}

// created wants a registration.
func created(t *testing.T, _ *wire, a harness.Answer) {
	t.Helper()
	if a.Status != http.StatusCreated || a.Text("client_id") == "" {
		t.Errorf("without the attack: status %d: %s", a.Status, a.Body)
	}
}

// onTheWay wants a redirect towards the identity provider.
func onTheWay(t *testing.T, w *wire, a harness.Answer) {
	t.Helper()
	if to := a.Header.Get("Location"); a.Status != http.StatusSeeOther || !strings.HasPrefix(to, "/_matrix/client/v3/login/sso/redirect/") && !strings.HasPrefix(to, w.e.IDP.Issuer+"/") {
		t.Errorf("without the attack: status %d to %q", a.Status, to)
	}
}

// Changes that many attacks have in common.

// query replaces a parameter of the query.
func query(name string, values ...string) func(*wire) {
	return func(w *wire) { w.query[name] = values }
}

// field replaces a parameter of the form; without a value it goes.
func field(name string, values ...string) func(*wire) {
	return func(w *wire) {
		w.form[name] = values
		if len(values) == 0 {
			delete(w.form, name)
		}
	}
}

// header replaces a header; without a value it goes.
func header(name string, values ...string) func(*wire) {
	return func(w *wire) { w.header[http.CanonicalHeaderKey(name)] = values }
}

// body replaces the body and its Content-Type.
func body(kind, text string) func(*wire) {
	return func(w *wire) {
		w.body = text
		w.header.Set("Content-Type", kind)
		if kind == "" {
			w.header.Del("Content-Type")
		}
	}
}
