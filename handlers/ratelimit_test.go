package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/store/storetest"
)

// limitedTo starts a server that lets an address do burst things at once, and
// one more each second.
func limitedTo(t *testing.T, burst int, more ...string) *harness.Env {
	t.Helper()
	return harness.Start(t, func(o *harness.Options) {
		o.Global = fmt.Sprintf("oidc_rc_per_second = 1\noidc_rc_burst_count = %d\n", burst) + strings.Join(more, "\n")
	})
}

// exhaust uses up what an address may begin.
func exhaust(e *harness.Env, headers ...string) {
	e.T.Helper()
	for range 200 {
		if register(e, harness.WebClient, headers...).Status == http.StatusTooManyRequests {
			return
		}
	}
	e.T.Fatal("nothing is limited")
}

// expectWait wants an answer that says to wait for some seconds.
func expectWait(t *testing.T, h http.Header, seconds string) {
	t.Helper()
	if got := h.Get("Retry-After"); got != seconds {
		t.Errorf("Retry-After is %q, want %s", got, seconds)
	}
}

func TestWhatIsLimited(t *testing.T) {
	e := limitedTo(t, 10)
	id, _ := e.Register(harness.WebClient)
	tv, _ := e.Register(deviceOnly)
	exhaust(e)
	t.Run("B-06 L-21: registration", func(t *testing.T) {
		a := register(e.For(t), harness.WebClient)
		harness.ExpectOAuthError(t, a, http.StatusTooManyRequests, "temporarily_unavailable")
		expectWait(t, a.Header, "1")
		expectCORS(t, a)
	})
	t.Run("G-08 L-21: device authorization", func(t *testing.T) {
		a := e.For(t).Form(deviceAuthorizationPath, url.Values{"client_id": {tv}, "scope": {harness.ScopeStable + "LIMITED"}})
		harness.ExpectOAuthError(t, a, http.StatusTooManyRequests, "temporarily_unavailable")
		expectWait(t, a.Header, "1")
		expectCORS(t, a)
	})
	t.Run("L-21: authorization shows a page that says so", func(t *testing.T) {
		e := e.For(t)
		p := e.NewBrowser().Authorize(e.NewRequest(id, harness.ScopeStable+"LIMITED"))
		expectPage(t, p, http.StatusTooManyRequests, "Too many tries at once")
		expectWait(t, p.Header, "1")
	})
	t.Run("L-21: so does the legacy redirect", func(t *testing.T) {
		p := e.For(t).NewBrowser().Visit(ssoPath + "?" + url.Values{"redirectUrl": {harness.LegacyRedirect}}.Encode())
		expectPage(t, p, http.StatusTooManyRequests, "Too many tries at once")
		expectWait(t, p.Header, "1")
	})
	t.Run("I-0A L-21: legacy login", func(t *testing.T) {
		a := e.For(t).Do(http.MethodPost, loginPath, map[string]string{"Content-Type": "application/json"}, `{"type":"m.login.token","token":"x"}`)
		harness.ExpectMatrixError(t, a, http.StatusTooManyRequests, "M_LIMIT_EXCEEDED")
		expectWait(t, a.Header, "1")
		if ms, ok := a.JSON()["retry_after_ms"].(float64); !ok || ms <= 0 || ms > 1001 {
			t.Errorf("retry_after_ms: %s", a.Body)
		}
	})
	t.Run("A-03z L-21: pushed requests", func(t *testing.T) {
		e := e.For(t)
		a := push(e, e.NewRequest(id, harness.ScopeStable+"LIMITED"))
		harness.ExpectOAuthError(t, a, http.StatusTooManyRequests, "temporarily_unavailable")
		expectWait(t, a.Header, "1")
	})
	t.Run("L-21: logging out, by a page that says so", func(t *testing.T) {
		p := e.For(t).NewBrowser().Visit(endSessionPath)
		expectPage(t, p, http.StatusTooManyRequests, "Too many tries at once")
		expectWait(t, p.Header, "1")
	})
	t.Run("G-30 G-31 L-21: the beginning of a rendezvous, in both ways", func(t *testing.T) {
		e := e.For(t)
		for _, a := range []harness.Answer{plain(e, http.MethodPost, msc4108Path, "x"), e.Do(http.MethodPost, msc4388Path, jsonType, `{"data":"x"}`)} {
			harness.ExpectMatrixError(t, a, http.StatusTooManyRequests, "M_LIMIT_EXCEEDED")
			expectWait(t, a.Header, "1")
		}
	})
	t.Run("A-39: a preflight is neither limited nor counted", func(t *testing.T) {
		for range 30 {
			a := e.For(t).Do(http.MethodOptions, registerPath, map[string]string{"Origin": webOrigin, "Access-Control-Request-Method": "POST"}, "")
			expectStatus(e.For(t), a, http.StatusNoContent)
		}
	})
	t.Run("B-43 L-21: whoever waits as long as told goes on", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(time.Second)
		expectStatus(e, register(e, harness.WebClient), http.StatusCreated)
		expectStatus(e, register(e, harness.WebClient), http.StatusTooManyRequests)
	})
}

