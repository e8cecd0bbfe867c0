package demo_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/demo"
	"keymaker/internal/demo/browser"
)

// stage is a running demonstration, and a person before it.
type stage struct {
	*demo.Demo
	t      *testing.T
	clock  *clock.Manual
	person *browser.Browser
}

func open(t *testing.T) *stage {
	t.Helper()
	s := &stage{t: t, clock: clock.NewManual(clock.System{}.Now()), person: browser.New(nil, "")}
	d, err := demo.Open(t.Context(), demo.Options{Dir: t.TempDir(), Clock: s.clock})
	if err != nil {
		t.Fatal(err)
	}
	s.Demo = d
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// visit opens an address in the person's browser.
func (s *stage) visit(address string) *browser.Page {
	s.t.Helper()
	p, err := s.person.Open(s.t.Context(), address)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// press sends a form with values beside those that the page gave it.
func (s *stage) press(p *browser.Page, f *browser.Form, set ...string) *browser.Page {
	s.t.Helper()
	if f == nil {
		s.t.Fatalf("the form is not on the page at %s: %s", p.URL, p.Text())
	}
	for i := 0; i < len(set); i += 2 {
		f.Values.Set(set[i], set[i+1])
	}
	p, err := s.person.Submit(s.t.Context(), p, f)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// login opens the application and signs in, up to the consent page.
func (s *stage) login(username string) *browser.Page {
	s.t.Helper()
	p := s.visit(s.App)
	return s.press(p, p.Form("username"), "username", username)
}

func (s *stage) signIn(username string) *browser.Page {
	s.t.Helper()
	p := s.login(username)
	return s.press(p, p.Form("decision"), "decision", "approve")
}

// at is an address of the application.
func (s *stage) at(path string) string { return strings.TrimSuffix(s.App, "/login") + path }

// inFiveMinutes is how the page writes the end of a token's usual life.
func (s *stage) inFiveMinutes() string {
	return s.clock.Now().Add(5 * time.Minute).Format("15:04:05 UTC")
}

// shows fails unless the page reads as it should.
func (s *stage) shows(p *browser.Page, status int, texts ...string) {
	s.t.Helper()
	if p.Status != status {
		s.t.Errorf("status %d at %s, want %d", p.Status, p.URL.Path, status)
	}
	for _, text := range texts {
		if !strings.Contains(p.Text(), text) {
			s.t.Errorf("the page at %s does not say %q: %s", p.URL.Path, text, p.Text())
		}
	}
}

func TestApplication(t *testing.T) {
	for _, c := range []struct {
		name string
		walk func(t *testing.T, s *stage)
	}{
		{"opening its URL signs in and shows user, device, scopes and expiry", func(t *testing.T, s *stage) {
			p := s.signIn("alice")
			if p.URL.String() != s.at("/") {
				t.Errorf("the browser is at %s", p.URL)
			}
			s.shows(p, http.StatusOK, "User @alice:localhost", "Device ", "Scopes openid urn:matrix:client:api:* urn:matrix:client:device:",
				"Access token expires in 5m0s, at "+s.inFiveMinutes())
		}},
		{"bob is another user", func(_ *testing.T, s *stage) {
			s.shows(s.signIn("bob"), http.StatusOK, "@bob:localhost")
		}},
		{"refresh moves the expiry on", func(_ *testing.T, s *stage) {
			p := s.signIn("alice")
			s.clock.Advance(4 * time.Minute)
			s.shows(s.visit(s.at("/")), http.StatusOK, "@alice:localhost", "expires in 1m0s, at ")
			s.shows(s.press(p, p.FormTo("/refresh")), http.StatusOK, "@alice:localhost", "expires in 5m0s, at "+s.inFiveMinutes())
		}},
		{"an expired access token is said to be one, and refresh helps", func(_ *testing.T, s *stage) {
			s.signIn("alice")
			s.clock.Advance(6 * time.Minute)
			p := s.visit(s.at("/"))
			s.shows(p, http.StatusOK, "The access token has expired")
			s.shows(s.press(p, p.FormTo("/refresh")), http.StatusOK, "@alice:localhost")
		}},
		{"log out ends it", func(_ *testing.T, s *stage) {
			p := s.signIn("alice")
			s.shows(s.press(p, p.FormTo("/logout")), http.StatusOK, "You are signed out")
			s.shows(s.visit(s.at("/")), http.StatusOK, "You are signed out")
			s.shows(s.press(p, p.FormTo("/refresh")), http.StatusForbidden, "not from this browser's session")
		}},
		{"opening its URL while signed in shows the session", func(_ *testing.T, s *stage) {
			s.signIn("alice")
			s.shows(s.visit(s.App), http.StatusOK, "@alice:localhost")
		}},
		{"cancel at the consent page signs nobody in", func(_ *testing.T, s *stage) {
			p := s.login("alice")
			s.shows(s.press(p, p.Form("decision"), "decision", "cancel"), http.StatusForbidden, "access_denied")
			s.shows(s.visit(s.at("/")), http.StatusOK, "You are signed out")
		}},
		{"L-06: a form without the session's token is refused", func(_ *testing.T, s *stage) {
			p := s.signIn("alice")
			for _, path := range []string{"/refresh", "/logout"} {
				s.shows(s.press(p, p.FormTo(path), "csrf_token", "forged"), http.StatusForbidden)
			}
			s.shows(s.visit(s.at("/")), http.StatusOK, "@alice:localhost")
		}},
		{"L-07: the answer to a sign-in counts only in the browser that began it", func(_ *testing.T, s *stage) {
			s.login("alice")
			s.person = browser.New(nil, "")
			s.shows(s.visit(s.at("/callback?code=c&state=s&iss="+url.QueryEscape(s.Issuer))), http.StatusBadRequest, "No sign-in is under way")
		}},
		{"an answer with another state leaves the sign-in under way", func(_ *testing.T, s *stage) {
			p := s.login("alice")
			s.shows(s.visit(s.at("/callback?code=c&state=s&iss="+url.QueryEscape(s.Issuer))), http.StatusBadRequest, "not the answer")
			s.shows(s.press(p, p.Form("decision"), "decision", "approve"), http.StatusOK, "@alice:localhost")
		}},
		{"L-08: no page may be framed, scripted or kept", func(t *testing.T, s *stage) {
			for _, p := range []*browser.Page{s.visit(s.at("/")), s.visit(s.at("/callback")), s.signIn("alice")} {
				policy := p.Header.Get("Content-Security-Policy")
				for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
					if !strings.Contains(policy, part) {
						t.Errorf("%s: the policy %q lacks %s", p.URL.Path, policy, part)
					}
				}
				if strings.Contains(policy, "script-src") || p.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s: headers %v", p.URL.Path, p.Header)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.walk(t, open(t))
		})
	}
}
