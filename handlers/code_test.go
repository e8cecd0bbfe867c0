package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
)

func TestCodeOfAnotherClient(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	other, _ := e.Register(strings.Replace(harness.WebClient, "My App", "Another", 1))
	g := approved(e, id, harness.ScopeStable+"THIEFDEVICE")
	t.Run("D-14 L-05: another client cannot exchange a code", func(t *testing.T) {
		expectInvalidGrant(t, e.For(t).Form(tokenPath, with(g.values(), "client_id", other)))
	})
	t.Run("D-14: nor one with a wrong verifier use it up", func(t *testing.T) {
		expectInvalidGrant(t, e.For(t).Form(tokenPath, with(g.values(), "client_id", other, "code_verifier", secret.Token())))
	})
	t.Run("D-14: its own client still can", func(t *testing.T) {
		e := e.For(t)
		a := e.Form(tokenPath, g.values())
		harness.ExpectJSON(t, a, http.StatusOK)
		e.Clock.Advance(time.Second)
		expectInvalidGrant(t, e.Form(tokenPath, with(g.values(), "client_id", other)))
		expectAlive(t, e, a.Text("access_token"))
	})
}

func TestCodeVerifier(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	tests := []struct {
		name     string
		verifier func(right string) string
		code     string
	}{
		{"D-15: another verifier is refused", func(string) string { return secret.Token() }, "invalid_grant"},
		{"D-15: no verifier is refused", func(string) string { return "" }, "invalid_request"},
		{"D-15: the challenge is no verifier", harness.Challenge, "invalid_grant"},
		{"D-15: a verifier of 42 characters is refused", func(right string) string { return right[:42] }, "invalid_grant"},
		{"D-15: a verifier of 129 characters is refused", func(string) string { return strings.Repeat("a", 129) }, "invalid_grant"},
		{"D-15: a verifier with other characters is refused", func(right string) string { return right + "+/" }, "invalid_grant"},
	}
	for i, tt := range tests {
		t.Run(tt.name+", and uses the code up", func(t *testing.T) {
			e := e.For(t)
			g := approved(e, id, harness.ScopeStable+"VERIFIER"+string(rune('A'+i)))
			harness.ExpectOAuthError(t, e.Form(tokenPath, with(g.values(), "code_verifier", tt.verifier(g.Verifier))), http.StatusBadRequest, tt.code)
			expectInvalidGrant(t, e.Form(tokenPath, g.values()))
		})
	}
	for _, length := range []int{43, 128} {
		t.Run("D-15: verifiers of 43 and of 128 characters are good", func(t *testing.T) {
			e := e.For(t)
			r := e.NewRequest(id, harness.ScopeStable+"VERIFIERLEN")
			r.Verifier = strings.Repeat("aZ0-._~b", 16)[:length]
			r.Values.Set("code_challenge", harness.Challenge(r.Verifier))
			expectAlive(t, e, e.LogInWith(r, "alice").Access)
		})
	}
}

func TestVerifierWithoutChallenge(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_require_pkce = false" })
	id, _ := e.Register(harness.WebClient)
	plain := func(e *harness.Env, device string) grant {
		r := e.NewRequest(id, harness.ScopeStable+device)
		r.Values.Del("code_challenge")
		r.Values.Del("code_challenge_method")
		return grant{r, e.NewBrowser().Approve(r, "alice").Get("code")}
	}
	t.Run("D-16: a verifier for a code without challenge is refused", func(t *testing.T) {
		e := e.For(t)
		g := plain(e, "DOWNGRADED")
		a := e.Form(tokenPath, g.values())
		expectInvalidGrant(t, a)
	})
	t.Run("D-16: without one the code is good, where the administrator does not demand PKCE", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectJSON(t, e.Form(tokenPath, with(plain(e, "PLAIN").values(), "code_verifier", "")), http.StatusOK)
	})
	t.Run("D-15: a code with challenge demands its verifier all the same", func(t *testing.T) {
		e := e.For(t)
		g := approved(e, id, harness.ScopeStable+"CHALLENGED")
		harness.ExpectOAuthError(t, e.Form(tokenPath, with(g.values(), "code_verifier", "")), http.StatusBadRequest, "invalid_request")
	})
}

