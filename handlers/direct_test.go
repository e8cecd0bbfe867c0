package handlers

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/mux"
)

// Whether a path is looked up or matched, the same route answers.
func TestPathsWithoutVariablesAreLookedUp(t *testing.T) {
	answer := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Met", name) })
	}
	m := mux.NewRouter().UseEncodedPath().SkipClean(true)
	var routes []route
	for _, path := range []string{"/a/{b}", "/a/b", "/c", "/d/{e}"} {
		m.Handle(path, answer(path))
		routes = append(routes, route{path: path})
	}
	m.NotFoundHandler = answer("nothing")
	h := direct(m, routes)
	for path, want := range map[string]string{
		"/c": "/c", "/d/x": "/d/{e}", "/c/": "nothing", "//c": "nothing", "/x/../c": "nothing", "/d": "nothing", "*": "nothing",
		"/%63":   "nothing", // what is sent in another way is another path
		"/c%2F":  "nothing",
		"/a/b":   "/a/{b}", // the first that fits
		"/a%2Fb": "nothing",
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Met"); got != want {
			t.Errorf("%s met %q, want %q", path, got, want)
		}
		mw := httptest.NewRecorder()
		m.ServeHTTP(mw, httptest.NewRequest(http.MethodGet, path, nil))
		if got := mw.Header().Get("Met"); got != want {
			t.Errorf("%s met %q at the router, want %q", path, got, want)
		}
	}
}
