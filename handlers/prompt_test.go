package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
)

func TestPromptNone(t *testing.T) {
	e := harness.Start(t)
	used, _ := e.Register(harness.WebClient)
	unused, _ := e.Register(metadataOf(t, map[string]any{"client_name": "Unused"}))
	b := e.NewBrowser()
	silent := func(e *harness.Env, id string) harness.Request {
		r := e.NewRequest(id, harness.ScopeStable+"SILENT")
		r.Values.Set("prompt", "none")
		return r
	}
	b.Approve(e.NewRequest(used, harness.ScopeStable+"SILENT"), "alice")
	t.Run("C-2A C-41 L-12: for a client that nobody uses it is a page, not a redirect", func(t *testing.T) {
		e := e.For(t)
		r := silent(e, unused)
		expectReturn(t, e, e.NewBrowser().Authorize(r), r, "login_required")
	})
	e.LogIn("alice", "SILENT")
	t.Run("C-41: not signed in is login_required", func(t *testing.T) {
		e := e.For(t)
		r := silent(e, used)
		p := e.NewBrowser().Authorize(r)
		if p.StatusCode != http.StatusSeeOther || !strings.HasPrefix(p.Header.Get("Location"), harness.WebRedirect) {
			t.Fatalf("status %d to %q", p.StatusCode, p.Header.Get("Location"))
		}
		expectError(t, e, harness.Returned(p), r, "login_required")
		expectPageHeaders(t, p.Header)
	})
	t.Run("C-41 L-12: signed in it is consent_required, whatever was approved before", func(t *testing.T) {
		e := e.For(t)
		r := silent(e, used)
		expectError(t, e, harness.Returned(b.Authorize(r)), r, "consent_required")
	})
	t.Run("C-41: the answer is in the response_mode", func(t *testing.T) {
		e := e.For(t)
		r := silent(e, used)
		r.Values.Set("response_mode", "fragment")
		p := b.Authorize(r)
		if p.Location().Fragment == "" || p.Location().RawQuery != "" {
			t.Errorf("on to %s", p.Location())
		}
		expectError(t, e, harness.Returned(p), r, "consent_required")
	})
	t.Run("C-41: the sign-in at our pages is forgotten after two weeks", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(14*24*time.Hour + time.Second)
		r := silent(e, used)
		expectError(t, e, harness.Returned(b.Authorize(r)), r, "login_required")
	})
}

func TestPromptsAtTheProvider(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	b := e.NewBrowser()
	b.Approve(e.NewRequest(id, harness.ScopeStable+"PROMPT"), "alice")
	e.Clock.Advance(10 * time.Minute)
	tests := []struct {
		name  string
		set   url.Values
		asked bool
	}{
		{"C-60: without a prompt the provider's session signs in, and consent is asked", nil, false},
		{"C-42: prompt=consent shows consent", url.Values{"prompt": {"consent"}}, false},
		{"C-42: prompt=login signs in anew", url.Values{"prompt": {"login"}}, true},
		{"C-42: prompt=login consent signs in anew", url.Values{"prompt": {"consent login"}}, true},
		{"C-42: prompt=select_account asks who it is", url.Values{"prompt": {"select_account"}}, true},
		{"C-04: max_age that has passed signs in anew", url.Values{"max_age": {"60"}}, true},
		{"C-04: max_age=0 signs in anew", url.Values{"max_age": {"0"}}, true},
		{"C-04: max_age that has not passed does not", url.Values{"max_age": {"3600"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, harness.ScopeStable+"PROMPT")
			for name, values := range tt.set {
				r.Values[name] = values
			}
			p := b.Authorize(r)
			if !tt.asked {
				expectPage(t, p, http.StatusOK, "Let My App use your account?")
				return
			}
			expectLogin(t, e, p)
		})
	}
	t.Run("C-42: having signed in anew, the person is asked for consent", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest(id, harness.ScopeStable+"PROMPT")
		r.Values.Set("prompt", "login")
		expectPage(t, b.Consent(r, "bob"), http.StatusOK, "@bob:example.org")
	})
}

// TestPromptThatTheProviderIgnores has a provider that signs people in from its
// session whatever it is asked.
func TestPromptThatTheProviderIgnores(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) {
		o.IDP = func(p *demoidptest.Options) {
			p.Wrap = func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					q := r.URL.Query()
					q.Del("prompt")
					q.Del("max_age")
					r.URL.RawQuery = q.Encode()
					next.ServeHTTP(w, r)
				})
			}
		}
	})
	id, _ := e.Register(harness.WebClient)
	b := e.NewBrowser()
	b.Approve(e.NewRequest(id, harness.ScopeStable+"STALE"), "alice")
	e.Clock.Advance(time.Hour)
	for _, set := range []url.Values{{"prompt": {"login"}}, {"max_age": {"60"}}, {"max_age": {"0"}}} {
		t.Run("C-42: "+set.Encode()+" is not believed to have happened without proof", func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, harness.ScopeStable+"STALE")
			for name, values := range set {
				r.Values[name] = values
			}
			expectPage(t, b.Authorize(r), http.StatusBadGateway, "We could not verify your sign-in")
		})
	}
}

func TestLoginHint(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	hinted := func(e *harness.Env, hint string) harness.Request {
		r := e.NewRequest(id, harness.ScopeStable+"HINT")
		r.Values.Set("login_hint", hint)
		return r
	}
	tests := []struct {
		name, hint string
		filled     string
	}{
		{"C-50: a user of this server is filled in", "mxid:@alice:example.org", "alice"},
		{"C-50: a user of another server is not", "mxid:@alice:example.com", ""},
		{"C-50: a user ID without the prefix of MSC4198 is", "@alice:example.org", "alice"},
		{"C-50: a localpart is", "alice", "alice"},
		{"C-50: an e-mail address is", "Alice.B+x@mail.example.com", "Alice.B+x@mail.example.com"},
		{"C-51: an unknown format is ignored", "acct:alice@example.org", ""},
		{"C-51: half a user id is ignored", "mxid:@alice", ""},
		{"C-51: free text is ignored", "the account at work", ""},
		{"C-51: whether the user exists makes no difference", "mxid:@nobody:example.org", "nobody"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			p := e.NewBrowser().Authorize(hinted(e, tt.hint))
			expectLogin(t, e, p)
			if got := p.Input("username"); got != tt.filled {
				t.Errorf("filled in is %q, want %q", got, tt.filled)
			}
		})
	}
	t.Run("C-51: a hint at somebody else logs nobody in, and the person can switch", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		b.Consent(e.NewRequest(id, harness.ScopeStable+"HINT"), "bob")
		p := b.Authorize(hinted(e, "mxid:@alice:example.org"))
		expectPage(t, p, http.StatusOK, "@bob:example.org Not you?")
		if strings.Contains(p.Text(), "alice") {
			t.Errorf("the page tells of alice:\n%s", p.Text())
		}
		if at := b.Follow(p, 0); !strings.HasPrefix(at.Request.URL.String(), e.IDP.Issuer) {
			t.Errorf("the way to another account ends at %s", at.Request.URL)
		}
	})
	t.Run("C-51 L-23: a hint is not let into a page", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		p := b.Consent(hinted(e, `mxid:@"><script>alert(1)</script>:example.org`), "alice")
		if strings.Contains(p.HTML, "<script>") {
			t.Error("there is a script in the page")
		}
		expectPage(t, p, http.StatusOK, "@alice:example.org")
	})
}