func TestCodeLife(t *testing.T) {
	tests := []struct {
		name string
		wait time.Duration
		good bool
	}{
		{"C-25: a code is good for a minute", 59 * time.Second, true},
		{"D-17: and not longer", 60 * time.Second, false},
		{"D-17: nor a day later", 24 * time.Hour, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t)
			id, _ := e.Register(harness.WebClient)
			g := approved(e, id, harness.ScopeStable+"CODELIFE")
			e.Clock.Advance(tt.wait)
			a := e.Form(tokenPath, g.values())
			if tt.good {
				harness.ExpectJSON(t, a, http.StatusOK)
			} else {
				expectInvalidGrant(t, a)
			}
		})
	}
}

func TestCodeReplay(t *testing.T) {
	tests := []struct {
		name   string
		wait   time.Duration
		change []string
	}{
		{"D-18 L-05: a second exchange ends what the first gave", time.Second, nil},
		{"D-18: so it does with a wrong verifier", time.Second, []string{"code_verifier", strings.Repeat("v", 43)}},
		{"D-18: so it does without one", time.Second, []string{"code_verifier", ""}},
		{"D-18: so it does with another redirect_uri", time.Second, []string{"redirect_uri", harness.WebRedirect + "/"}},
		{"D-18: so it does when the code's time is over", time.Hour, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t)
			id, _ := e.Register(harness.WebClient)
			g := approved(e, id, "openid "+harness.ScopeStable+"REPLAYDEVICE")
			first := e.Form(tokenPath, g.values())
			harness.ExpectJSON(t, first, http.StatusOK)
			e.Clock.Advance(tt.wait)
			second := e.MustRefresh(id, first.Text("refresh_token"))
			expectAlive(t, e, second.Access)

			expectInvalidGrant(t, e.Form(tokenPath, with(g.values(), tt.change...)))

			expectDead(t, e, second.Access)
			expectInvalidGrant(t, e.Refresh(id, second.Refresh))
			expectDead(t, e, first.Text("access_token"))
			events, err := e.Server.Store().AuditEvents(t.Context(), "alice", 1)
			if err != nil || len(events) != 1 || events[0].Reason != "code_replayed" {
				t.Errorf("the audit log ends with %+v, %v", events, err)
			}
		})
	}
}

func TestCodeReplayWithoutADevice(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	g := approved(e, id, "openid profile")
	t.Run("D-18: a second exchange ends what a relying party got too", func(t *testing.T) {
		e := e.For(t)
		first := e.Form(tokenPath, g.values())
		harness.ExpectJSON(t, e.As(first.Text("access_token"), http.MethodGet, userinfoPath, ""), http.StatusOK)
		e.Clock.Advance(time.Second)
		expectInvalidGrant(t, e.Form(tokenPath, g.values()))
		harness.ExpectOAuthError(t, e.As(first.Text("access_token"), http.MethodGet, userinfoPath, ""), http.StatusUnauthorized, "invalid_token")
		expectInvalidGrant(t, e.Refresh(id, first.Text("refresh_token")))
	})
	t.Run("D-18: a third one finds nothing more to end", func(t *testing.T) {
		e := e.For(t)
		again := e.LogInWith(e.NewRequest(id, "openid"), "alice")
		expectInvalidGrant(t, e.Form(tokenPath, g.values()))
		harness.ExpectJSON(t, e.As(again.Access, http.MethodGet, userinfoPath, ""), http.StatusOK)
	})
}

func TestLostExchange(t *testing.T) {
	e := harness.Start(t)
	lost := e.LogIn("alice", "LOSTDEVICE")
	e.Clock.Advance(time.Second)
	again := e.LogIn("alice", "LOSTDEVICE")
	t.Run("D-1A C-63: what was lost is over", func(t *testing.T) {
		e := e.For(t)
		expectDead(t, e, lost.Access)
		expectInvalidGrant(t, e.Refresh(lost.ClientID, lost.Refresh))
	})
	t.Run("C-64: the same device id of another user is another device", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, e.LogIn("bob", "LOSTDEVICE").Access)
		expectAlive(t, e, again.Access)
	})
	t.Run("D-1A: the device can be authorized again", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, again.Access)
		expectAlive(t, e, e.MustRefresh(again.ClientID, again.Refresh).Access)
	})
}
