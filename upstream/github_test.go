package upstream_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/config"
	"keymaker/upstream"
)

// github is GitHub as far as recorded answers go: paths to files of
// testdata/github.
type github struct {
	*httptest.Server
	seen map[string]*http.Request
}

type recorded struct {
	status int
	file   string
}

func newGitHub(t *testing.T, answers map[string]recorded) *github {
	t.Helper()
	g := &github{seen: map[string]*http.Request{}}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		g.seen[r.URL.Path] = r
		answer, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		body, err := os.ReadFile(filepath.Join("..", "testdata", "github", answer.file))
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if strings.HasSuffix(answer.file, ".txt") {
			w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		}
		w.WriteHeader(answer.status)
		_, _ = w.Write([]byte(strings.TrimSpace(string(body))))
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *github) provider(scope ...string) *upstream.Provider {
	return upstream.New(config.IdentityProvider{
		Brand: "github", ClientID: "Iv1.keymaker", ClientSecret: "shh", IssuerURL: "https://github.com", Discovery: true,
		TokenURL: g.URL + "/login/oauth/access_token", UserinfoURL: g.URL + "/user", Scope: scope,
	}, callbackURL, upstream.Options{})
}

const (
	githubToken  = "/login/oauth/access_token"
	githubUser   = "/user"
	githubEmails = "/user/emails"
)

