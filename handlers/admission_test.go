package handlers_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"keymaker/internal/harness"
)

// hanging is a way to an identity provider on which nothing passes once it is
// held, until it is let go.
type hanging struct {
	held atomic.Bool
	free chan struct{}
}

func (h *hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	if !h.held.Load() {
		return http.DefaultTransport.RoundTrip(r)
	}
	select {
	case <-h.free:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return http.DefaultTransport.RoundTrip(r)
}

// fill sends a request so often that there is no place for more, and returns
// how to wait for the answers.
func fill(t *testing.T, e *harness.Env, path string) (answers func() map[int]int) {
	t.Helper()
	const places, patience = 256, 1000
	var mu sync.Mutex
	var all sync.WaitGroup
	statuses := map[int]int{}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for range places {
		all.Go(func() {
			a, err := client.Get(e.URL + path)
			if err != nil {
				t.Error(err)
				return
			}
			_ = a.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			statuses[a.StatusCode]++
		})
	}
	for range patience {
		if e.Get("/_matrix/client/v3/login").Status == http.StatusServiceUnavailable {
			return func() map[int]int { all.Wait(); return statuses }
		}
	}
	t.Fatal("there is still place for more")
	return nil
}

func TestOverload(t *testing.T) {
	provider := &hanging{free: make(chan struct{})}
	e := harness.Start(t, func(o *harness.Options) {
		o.Global, o.HTTPClient = "oidc_rc_per_second = 0", &http.Client{Transport: provider}
	})
	tokens := e.LogIn("alice", "DEVICE")
	provider.held.Store(true)
	e.Restart() // which forgets what the provider has said
	answers := fill(t, e, "/_matrix/client/v3/login/sso/redirect/keymaker?redirectUrl=https%3A%2F%2Fapp.example.com%2F")
	t.Run("sessions go on while a crowd waits for an identity provider that hangs", func(t *testing.T) {
		e := e.For(t)
		tokens = e.MustRefresh(tokens.ClientID, tokens.Refresh)
		if a := e.Introspect(tokens.Access); a.JSON()["active"] != true {
			t.Errorf("introspection says %d %s", a.Status, a.Body)
		}
		if a := e.WhoAmI(tokens.Access); a.Text("device_id") != "DEVICE" {
			t.Errorf("whoami says %d %s", a.Status, a.Body)
		}
	})
	t.Run("what there is no place for is told when to come again", func(t *testing.T) {
		e := e.For(t)
		for _, tt := range []struct{ method, path, kind, body, says string }{
			{http.MethodPost, "/_tuwunel/oidc/registration", "application/json", `{}`, `"temporarily_unavailable"`},
			{http.MethodPost, "/_tuwunel/oidc/token", "application/x-www-form-urlencoded", "grant_type=authorization_code", `"temporarily_unavailable"`},
			{http.MethodPost, "/_matrix/client/v3/login", "application/json", `{}`, `"M_UNKNOWN"`},
			{http.MethodGet, "/_tuwunel/oidc/account", "", "", "<h1>"},
		} {
			a := e.Do(tt.method, tt.path, map[string]string{"Content-Type": tt.kind}, tt.body)
			if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(string(a.Body), tt.says) {
				t.Errorf("%s answers %d %v %s", tt.path, a.Status, a.Header, a.Body)
			}
		}
	})
	t.Run("what needs no place is answered", func(t *testing.T) {
		e := e.For(t)
		for _, path := range []string{"/livez", "/readyz", "/.well-known/openid-configuration", "/_tuwunel/oidc/jwks", "/.well-known/matrix/client"} {
			if a := e.Get(path); a.Status != http.StatusOK {
				t.Errorf("%s answers %d", path, a.Status)
			}
		}
	})
	t.Run("the log says it once for many", func(t *testing.T) {
		if n := strings.Count(e.Log.String(), "requests are turned away"); n != 1 {
			t.Errorf("it says so %d times", n)
		}
	})
	t.Run("afterwards everything is as before", func(t *testing.T) {
		e := e.For(t)
		close(provider.free)
		if got := answers(); got[http.StatusSeeOther] != 256 {
			t.Errorf("the crowd was answered %v", got)
		}
		if a := e.Get("/_matrix/client/v3/login"); a.Status != http.StatusOK {
			t.Errorf("the next is answered %d %s", a.Status, a.Body)
		}
	})
}