func TestWrongGuessesAreLimited(t *testing.T) {
	e := limitedTo(t, 20)
	id, _ := e.Register(harness.WebClient)
	mine := approved(e, id, harness.ScopeStable+"GUESSED")
	e.Clock.Advance(20 * time.Second)
	tv := begin(e)
	tokens := e.LogIn("alice", "GUESSING")
	guess := func(e *harness.Env) harness.Answer {
		return e.Form(tokenPath, with(mine.values(), "code", "kmc_wrong"))
	}
	for range 20 {
		expectInvalidGrant(t, guess(e))
	}
	t.Run("D-03 L-21: an address that has presented too many wrong codes gets 429 before it succeeds", func(t *testing.T) {
		a := guess(e.For(t))
		harness.ExpectOAuthError(t, a, http.StatusTooManyRequests, "temporarily_unavailable")
		expectWait(t, a.Header, "1")
		expectCORS(t, a)
	})
	t.Run("D-03 G-21: a device that polls from there is told to slow down", func(t *testing.T) {
		harness.ExpectOAuthError(t, tv.poll(e.For(t)), http.StatusTooManyRequests, "slow_down")
	})
	t.Run("D-03 L-21: a refresh is not limited, nor is what was never a refresh token", func(t *testing.T) {
		e := e.For(t)
		for range 30 {
			tokens = e.MustRefresh(tokens.ClientID, tokens.Refresh)
			expectInvalidGrant(t, e.Refresh(tokens.ClientID, "kmr_wrong"))
		}
	})
	t.Run("D-03 L-21: registrations and logins go on, for they guess at nothing", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(20 * time.Second)
		for range 20 {
			guess(e)
		}
		expectStatus(e, register(e, harness.WebClient), http.StatusCreated)
	})
	t.Run("D-03 G-20: a device that waits counts for nothing", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(20 * time.Second)
		tv := begin(e)
		for range 25 {
			e.Clock.Advance(time.Millisecond)
			tv.poll(e)
		}
		expectInvalidGrant(t, guess(e))
	})
}

// TestNothingOfASessionIsLimited floods a server, and then some.
func TestNothingOfASessionIsLimited(t *testing.T) {
	e := limitedTo(t, 10)
	tokens := e.LogIn("alice", "LIMITED")
	exhaust(e)
	for range 15 {
		e.Form(tokenPath, url.Values{"grant_type": {"authorization_code"}, "code": {"wrong"}, "client_id": {tokens.ClientID}, "code_verifier": {"x"}})
	}
	const flood = 50
	type request struct {
		name string
		do   func(e *harness.Env) harness.Answer
	}
	requests := []request{
		{"D-03 L-21: refresh", func(e *harness.Env) harness.Answer {
			a := e.Refresh(tokens.ClientID, tokens.Refresh)
			tokens.Refresh, tokens.Access = a.Text("refresh_token"), a.Text("access_token")
			return a
		}},
		{"F-09 L-21: introspection", func(e *harness.Env) harness.Answer { return e.Introspect(tokens.Access) }},
		{"F-33 L-21: the key set", func(e *harness.Env) harness.Answer { return e.Get(jwksPath) }},
		{"F-20 L-21: userinfo", func(e *harness.Env) harness.Answer { return e.As(tokens.Access, http.MethodGet, userinfoPath, "") }},
		{"K-12 L-21: whoami", func(e *harness.Env) harness.Answer { return e.WhoAmI(tokens.Access) }},
		{"E-12 L-21: revocation", func(e *harness.Env) harness.Answer {
			return e.Form(revokePath, url.Values{"token": {"what was never a token"}})
		}},
	}
	for _, path := range append([]string{"/_matrix/client/versions", loginPath}, metadataPaths...) {
		requests = append(requests, request{"A-08 L-21: " + path, func(e *harness.Env) harness.Answer { return e.Get(path) }})
	}
	for _, r := range requests {
		t.Run(r.name+" is never limited", func(t *testing.T) {
			e := e.For(t)
			for range flood {
				if a := r.do(e); a.Status != http.StatusOK || a.JSON() == nil {
					t.Fatalf("status %d: %s", a.Status, a.Body)
				}
			}
		})
	}
	t.Run("I-0D L-21: the legacy refresh is never limited", func(t *testing.T) {
		e := e.For(t)
		for range flood {
			a := e.Do(http.MethodPost, "/_matrix/client/v3/refresh", map[string]string{"Content-Type": "application/json"}, `{"refresh_token":"x"}`)
			harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		}
	})
}

