package store_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

// generation is how often a session was rotated, plus one.
func (f *fixture) generation(g grant) int64 {
	f.t.Helper()
	return f.number("SELECT generation FROM sessions WHERE id = ?", g.ID)
}

func (f *fixture) wantPresented(what string, key store.RefreshKey, want error) *store.Session {
	f.t.Helper()
	session, err := f.Presented(f.ctx, key, store.OAuth)
	f.want(what, err, want)
	return session
}

func TestRotate(t *testing.T) {
	tests := []struct {
		name       string
		prepare    func(*fixture, grant)
		next       string // what the second call wants to rotate to
		want       error
		generation int64 // afterwards
	}{
		{"a token rotates", func(*fixture, grant) {}, "R2", nil, 2},
		{"D-24: and again to the same successor", func(f *fixture, g grant) { f.must(f.rotateTo(g.Refresh, secret.Hash("R2"), secret.Hash("A2"))) }, "R2", nil, 2},
		{"not to another one", func(f *fixture, g grant) { f.must(f.rotateTo(g.Refresh, secret.Hash("R2"), secret.Hash("A2"))) }, "R2'", store.ErrNotFound, 2},
		{"not a token that is none of the session's", func(f *fixture, g grant) {
			f.exec("UPDATE sessions SET refresh_hash = ? WHERE id = ?", secret.Hash("another"), g.ID)
		}, "R2", store.ErrNotFound, 1},
		{"nor again", func(f *fixture, g grant) {
			f.must(f.rotateTo(g.Refresh, secret.Hash("R2"), secret.Hash("A2")))
			f.exec("UPDATE sessions SET previous_refresh_hash = ? WHERE id = ?", secret.Hash("another"), g.ID)
		}, "R2", store.ErrNotFound, 2},
		{"not when the successor has moved on", func(f *fixture, g grant) {
			f.must(f.rotateTo(g.Refresh, secret.Hash("R2"), secret.Hash("A2")))
			second := store.RefreshKey{SessionID: g.ID, Generation: 2, Hash: secret.Hash("R2")}
			f.must(f.rotateTo(second, secret.Hash("R3"), secret.Hash("A3")))
		}, "R2", store.ErrNotFound, 3},
		{"not after the session has ended", func(f *fixture, g grant) { f.must(f.EndSession(f.ctx, g.ID, logout)) }, "R2", store.ErrNotFound, 1},
		{"not again after the session has ended", func(f *fixture, g grant) {
			f.must(f.rotateTo(g.Refresh, secret.Hash("R2"), secret.Hash("A2")))
			f.must(f.EndSession(f.ctx, g.ID, logout))
		}, "R2", store.ErrNotFound, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				g := f.start(f.login("alice"), "D1", "c1")
				tt.prepare(f, g)
				access := secret.Hash("A of " + tt.next)
				f.want("rotate", f.rotateTo(g.Refresh, secret.Hash(tt.next), access), tt.want)
				_, err := f.AccessToken(f.ctx, access)
				f.want("D-24: the access token with it", err, tt.want)
				if got := f.generation(g); got != tt.generation {
					f.t.Errorf("generation %d, want %d", got, tt.generation)
				}
			})
		})
	}
}

func TestRotateManyAtOnce(t *testing.T) {
	each(t, func(f *fixture) {
		servers := []*store.Store{f.Store, f.again()}
		g := f.start(f.login("alice"), "D1", "c1")
		access, next := secret.Bytes(32), secret.Bytes(32)
		wantAll(f.t, together(100, func(i int) error {
			return servers[i%2].Rotate(f.ctx, g.Refresh, f.successor(g.Refresh, next, access))
		}))
		if got := f.generation(g); got != 2 {
			f.t.Errorf("generation %d, want 2", got)
		}
		f.use(access)
	})
}

func TestRotateAndEndAtOnce(t *testing.T) {
	each(t, func(f *fixture) {
		g := f.start(f.login("alice"), "D1", "c1")
		next, access := secret.Bytes(32), secret.Bytes(32)
		for _, err := range together(40, func(i int) error {
			if i == 20 {
				return f.EndSession(f.ctx, g.ID, logout)
			}
			return f.rotateTo(g.Refresh, next, access)
		}) {
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				f.t.Errorf("error %v, want none or ErrNotFound", err)
			}
		}
		f.want("rotate afterwards", f.rotateTo(g.Refresh, next, access), store.ErrNotFound)
	})
}

