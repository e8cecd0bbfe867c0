package handlers_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"keymaker/internal/harness"
)

func TestRegistrationIsLimited(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_rc_per_second = 1\noidc_rc_burst_count = 3" })
	tokens := e.LogIn("alice", "LIMITED") // a registration and an authorization
	register(e, harness.WebClient)
	limited := func(t *testing.T, headers ...string) bool {
		t.Helper()
		return register(e.For(t), harness.WebClient, headers...).Status == http.StatusTooManyRequests
	}
	t.Run("B-06: beyond the burst the answer is 429 with Retry-After", func(t *testing.T) {
		a := register(e.For(t), harness.WebClient)
		harness.ExpectOAuthError(t, a, http.StatusTooManyRequests, "temporarily_unavailable")
		if a.Header.Get("Retry-After") == "" {
			t.Error("there is no Retry-After")
		}
	})
	t.Run("L-21: an authorization beyond it shows a page that says so", func(t *testing.T) {
		e := e.For(t)
		p := e.NewBrowser().Authorize(e.NewRequest(tokens.ClientID, harness.ScopeStable+"X"))
		expectPage(t, p, http.StatusTooManyRequests, "Too many tries at once")
		if p.Header.Get("Retry-After") == "" {
			t.Error("there is no Retry-After")
		}
	})
	t.Run("L-21: so does the legacy redirect", func(t *testing.T) {
		p := e.For(t).NewBrowser().Visit(ssoPath + "?" + url.Values{"redirectUrl": {harness.LegacyRedirect}}.Encode())
		expectPage(t, p, http.StatusTooManyRequests, "Too many tries at once")
	})
	t.Run("L-21 A-08: refresh, introspection, metadata and whoami are never limited", func(t *testing.T) {
		e := e.For(t)
		for range 20 {
			tokens = e.MustRefresh(tokens.ClientID, tokens.Refresh)
			for _, a := range []harness.Answer{e.Introspect(tokens.Access), e.WhoAmI(tokens.Access), e.Get(metadataPath), e.Get(jwksPath)} {
				if a.Status != http.StatusOK {
					t.Fatalf("status %d: %s", a.Status, a.Body)
				}
			}
		}
	})
	t.Run("L-15: a trusted proxy's clients are counted apart, by the address it saw", func(t *testing.T) {
		if limited(t, "X-Forwarded-For", "192.0.2.7") {
			t.Error("another client is limited too")
		}
		for range 2 {
			limited(t, "X-Forwarded-For", "192.0.2.7")
		}
		if !limited(t, "X-Forwarded-For", "192.0.2.7") || !limited(t, "X-Forwarded-For", "203.0.113.9, 192.0.2.7") {
			t.Error("what the client itself put into the header makes it somebody else")
		}
	})
	t.Run("L-21: an IPv6 client is its /64", func(t *testing.T) {
		for range 3 {
			limited(t, "X-Forwarded-For", "2001:db8::1")
		}
		if !limited(t, "X-Forwarded-For", "2001:db8::2") || limited(t, "X-Forwarded-For", "2001:db8:0:1::1") {
			t.Error("the prefix is not 64 bits")
		}
	})
	t.Run("B-43: after a while it goes on", func(t *testing.T) {
		e.Clock.Advance(time.Second)
		if a := register(e.For(t), harness.WebClient); a.Status != http.StatusCreated {
			t.Errorf("still limited: status %d", a.Status)
		}
	})
	t.Run("L-15: without trusted proxies X-Forwarded-For is nothing", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) {
			o.Global = "oidc_rc_per_second = 1\noidc_rc_burst_count = 1\ntrusted_proxies = []"
		})
		register(e, harness.WebClient, "X-Forwarded-For", "192.0.2.1")
		if a := register(e, harness.WebClient, "X-Forwarded-For", "192.0.2.2"); a.Status != http.StatusTooManyRequests {
			t.Errorf("status %d", a.Status)
		}
	})
	for _, key := range []string{"oidc_rc_per_second", "oidc_rc_burst_count"} {
		t.Run("B-06: "+key+" = 0 switches the limits off", func(t *testing.T) {
			e := harness.Start(t, func(o *harness.Options) { o.Global = key + " = 0" })
			for range 150 {
				e.Register(harness.WebClient)
			}
		})
	}
}
