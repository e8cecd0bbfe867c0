package command_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/fakesynapse"
	"keymaker/internal/harness"
	"keymaker/internal/secret"
)

// valve holds up what a server asks an identity provider, while it is closed.
// Browsers get through.
type valve struct {
	closed   atomic.Bool
	released chan struct{}
}

func (v *valve) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v.closed.Load() && strings.Contains(r.URL.Path, "token") {
			select {
			case <-v.released:
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// behindOthers is a server behind a Synapse and an identity provider that may hang.
func behindOthers(t *testing.T) (*process, *fakesynapse.Synapse, *valve) {
	t.Helper()
	home, address := fakesynapse.Start(t, clock.System{})
	v := &valve{released: make(chan struct{})}
	p := startProcess(t, unlimited, func(p *process) {
		p.provider = func(o *demoidptest.Options) { o.Wrap = v.wrap }
		p.env = append(p.env, "KEYMAKER_GLOBAL__HOMESERVER__KIND=synapse", "KEYMAKER_GLOBAL__HOMESERVER__ENDPOINT="+address,
			"KEYMAKER_GLOBAL__HOMESERVER__SECRET="+harness.HomeserverSecret)
	})
	home.Delegate(p.URL, secret.Text(harness.HomeserverSecret))
	return p, home, v
}

// crowd are people who have approved, and apps that exchange their codes.
func (p *process) crowd(clientID string, n int) (exchange []func() harness.Answer) {
	p.T.Helper()
	for i := range n {
		r := p.NewRequest(clientID, fmt.Sprintf("openid %sCROWD%d", harness.ScopeStable, i))
		code := p.NewBrowser().Approve(r, "bob").Get("code")
		exchange = append(exchange, func() harness.Answer { return p.Exchange(r, code) })
	}
	return exchange
}

// goesOn uses a session until something has ended, and returns how often that was,
// and the longest time that it took once.
func (p *process) goesOn(tokens harness.Tokens, home *fakesynapse.Synapse, ended func() bool) (n int, longest time.Duration) {
	p.T.Helper()
	refresh := tokens.Refresh
	for ; !ended(); n++ {
		begun := time.Now()
		next := p.MustRefresh(tokens.ClientID, refresh)
		refresh = next.Refresh
		if a := home.Ask(p.T.Context(), next.Access); a.Status == http.StatusUnauthorized {
			p.T.Errorf("the homeserver is told that a good token is none")
		}
		if a := p.Introspect(next.Access); a.Status != http.StatusOK || a.JSON()["active"] != true {
			p.T.Errorf("introspection: status %d: %s", a.Status, a.Body)
		}
		longest = max(longest, time.Since(begun))
	}
	return n, longest
}

// TestSessionsGoOnWhileTheProviderAndTheHomeserverHang lets a crowd wait for both,
// and expects the sessions that are there to notice nothing, and the crowd to get
// in later with what it has.
func TestSessionsGoOnWhileTheProviderAndTheHomeserverHang(t *testing.T) {
	t.Parallel()
	p, home, v := behindOthers(t)
	tokens := p.LogIn("alice", "GOESON")
	id, _ := p.Register(harness.WebClient)
	crowd := p.crowd(id, 12)
	late := p.NewBrowser()
	login := late.Authorize(p.NewRequest(id, harness.ScopeStable+"LATE"))
	home.Hang()
	v.closed.Store(true)

	var waiting sync.WaitGroup
	var ended atomic.Int64
	for _, exchange := range crowd {
		waiting.Go(func() {
			a := exchange()
			ended.Add(1)
			expectUnavailable(t, a)
		})
	}
	waiting.Go(func() {
		page := late.SignIn(login, "bob")
		ended.Add(1)
		if page.StatusCode < 500 {
			t.Errorf("a login with a provider that hangs: status %d", page.StatusCode)
		}
	})
	n, longest := p.goesOn(tokens, home, func() bool { return ended.Load() > 0 })
	waiting.Wait()
	t.Logf("%d refreshes while %d waited, the slowest in %v", n, len(crowd)+1, longest)
	if n < 20 || longest > 5*time.Second {
		t.Error("the sessions were held up")
	}
	home.Recover()
	v.closed.Store(false)
	close(v.released)
	for deadline := time.Now().Add(40 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		a := crowd[0]()
		if a.Status == http.StatusOK {
			break
		}
		expectUnavailable(t, a)
		if t.Failed() || time.Now().After(deadline) {
			t.Fatalf("the crowd does not get in: status %d: %s", a.Status, a.Body)
		}
	}
	p.LogIn("bob", "AFTER")
}

// TestTheClockJumps puts the clock an hour forward and back under clients that
// remember every answer, and has answers lost before each of them.
func TestTheClockJumps(t *testing.T) {
	t.Parallel()
	p := startProcess(t, unlimited, withClock)
	w, wait := watch(t, p.Env, func(w *witnesses) { w.pause, w.moved = time.Millisecond, true })
	lost := p.LogIn("alice", "LOSES")
	for _, at := range []time.Duration{time.Hour, 0, -time.Hour, time.Hour, -time.Hour, 0} {
		time.Sleep(200 * time.Millisecond)
		w.held.Lock()
		unheard := p.MustRefresh(lost.ClientID, lost.Refresh)
		p.clock.move(t, at)
		next := p.MustRefresh(lost.ClientID, lost.Refresh)
		if next.Refresh != unheard.Refresh {
			t.Errorf("at %v: a repeated refresh has another successor", at)
		}
		if a := p.WhoAmI(next.Access); a.Status != http.StatusOK {
			t.Errorf("at %v: a new token is refused: status %d: %s", at, a.Status, a.Body)
		}
		lost.Refresh = next.Refresh
		w.held.Unlock()
	}
	time.Sleep(200 * time.Millisecond)
	wait()
	if w.unavailable.Load()+w.lost.Load() > 0 {
		t.Errorf("%d answers 503, %d requests without an answer", w.unavailable.Load(), w.lost.Load())
	}
}