func TestWhoIsLimited(t *testing.T) {
	e := limitedTo(t, 3)
	limited := func(e *harness.Env, from string) bool {
		e.T.Helper()
		a := register(e, harness.WebClient, "X-Forwarded-For", from)
		if a.Status != http.StatusCreated && a.Status != http.StatusTooManyRequests {
			e.T.Fatalf("status %d: %s", a.Status, a.Body)
		}
		return a.Status == http.StatusTooManyRequests
	}
	tests := []struct {
		name, uses, asks string
		limited          bool
	}{
		{"L-15: another client of a trusted proxy is counted apart", "192.0.2.1", "192.0.2.2", false},
		{"L-15: the address that the proxy saw counts, not what the client says of itself", "192.0.2.3", "203.0.113.9, 192.0.2.3", true},
		{"L-15: nor does a client get away as the proxy itself", "192.0.2.4", "127.0.0.1, 192.0.2.4", true},
		{"L-15: an IPv4 address that is written as IPv6 is the same", "192.0.2.5", "::ffff:192.0.2.5", true},
		{"L-21: an IPv6 client is its /64", "2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"L-21: the next /64 is another client", "2001:db8:0:2::1", "2001:db8:0:3::1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			for range 3 {
				if limited(e, tt.uses) {
					t.Fatal("limited within the burst")
				}
			}
			if got := limited(e, tt.asks); got != tt.limited {
				t.Errorf("limited: %t, want %t", got, tt.limited)
			}
		})
	}
	t.Run("L-15: without trusted proxies X-Forwarded-For is nothing", func(t *testing.T) {
		e := limitedTo(t, 1, "trusted_proxies = []")
		if limited(e, "192.0.2.1") || !limited(e, "192.0.2.2") {
			t.Error("the header counts")
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
	t.Run("B-06: they are on by default, with a burst of 100", func(t *testing.T) {
		e := harness.Start(t)
		for range 100 {
			e.Register(harness.WebClient)
		}
		a := register(e, harness.WebClient)
		harness.ExpectOAuthError(t, a, http.StatusTooManyRequests, "temporarily_unavailable")
		e.Clock.Advance(100 * time.Millisecond)
		e.Register(harness.WebClient)
	})
}

func TestAnAccountIsLimited(t *testing.T) {
	e := limitedTo(t, 4)
	id, _ := e.Register(harness.WebClient)
	// Each attempt comes from another address: only the account is the same.
	address := 0
	attempt := func(e *harness.Env, user string) harness.Page {
		e.T.Helper()
		address++
		b := e.NewBrowser()
		b.Transport = from{http.DefaultTransport, fmt.Sprintf("198.51.100.%d", address)}
		return b.Consent(e.NewRequest(id, harness.ScopeStable+"ACCOUNT"), user)
	}
	t.Run("L-21: sign-ins of one account are limited wherever they come from", func(t *testing.T) {
		e := e.For(t)
		for range 4 {
			expectPage(t, attempt(e, "alice"), http.StatusOK, "My App")
		}
		p := attempt(e, "alice")
		expectPage(t, p, http.StatusTooManyRequests, "Too many tries at once")
		expectWait(t, p.Header, "1")
	})
	t.Run("L-21: another account is not", func(t *testing.T) {
		expectPage(t, attempt(e.For(t), "bob"), http.StatusOK, "My App")
	})
	t.Run("L-21: after a while it goes on", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(time.Second)
		expectPage(t, attempt(e, "alice"), http.StatusOK, "My App")
	})
}

// from sends every request as a proxy does for a client at an address.
type from struct {
	http.RoundTripper
	address string
}

func (f from) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.address)
	return f.RoundTripper.RoundTrip(r)
}

// typeIn types a user code and goes no further.
func typeIn(b *harness.Browser, code string) harness.Page {
	entry := b.Visit(devicePagePath)
	return b.Post(entry, devicePagePath, url.Values{"csrf_token": {entry.Input("csrf_token")}, "user_code": {code}})
}

