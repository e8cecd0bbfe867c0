package signing_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"keymaker/internal/clock"
	"keymaker/provider/signing"
	"keymaker/store"
	"keymaker/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	day      = 24 * time.Hour
	rotation = 90 * day
)

// fixture is a database with servers on it.
type fixture struct {
	t       *testing.T
	clock   *clock.Manual
	options store.Options
	db      *store.Store
}

func each(t *testing.T, test func(f *fixture)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		f := &fixture{t: t, clock: clock.NewManual(storetest.Start), options: storetest.Options(t, d.URL(t))}
		f.options.Clock = f.clock
		f.db = storetest.Open(t, f.options)
		test(f)
	})
}

// server opens the keys as a server does that starts.
func (f *fixture) server(every time.Duration) *signing.Ring {
	f.t.Helper()
	r, err := signing.Open(f.t.Context(), signing.Options{Store: storetest.Open(f.t, f.options), Clock: f.clock,
		Logger: slog.New(slog.DiscardHandler), Rotation: every})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) turn(rings ...*signing.Ring) {
	f.t.Helper()
	for _, r := range rings {
		if err := r.Turn(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	}
}

// states are the keys of an algorithm, the oldest first.
func (f *fixture) states(alg string) []string {
	f.t.Helper()
	var states []string
	for _, k := range f.keys(alg) {
		states = append(states, string(k.State))
	}
	return states
}

func (f *fixture) keys(alg string) []store.SigningKey {
	f.t.Helper()
	all, err := f.db.SigningKeys(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(k store.SigningKey) bool { return k.Alg != alg })
}

func (f *fixture) wantStates(alg string, want ...string) {
	f.t.Helper()
	if got := f.states(alg); !slices.Equal(got, want) {
		f.t.Errorf("%s keys are %v, want %v", alg, got, want)
	}
}

// published are the ids in a server's key set.
func published(t *testing.T, r *signing.Ring) []string {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(r.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range set.Keys {
		ids = append(ids, k.KeyID)
	}
	return ids
}

// signer is the id of the key that a server signs with.
func signer(t *testing.T, r *signing.Ring, alg string) string {
	t.Helper()
	token, err := r.Sign(t.Context(), alg, signing.JWT, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Signatures[0].Header.KeyID
}

func TestRotationByAge(t *testing.T) {
	each(t, func(f *fixture) {
		r := f.server(rotation)
		f.turn(r)
		first := signer(f.t, r, signing.ES256)
		steps := []struct {
			name    string
			advance time.Duration
			want    []string
			signs   int // index of the key that signs, by age; retired ones are gone
		}{
			{"F-34: a key stays alone until a day before its time", rotation - day - time.Millisecond, []string{"active"}, 0},
			{"F-34: then the next one is published and does not sign", time.Millisecond, []string{"active", "next"}, 0},
			{"F-34: it does not sign a moment before its time", day - time.Millisecond, []string{"active", "next"}, 0},
			{"F-34: then it signs, and the old one stays", time.Millisecond, []string{"retiring", "active"}, 1},
			{"F-34: the old one stays while what it signed is valid", signing.TokenTTL + signing.ReloadInterval, []string{"retiring", "active"}, 1},
			{"F-34: and goes after that", 10 * time.Minute, []string{"active"}, 0},
			{"F-34: the next rotation is as far away as the first was", rotation - day - 2*time.Hour, []string{"active"}, 0},
			{"F-34: and is prepared in the same way", 2 * time.Hour, []string{"active", "next"}, 0},
		}
		for _, s := range steps {
			f.clock.Advance(s.advance)
			f.turn(r)
			f.wantStates(signing.ES256, s.want...)
			f.wantStates(signing.RS256, s.want...)
			keys := f.keys(signing.ES256)
			if got := signer(f.t, r, signing.ES256); s.signs >= len(keys) || got != keys[s.signs].KID {
				f.t.Errorf("%s: %s signs", s.name, got)
			}
			ids := published(f.t, r)
			for _, k := range keys {
				if !slices.Contains(ids, k.KID) {
					f.t.Errorf("%s: the %s key is not in the key set", s.name, k.State)
				}
			}
			if len(ids) != 2*len(keys) {
				f.t.Errorf("%s: %d keys in the set, want %d", s.name, len(ids), 2*len(keys))
			}
		}
		if signer(f.t, r, signing.ES256) == first {
			f.t.Error("the first key signs for ever")
		}
	})
}

func TestNoKeySignsBeforeItIsKnownEverywhere(t *testing.T) {
	each(t, func(f *fixture) {
		r := f.server(rotation)
		f.turn(r)
		first := signer(f.t, r, signing.ES256)
		// The server was down when the successor should have been published.
		f.clock.Advance(10 * rotation)
		f.turn(r, r)
		f.wantStates(signing.ES256, "active", "next")
		f.clock.Advance(signing.ReloadInterval + signing.CacheTime)
		f.turn(r)
		if got := signer(f.t, r, signing.ES256); got != first {
			f.t.Error("F-34: a key signs that clients with the key set in their cache cannot know")
		}
		f.clock.Advance(10 * time.Minute)
		f.turn(r)
		f.wantStates(signing.ES256, "retiring", "active")
	})
}

func TestRotationCanBeSwitchedOff(t *testing.T) {
	each(t, func(f *fixture) {
		r := f.server(0)
		f.turn(r)
		f.clock.Advance(10 * 365 * day)
		f.turn(r)
		f.wantStates(signing.ES256, "active")
		f.wantStates(signing.RS256, "active")
	})
}

func TestServersRotateOnce(t *testing.T) {
	each(t, func(f *fixture) {
		servers := []*signing.Ring{f.server(rotation), f.server(rotation)}
		together := func() {
			var done sync.WaitGroup
			errs := make([]error, 8)
			for i := range errs {
				done.Go(func() { errs[i] = servers[i%2].Turn(f.t.Context()) })
			}
			done.Wait()
			if err := errors.Join(errs...); err != nil {
				f.t.Fatal(err)
			}
			f.turn(servers...)
		}
		for _, s := range []struct {
			name    string
			advance time.Duration
			want    []string
		}{
			{"F-31: they make one first key of each algorithm", 0, []string{"active"}},
			{"F-34: they publish one successor", rotation - day, []string{"active", "next"}},
			{"F-34: they let it sign once", day, []string{"retiring", "active"}},
			{"F-34: they remove the old one once", 2 * time.Hour, []string{"active"}},
		} {
			f.clock.Advance(s.advance)
			together()
			for _, alg := range []string{signing.ES256, signing.RS256} {
				if got := f.states(alg); !slices.Equal(got, s.want) {
					f.t.Fatalf("%s: %s keys are %v, want %v", s.name, alg, got, s.want)
				}
				if a, b := signer(f.t, servers[0], alg), signer(f.t, servers[1], alg); a != b {
					f.t.Errorf("%s: one signs with %s, the other with %s", s.name, a, b)
				}
			}
			if a, b := string(servers[0].JWKS()), string(servers[1].JWKS()); a != b {
				f.t.Errorf("%s: key sets differ", s.name)
			}
		}
		events, err := f.db.AuditEvents(f.t.Context(), "", 100)
		if err != nil {
			f.t.Fatal(err)
		}
		count := map[string]int{}
		for _, e := range events {
			count[e.Action+" by "+e.Actor]++
		}
		// The first ES256 key is made by the start of the first server.
		want := map[string]int{"key_published by server": 3, "key_activated by server": 2, "key_removed by server": 2}
		if fmt.Sprint(count) != fmt.Sprint(want) {
			f.t.Errorf("audit log %v, want %v", count, want)
		}
	})
}

func TestRSAKey(t *testing.T) {
	each(t, func(f *fixture) {
		here, there := f.server(rotation), f.server(rotation)
		if here.Signs(signing.RS256) {
			f.t.Error("the start waited for an RSA key")
		}
		if _, err := here.Sign(f.t.Context(), signing.RS256, signing.JWT, []byte("{}")); err == nil {
			f.t.Error("signed without a key")
		}
		f.turn(here)
		if !here.Signs(signing.RS256) || there.Signs(signing.RS256) {
			f.t.Fatalf("F-31: RSA key here %v, there %v", here.Signs(signing.RS256), there.Signs(signing.RS256))
		}
		if a, b := signer(f.t, here, signing.RS256), signer(f.t, there, signing.RS256); a != b {
			f.t.Errorf("F-31: a server that has not seen the key yet signs with %q instead of %q", b, a)
		}
		if signer(f.t, here, signing.RS256) == signer(f.t, here, signing.ES256) {
			f.t.Error("F-34: two keys share an id")
		}
	})
}

func TestRotate(t *testing.T) {
	each(t, func(f *fixture) {
		rotate := func(force bool) []signing.Rotated {
			f.t.Helper()
			all, err := signing.Rotate(f.t.Context(), f.db, f.clock, force)
			if err != nil {
				f.t.Fatal(err)
			}
			return all
		}
		if _, err := signing.Rotate(f.t.Context(), f.db, f.clock, true); !errors.Is(err, signing.ErrNoKeys) {
			f.t.Errorf("a database without keys: %v", err)
		}
		r := f.server(0)
		f.turn(r)
		f.clock.Advance(time.Second)

		published := rotate(false)
		f.wantStates(signing.ES256, "active", "next")
		if len(published) != 2 || published[0].Signs || !published[0].Key.NotBefore.After(f.clock.Now().Add(signing.CacheTime)) {
			f.t.Errorf("F-34: the successor is to be published only: %+v", published)
		}
		if again := rotate(false); again[0].Signs || again[0].Key.KID != published[0].Key.KID {
			f.t.Error("F-34: a successor that is too young was replaced or signs")
		}
		f.clock.Advance(published[0].Key.NotBefore.Sub(f.clock.Now()))
		if done := rotate(false); !done[0].Signs || done[0].Key.KID != published[0].Key.KID || done[0].Before.KID == done[0].Key.KID {
			f.t.Errorf("F-34: a successor of the right age does not sign: %+v", done)
		}
		f.wantStates(signing.ES256, "retiring", "active")
		f.wantStates(signing.RS256, "retiring", "active")
		f.turn(r)
		if got := signer(f.t, r, signing.ES256); got != published[0].Key.KID {
			f.t.Error("F-34: the server did not notice")
		}
		f.clock.Advance(time.Second)
		if forced := rotate(true); !forced[0].Signs || forced[0].Until.Sub(f.clock.Now()) <= signing.TokenTTL {
			f.t.Errorf("forced: %+v", forced[0])
		}
		f.wantStates(signing.ES256, "retiring", "retiring", "active")
	})
}

func TestRetire(t *testing.T) {
	each(t, func(f *fixture) {
		f.turn(f.server(0))
		f.clock.Advance(time.Second)
		if _, err := signing.Rotate(f.t.Context(), f.db, f.clock, false); err != nil {
			f.t.Fatal(err)
		}
		keys := f.keys(signing.ES256)
		for _, tt := range []struct {
			name, kid string
			want      error
		}{
			{"the key that signs", keys[0].KID, signing.ErrSigns},
			{"no key", "nothing", store.ErrNotFound},
			{"a key that does not sign", keys[1].KID, nil},
			{"it again", keys[1].KID, store.ErrNotFound},
		} {
			if err := signing.Retire(f.t.Context(), f.db, f.clock, tt.kid); !errors.Is(err, tt.want) {
				f.t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
			}
		}
		f.wantStates(signing.ES256, "active")
	})
}

func TestTurnFailsWithTheDatabase(t *testing.T) {
	each(t, func(f *fixture) {
		r := f.server(rotation)
		before := string(r.JWKS())
		ctx, cancel := context.WithCancel(f.t.Context())
		cancel()
		if err := r.Turn(ctx); err == nil {
			f.t.Error("a turn without a database succeeded")
		}
		if string(r.JWKS()) != before || !strings.Contains(before, "ES256") {
			f.t.Error("F-33: an outage changed the key set")
		}
	})
}