func TestPresented(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")

		f.t.Run("the session and what its token is exchanged for", func(t *testing.T) {
			g := f.start(alice, "D1", "c1")
			session := f.wantPresented("the current token", g.Refresh, nil)
			if session == nil || session.ID != g.ID || session.UserID != "@alice:example.org" || session.DeviceID != "D1" || session.ClientID != "c1" ||
				session.Scope != "openid" || session.Login != alice || !session.RefreshExpiresAt.IsZero() || session.Ended {
				t.Fatalf("session %+v", session)
			}
			if r := session.Rotation; r.Replay || r.Generation != 2 || len(r.Seed) == 0 {
				t.Errorf("rotation %+v", r)
			}
		})
		f.t.Run("D-24: a repeated exchange is made from the same seed", func(t *testing.T) {
			g := f.start(alice, "D2", "c1")
			session := f.wantPresented("the current token", g.Refresh, nil)
			rotated := f.clock.Now()
			f.rotate(g.Refresh)
			f.clock.Advance(24 * time.Hour)
			again := f.wantPresented("the previous token, a day later", g.Refresh, nil)
			if r := again.Rotation; !r.Replay || r.Generation != 2 || !bytes.Equal(r.Seed, session.Rotation.Seed) || !r.ReplayedAt.Equal(rotated) {
				t.Errorf("rotation %+v, want a replay of %+v at %v", r, session.Rotation, rotated)
			}
		})
		f.t.Run("D-23: the successor's use voids the token", func(*testing.T) {
			g := f.start(alice, "D3", "c1")
			second, _ := f.rotate(g.Refresh)
			f.rotate(second)
			f.wantPresented("the first token", g.Refresh, store.ErrReused)
			f.wantEnded("D-25: the session", g, "refresh_reused by server")
			if _, err := f.Device(f.ctx, "alice", "D3"); err != nil {
				f.t.Errorf("D-25: the device: %v", err)
			}
			f.wantPresented("any token afterwards", second, store.ErrNotFound)
		})
		f.t.Run("D-23: the use of the successor's access token voids the token", func(*testing.T) {
			g := f.start(alice, "D4", "c1")
			second, access := f.rotate(g.Refresh)
			f.use(access)
			f.must(f.FlushUsage(f.ctx))
			f.clock.Advance(time.Millisecond)
			f.wantPresented("the first token", g.Refresh, store.ErrReused)
			f.wantPresented("the second token", second, store.ErrNotFound)
		})
		f.t.Run("D-23: the use of the token's own access token does not", func(*testing.T) {
			g := f.start(alice, "D7", "c1")
			f.use(g.Access)
			f.must(f.FlushUsage(f.ctx))
			f.rotate(g.Refresh)
			f.clock.Advance(time.Hour)
			f.wantPresented("the first token", g.Refresh, nil)
		})
		f.t.Run("D-26: the use of an older access token does not", func(*testing.T) {
			g := f.start(alice, "D5", "c1")
			f.rotate(g.Refresh)
			f.clock.Advance(3 * time.Minute)
			f.use(g.Access)
			f.must(f.FlushUsage(f.ctx))
			f.wantPresented("the first token", g.Refresh, nil)
		})
		f.t.Run("D-2D: a token of the other kind is unknown", func(*testing.T) {
			g := f.start(alice, "D6", "c1")
			_, err := f.Presented(f.ctx, g.Refresh, store.Legacy)
			f.want("present", err, store.ErrNotFound)
			f.wantEnded("the session", g, "")
		})
		f.t.Run("a token of no session", func(*testing.T) {
			f.wantPresented("present", store.RefreshKey{SessionID: "nothing", Generation: 1, Hash: secret.Bytes(32)}, store.ErrNotFound)
		})
	})
}

func TestRefreshExpiry(t *testing.T) {
	each(t, func(f *fixture) {
		g := f.start(f.login("alice"), "D1", "c1")
		end := f.clock.Now().Add(90 * 24 * time.Hour)
		next := store.RefreshKey{SessionID: g.ID, Generation: 2, Hash: secret.Bytes(32)}
		successor := f.successor(g.Refresh, next.Hash, secret.Bytes(32))
		successor.RefreshExpiresAt = end
		f.must(f.Rotate(f.ctx, g.Refresh, successor))
		if session := f.wantPresented("the new token", next, nil); !session.RefreshExpiresAt.Equal(end) {
			f.t.Errorf("it expires at %v, want %v", session.RefreshExpiresAt, end)
		}
	})
}
