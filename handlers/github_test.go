package handlers_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"keymaker/internal/harness"
)

// github is GitHub with one person who is signed in there: whoever comes is sent
// back at once. Its answers are those of testdata/github.
type github struct {
	*httptest.Server

	mu     sync.Mutex
	person int          // the id of who is signed in
	asked  []url.Values // the authorization requests
}

// The client id of GitHub, and the ids of who may be signed in there.
const (
	githubID = "gh"
	octo     = 10583231 // octo-alice
	mallory  = 666
)

// startGitHub starts a server with the demonstration provider and GitHub, which
// has more settings in its block.
func startGitHub(t *testing.T, settings string) (*harness.Env, *github) {
	t.Helper()
	g := &github{person: octo}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", g.authorize)
	mux.HandleFunc("POST /token", answerFile(t, "token.txt", "application/x-www-form-urlencoded", nil))
	mux.HandleFunc("GET /user", answerFile(t, "user.json", "application/json", func(body string) string {
		g.mu.Lock()
		defer g.mu.Unlock()
		return strings.Replace(body, fmt.Sprint(octo), fmt.Sprint(g.person), 1)
	}))
	mux.HandleFunc("GET /user/emails", answerFile(t, "emails.json", "application/json", nil))
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Close)
	e := harness.Start(t, func(o *harness.Options) {
		o.Global = "oidc_rc_per_second = 0"
		o.Extra = fmt.Sprintf("[[global.identity_provider]]\nbrand = \"GitHub\"\nclient_id = %q\nclient_secret = \"shh\"\nauthorization_url = \"%s/authorize\"\n"+
			"token_url = \"%[2]s/token\"\nuserinfo_url = \"%[2]s/user\"\n%s\n", githubID, g.URL, settings)
	})
	e.Origins = []string{g.URL}
	return e, g
}

// answerFile answers with a file of testdata/github.
func answerFile(t *testing.T, name, media string, change func(string) string) http.HandlerFunc {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "testdata", "github", name))
	if err != nil {
		t.Fatal(err)
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		text := strings.TrimSpace(string(body))
		if change != nil {
			text = change(text)
		}
		w.Header().Set("Content-Type", media)
		_, _ = w.Write([]byte(text))
	}
}

func (g *github) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	g.mu.Lock()
	g.asked = append(g.asked, q)
	g.mu.Unlock()
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"code"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
}

// signedIn changes who is signed in at GitHub.
func (g *github) signedIn(person int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.person = person
}

// requests are the authorization requests so far.
func (g *github) requests() []url.Values {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]url.Values(nil), g.asked...)
}

// octoAtHome is a browser that is signed in as octo-alice.
func octoAtHome(t *testing.T, e *harness.Env) *harness.Browser {
	t.Helper()
	b := e.NewBrowser()
	expectPage(t, b.Visit(accountPath+"?idp_id="+githubID), http.StatusOK, "Signed in as @octo-alice:example.org")
	return b
}