func TestGitHub(t *testing.T) {
	good := map[string]recorded{githubToken: {200, "token.txt"}, githubUser: {200, "user.json"}, githubEmails: {200, "emails.json"}}
	with := func(path string, status int, file string) map[string]recorded {
		answers := map[string]recorded{path: {status, file}}
		for p, a := range good {
			if p != path {
				answers[p] = a
			}
		}
		return answers
	}
	for _, c := range []struct {
		name    string
		answers map[string]recorded
		scope   string
		want    error
		email   string
		person  string
	}{
		{name: "the numeric id is the subject, and the primary verified address the e-mail", answers: good, scope: "openid email profile", email: "alice@example.org", person: "Alice Liddell"},
		{name: "GitHub's own names of scopes", answers: good, scope: "read:user user:email", email: "alice@example.org", person: "Alice Liddell"},
		{name: "an address that is not verified is none", answers: with(githubEmails, 200, "emails-unverified.json"), scope: "email", person: "Alice Liddell"},
		{name: "the address in the profile is none", answers: with(githubUser, 200, "user-public-email.json"), scope: "profile"},
		{name: "addresses that the token may not see are none", answers: with(githubEmails, 403, "forbidden.json"), scope: "email", person: "Alice Liddell"},
		{name: "a code that GitHub refuses with status 200", answers: with(githubToken, 200, "token-error.txt"), scope: "email", want: upstream.ErrRejected},
		{name: "a token that the API refuses", answers: with(githubUser, 401, "bad-credentials.json"), scope: "email", want: upstream.ErrUnavailable},
		{name: "an API that is down", answers: with(githubUser, 502, "bad-credentials.json"), scope: "email", want: upstream.ErrUnavailable},
		{name: "addresses that are down", answers: with(githubEmails, 502, "forbidden.json"), scope: "email", want: upstream.ErrUnavailable},
		{name: "a user without an id", answers: with(githubUser, 200, "forbidden.json"), scope: "email", want: upstream.ErrUnverified},
		{name: "a list in place of a user", answers: with(githubUser, 200, "emails.json"), scope: "email", want: upstream.ErrUnavailable},
		{name: "a user in place of a list", answers: with(githubEmails, 200, "user.json"), scope: "email", want: upstream.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGitHub(t, c.answers)
			id, err := g.provider(strings.Fields(c.scope)...).Finish(context.Background(), upstream.Response{Code: "code", Verifier: strings.Repeat("v", 43), Nonce: "n"})
			if c.want != nil {
				wantError(t, err, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if id.Subject != "10583231" || id.Issuer != "https://github.com" || id.ProviderID != "Iv1.keymaker" {
				t.Errorf("subject %q, issuer %q", id.Subject, id.Issuer)
			}
			if id.Claims.Text("login") != "Octo-Alice" || id.Claims.Email() != c.email || id.Claims.Text("name") != c.person {
				t.Errorf("login %q, email %q, name %q", id.Claims.Text("login"), id.Claims.Email(), id.Claims.Text("name"))
			}
			if got := id.Claims.Text("picture"); got != "https://avatars.githubusercontent.com/u/10583231?v=4" {
				t.Errorf("picture %q", got)
			}
			if got := upstream.Localpart(config.IdentityProvider{Brand: "github"}, "example.org", id.Claims); got != "octo-alice" {
				t.Errorf("localpart %q", got)
			}
			sent := g.seen[githubToken].PostForm
			if sent.Get("client_id") != "Iv1.keymaker" || sent.Get("client_secret") != "shh" || sent.Get("code_verifier") == "" || sent.Get("redirect_uri") != callbackURL {
				t.Error("the token request lacks a parameter")
			}
			if got := g.seen[githubUser].Header.Get("Authorization"); got != "Bearer gho_16C7e42F292c6912E7710c838347Ae178B4a" {
				t.Errorf("Authorization = %q", got)
			}
		})
	}
}

func TestGitHubSaysNoAuthTime(t *testing.T) {
	var now time.Duration
	for _, c := range []struct {
		name    string
		without bool
		started time.Time
		want    error
	}{
		{"nothing is proved", false, time.Now(), upstream.ErrStale},
		{"a new round trip is believed where it has to be enough", true, time.Now(), nil},
		{"one that began nobody knows when is not", true, time.Time{}, upstream.ErrStale},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGitHub(t, map[string]recorded{githubToken: {200, "token.txt"}, githubUser: {200, "user.json"}, githubEmails: {200, "emails.json"}})
			id, err := g.provider("openid").Finish(context.Background(), upstream.Response{Code: "code", Verifier: strings.Repeat("v", 43), MaxAge: &now, StartedAt: c.started,
				WithoutAuthTime: c.without})
			if c.want != nil {
				wantError(t, err, c.want)
				return
			}
			if err != nil || !id.AuthTime.IsZero() {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestGitHubAddresses(t *testing.T) {
	for _, c := range []struct{ issuer, authorization, token, user string }{
		{"", "https://github.com/login/oauth/authorize", "https://github.com/login/oauth/access_token", "https://api.github.com/user"},
		{"https://github.com/", "https://github.com/login/oauth/authorize", "https://github.com/login/oauth/access_token", "https://api.github.com/user"},
		{"https://git.example.org", "https://git.example.org/login/oauth/authorize", "https://git.example.org/login/oauth/access_token", "https://git.example.org/api/v3/user"},
	} {
		t.Run(c.issuer, func(t *testing.T) {
			p := upstream.New(config.IdentityProvider{Brand: "github", ClientID: "id", IssuerURL: c.issuer, Discovery: true, Scope: []string{"openid", "email", "profile"}}, callbackURL, upstream.Options{})
			e, err := p.Endpoints(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if e.Authorization != c.authorization || e.Token != c.token || e.Userinfo != c.user {
				t.Errorf("%+v", e)
			}
			address, err := p.Start(context.Background(), upstream.Request{State: "s", Nonce: "n", Verifier: strings.Repeat("v", 43), LoginHint: "octo"})
			if err != nil {
				t.Fatal(err)
			}
			u, _ := url.Parse(address)
			q := u.Query()
			if q.Get("scope") != "user:email read:user" || q.Has("nonce") || q.Get("code_challenge_method") != "S256" || q.Get("state") != "s" || q.Get("login") != "octo" {
				t.Errorf("parameters %v", q)
			}
		})
	}
	for prompt, want := range map[string]string{"": "", "login": "select_account", "select_account": "select_account", "consent": "", "none": "", "login consent": "select_account"} {
		t.Run("the prompt "+prompt+" is asked for by the only name that GitHub knows", func(t *testing.T) {
			p := upstream.New(config.IdentityProvider{Brand: "github", ClientID: "id"}, callbackURL, upstream.Options{})
			address, err := p.Start(context.Background(), upstream.Request{State: "s", Nonce: "n", Prompt: strings.Fields(prompt)})
			if err != nil {
				t.Fatal(err)
			}
			if u, err := url.Parse(address); err != nil || u.Query().Get("prompt") != want {
				t.Errorf("sent to %s, error %v", address, err)
			}
		})
	}
	t.Run("L-04: iss of GitHub's metadata is accepted, and no other", func(t *testing.T) {
		p := upstream.New(config.IdentityProvider{Brand: "github", ClientID: "id"}, callbackURL, upstream.Options{})
		if _, err := p.Callback(context.Background(), url.Values{"code": {"c"}, "iss": {"https://github.com/login/oauth"}}); err != nil {
			t.Error(err)
		}
		_, err := p.Callback(context.Background(), url.Values{"code": {"c"}, "iss": {"https://gitlab.com"}})
		wantError(t, err, upstream.ErrUnverified)
	})
}