func TestUserCodesAreLimited(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_rc_per_second = 0" })
	address := 0
	elsewhere := func(e *harness.Env) *harness.Browser {
		address++
		b := e.NewBrowser()
		b.Transport = from{http.DefaultTransport, fmt.Sprintf("198.51.100.%d", address)}
		return b
	}
	wrong := func(n int) string {
		return "BCDF-GH" + string("BCDFGHJKLMNPQRST"[n%16]) + string("BCDFGHJKLMNPQRST"[n/16])
	}
	tests := []struct {
		name string
		try  func(e *harness.Env, n int) harness.Page
	}{
		{"G-11 L-21: an address can try ten user codes, and one more every six seconds", func(e *harness.Env, n int) harness.Page {
			b := e.NewBrowser()
			b.Transport = from{http.DefaultTransport, "198.51.100.254"}
			return typeIn(b, wrong(n))
		}},
		{"G-11 L-21: so can an account, from whatever addresses", func(e *harness.Env, n int) harness.Page {
			return enter(e, elsewhere(e), wrong(20+n), "alice")
		}},
		{"G-11: a code can be tried as often, by whomever", func(e *harness.Env, n int) harness.Page {
			typed := strings.Repeat("-", n) + "zzzzZZZZ" // the same in every spelling
			return typeIn(elsewhere(e), typed)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name+", with the other limits switched off", func(t *testing.T) {
			e := e.For(t)
			for n := range 10 {
				if p := tt.try(e, n); p.StatusCode == http.StatusTooManyRequests {
					t.Fatalf("try %d: status %d:\n%s", n, p.StatusCode, p.Text())
				}
			}
			p := tt.try(e, 10)
			expectPage(t, p, http.StatusTooManyRequests, "Too many tries at once")
			expectWait(t, p.Header, "6")
			e.Clock.Advance(6 * time.Second)
			if p := tt.try(e, 11); p.StatusCode == http.StatusTooManyRequests {
				t.Errorf("six seconds later: status %d", p.StatusCode)
			}
		})
	}
}

func TestServersShareTheLimits(t *testing.T) {
	for _, d := range storetest.Databases() {
		if d.Name != "postgres" {
			continue // one SQLite file has one server
		}
		first := harness.Start(t, func(o *harness.Options) {
			o.Global = "oidc_rc_per_second = 1\noidc_rc_burst_count = 6"
			o.DatabaseURL, o.SecretFile = d.URL(t), storetest.SecretFile(t)
		})
		second := first.Replica()
		share := func(e *harness.Env) {
			e.T.Helper()
			if err := e.Server.ShareLimits(e.T.Context()); err != nil {
				e.T.Fatal(err)
			}
		}
		t.Run("what one server has counted the other knows after a merge (L-21, B-06)", func(t *testing.T) {
			first, second := first.For(t), second.For(t)
			exhaust(first)
			share(first)
			share(second)
			harness.ExpectOAuthError(t, register(second, harness.WebClient), http.StatusTooManyRequests, "temporarily_unavailable")
		})
		t.Run("neither lets more through than comes back (L-21)", func(t *testing.T) {
			first, second := first.For(t), second.For(t)
			for range 5 {
				first.Clock.Advance(time.Second)
				expectStatus(first, register(first, harness.WebClient), http.StatusCreated)
				share(first)
				share(second)
				expectStatus(second, register(second, harness.WebClient), http.StatusTooManyRequests)
			}
		})
		t.Run("user codes are shared too (G-11)", func(t *testing.T) {
			first, second := first.For(t), second.For(t)
			first.Clock.Advance(time.Minute)
			for range 10 {
				enter(first, first.NewBrowser(), "AAAA-AAAA", "alice")
			}
			share(first)
			share(second)
			expectPage(t, typeIn(second.NewBrowser(), "BBBB-BBBB"), http.StatusTooManyRequests, "Too many tries at once")
		})
		t.Run("without the database nobody is refused, and each server counts on (L-21)", func(t *testing.T) {
			first := first.For(t)
			first.Clock.Advance(time.Minute)
			execute(first, "ALTER TABLE rate_limits RENAME TO gone")
			defer execute(first, "ALTER TABLE gone RENAME TO rate_limits")
			for range 6 {
				if err := first.Server.ShareLimits(t.Context()); err == nil {
					t.Fatal("the merge did not fail")
				}
				expectStatus(first, register(first, harness.WebClient), http.StatusCreated)
			}
			expectStatus(first, register(first, harness.WebClient), http.StatusTooManyRequests)
		})
	}
}

func TestLimitsKeepNoAddress(t *testing.T) {
	e := limitedTo(t, 3)
	exhaust(e, "X-Forwarded-For", "198.51.100.77")
	if err := e.Server.ShareLimits(t.Context()); err != nil {
		t.Fatal(err)
	}
	var rows, others int
	query := "SELECT count(*), count(CASE WHEN length(key_hash) <> 32 OR instr(key_hash, '198.51') > 0 THEN 1 END) FROM rate_limits"
	if err := database(e).QueryRowContext(t.Context(), query).Scan(&rows, &others); err != nil {
		t.Fatal(err)
	}
	if rows == 0 || others > 0 {
		t.Errorf("%d rows, %d of them no hash", rows, others)
	}
}
