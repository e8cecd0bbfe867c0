package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

func (f *fixture) sweep() int64 {
	f.t.Helper()
	n, err := f.Sweep(f.ctx)
	f.must(err)
	return n
}

// left are the values of a column, sorted.
func (f *fixture) left(column, table string) []string {
	f.t.Helper()
	var values []string
	f.must(f.Writer(f.ctx).Raw("SELECT " + column + " FROM " + table).Scan(&values).Error)
	slices.Sort(values)
	return values
}

func TestSweepOfWhatExpires(t *testing.T) {
	tests := []struct {
		name string
		keep time.Duration // beyond the expiry
		add  func(f *fixture, expires time.Time)
		left func(f *fixture) int64
	}{
		{"authorization requests", 0, func(f *fixture, expires time.Time) {
			_, err := f.Begin(f.ctx, "browser", store.AuthorizationRequest{Kind: store.RequestSSO, ExpiresAt: expires})
			f.must(err)
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM authorization_requests") }},
		{"pending links", 0, func(f *fixture, expires time.Time) {
			_, err := f.BeginLink(f.ctx, "browser", store.PendingLink{}, expires)
			f.must(err)
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM pending_links") }},
		{"pushed requests", 0, func(f *fixture, expires time.Time) {
			f.must(f.Push(f.ctx, secret.Token(), "c1", nil, expires))
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM pushed_requests") }},
		{"C-60: consents, a year after they were given", 0, func(f *fixture, expires time.Time) {
			id := secret.Token()
			f.must(f.Consent(f.ctx, f.login("alice").Localpart, id, []string{"openid"}))
			f.exec("UPDATE consents SET approved_at = ? WHERE client_id = ?", expires.Add(-365*24*time.Hour).UnixMilli(), id)
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM consents") }},
		{"upstream logins", 0, func(f *fixture, expires time.Time) {
			f.must(f.BeginUpstream(f.ctx, "browser", secret.Token(), store.UpstreamLogin{ProviderID: "idp"}, expires))
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM upstream_logins") }},
		{"login tokens", 0, func(f *fixture, expires time.Time) {
			f.must(f.AddLoginToken(f.ctx, secret.Token(), f.login("alice"), expires))
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM login_tokens") }},
		{"browser sessions", 0, func(f *fixture, expires time.Time) {
			f.must(f.SignInBrowser(f.ctx, secret.Token(), f.login("alice"), expires))
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM browser_sessions") }},
		{"proofs", 0, func(f *fixture, expires time.Time) {
			f.must(f.AddProof(f.ctx, store.ProofKey{Browser: secret.Token(), Localpart: "alice"}, f.login("alice")))
			f.exec("UPDATE proofs SET expires_at = ? WHERE expires_at = ?", expires.UnixMilli(), f.clock.Now().Add(store.ProofLife).UnixMilli())
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM proofs") }},
		{"rendezvous sessions, with what they remember", 0, func(f *fixture, expires time.Time) {
			id := secret.Token()
			f.must(f.rendezvous(id, ""))
			_, err := f.WriteRendezvous(f.ctx, store.MSC4388, id, store.RendezvousWrite{Sequence: 1, Transaction: "t"})
			f.must(err)
			f.exec("UPDATE rendezvous_sessions SET expires_at = ? WHERE id_hash = ?", expires.UnixMilli(), secret.Hash(id))
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM rendezvous_writes") }},
		{"D-18: codes, a day later, for a replay to be noticed", 24 * time.Hour, func(f *fixture, expires time.Time) {
			f.login("alice")
			code := secret.Token()
			f.code(code, &store.Client{ID: "c1"}, "alice")
			f.exec("UPDATE authorization_codes SET expires_at = ? WHERE code_hash = ?", expires.UnixMilli(), secret.Hash(code))
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM authorization_codes") }},
		{"G-23: device grants, a day later, so that the device is told", 24 * time.Hour, func(f *fixture, expires time.Time) {
			code := secret.Token()
			f.deviceGrant(code, secret.Bytes(32))
			f.exec("UPDATE device_grants SET expires_at = ? WHERE device_code_hash = ?", expires.UnixMilli(), secret.Hash(code))
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM device_grants") }},
		{"jobs that are done, a day later", 24 * time.Hour, func(f *fixture, expires time.Time) {
			id := f.job("a")
			f.must(f.FinishJob(f.ctx, f.take()))
			f.exec("UPDATE jobs SET finished_at = ? WHERE id = ?", expires.UnixMilli(), id)
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM jobs") }},
		{"jobs that were given up, a month later", 30 * 24 * time.Hour, func(f *fixture, expires time.Time) {
			id := f.job("a")
			f.must(f.FailJob(f.ctx, f.take(), "refused"))
			f.exec("UPDATE jobs SET finished_at = ? WHERE id = ?", expires.UnixMilli(), id)
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM jobs") }},
		{"K-01: access tokens, a day later, so that the client is told to refresh", 24 * time.Hour, func(f *fixture, expires time.Time) {
			g := f.start(f.login("alice"), "", "c1")
			f.exec("UPDATE access_tokens SET expires_at = ? WHERE token_hash = ?", expires.UnixMilli(), g.Access)
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM access_tokens") }},
		{"pictures that nobody has, a day later", 24 * time.Hour, func(f *fixture, expires time.Time) {
			f.login("alice")
			uri := f.addPicture("alice", "x")
			f.exec("UPDATE pictures SET created_at = ? WHERE id = ?", expires.UnixMilli(), strings.TrimPrefix(uri, f.MediaURI("")))
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM pictures") }},
		{"rate limits that are full again", 0, func(f *fixture, expires time.Time) {
			_, err := f.MergeLimits(f.ctx, []store.Taken{{Key: secret.Bytes(32), Since: expires.Add(-time.Second), Cost: time.Second}}, time.Hour)
			f.must(err)
		}, func(f *fixture) int64 { return f.number("SELECT count(*) FROM rate_limits") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				now := f.clock.Now()
				tt.add(f, now.Add(-tt.keep-time.Millisecond))
				tt.add(f, now.Add(-tt.keep+time.Millisecond))
				tt.add(f, now.Add(time.Hour))
				if removed, left := f.sweep(), tt.left(f); removed != 1 || left != 2 {
					f.t.Errorf("removed %d, left %d, want 1 and 2", removed, left)
				}
				if again := f.sweep(); again != 0 {
					f.t.Errorf("removed %d more at once", again)
				}
			})
		})
	}
}

func TestSweepOfSessions(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		f.exec("UPDATE users SET created_at = 0")
		live, old, recent := f.start(alice, "live", "c1"), f.start(alice, "old", "c1"), f.start(alice, "recent", "c1")
		f.must(f.AddAccessToken(f.ctx, store.NewAccessToken{Hash: secret.Hash("legacy"), SessionID: old.ID, Generation: 1, IssuedAt: f.clock.Now()}))
		f.must(f.EndSession(f.ctx, old.ID, store.End{Reason: store.EndRefreshReused, Actor: store.ActorServer, KeepDevice: true}))
		f.clock.Advance(time.Hour)
		f.must(f.EndSession(f.ctx, recent.ID, logout))
		f.clock.Advance(30 * 24 * time.Hour)

		f.sweep()
		if got, want := f.left("id", "sessions"), []string{live.ID, recent.ID}; !slices.Equal(got, sorted(want)) {
			f.t.Errorf("sessions %v, want %v", got, want)
		}
		_, err := f.AccessToken(f.ctx, secret.Hash("legacy"))
		f.want("the token of a session that is gone, though it never expires", err, store.ErrNotFound)
		if got, want := f.left("device_id", "devices"), []string{"live", "old"}; !slices.Equal(got, want) {
			f.t.Errorf("devices %v, want %v: no device goes with its session", got, want)
		}
		if n := f.number("SELECT count(*) FROM audit_events WHERE session_id = ?", old.ID); n != 2 {
			f.t.Errorf("%d audit events of the session, want 2", n)
		}
	})
}

func TestSweepEndsSessionsThatCanNoLongerBeRefreshed(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		expiring, lasting := f.start(alice, "expiring", "c1"), f.start(alice, "lasting", "c1")
		f.exec("UPDATE sessions SET refresh_expires_at = ? WHERE id = ?", f.clock.Now().Add(time.Hour).UnixMilli(), expiring.ID)
		ended := func() store.EndReason {
			f.t.Helper()
			f.sweep()
			reason, _, _, err := f.EndedSession(f.ctx, expiring.ID)
			if err != nil {
				f.want("a session that goes on", err, store.ErrNotFound)
			}
			return reason
		}
		f.clock.Advance(24 * time.Hour)
		if reason := ended(); reason != "" {
			f.t.Errorf("D-2E: ended for %q while its last access token may live", reason)
		}
		f.clock.Advance(2 * time.Hour)
		if reason := ended(); reason != store.EndRefreshExpired {
			f.t.Errorf("D-28: ended for %q, want %q", reason, store.EndRefreshExpired)
		}
		_, _, _, err := f.EndedSession(f.ctx, lasting.ID)
		f.want("a session whose refresh token never expires", err, store.ErrNotFound)
		if got, want := f.left("device_id", "devices"), []string{"expiring", "lasting"}; !slices.Equal(got, want) {
			f.t.Errorf("devices %v, want %v", got, want)
		}
	})
}

func sorted(values []string) []string {
	slices.Sort(values)
	return values
}

func TestSweepOfClients(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		names := map[string]string{}
		add := func(name string) *store.Client {
			c := f.client(name)
			names[c.ID] = name
			return c
		}
		add("unused")
		f.start(alice, "D1", add("of a live session").ID)
		ended := f.start(alice, "D2", add("of an ended session").ID)
		f.must(f.EndSession(f.ctx, ended.ID, logout))
		f.code("code", add("of a code"), "alice")
		f.must(f.Consent(f.ctx, "alice", add("of a consent").ID, []string{"openid"}))
		f.must(f.Push(f.ctx, "uri", add("of a pushed request").ID, nil, f.clock.Now().Add(48*time.Hour)))
		_, err := f.Begin(f.ctx, "browser", store.AuthorizationRequest{Kind: store.RequestOAuth, ClientID: add("of a request").ID, ExpiresAt: f.clock.Now().Add(48 * time.Hour)})
		f.must(err)
		add("registered again")
		f.clock.Advance(time.Hour)
		add("registered for just less than a day")
		f.clock.Advance(23*time.Hour + time.Millisecond)
		add("registered again")

		f.t.Run("B-42: one that is needed stays", func(t *testing.T) {
			f.sweep()
			var got []string
			for _, id := range f.left("id", "clients") {
				got = append(got, names[id])
			}
			want := []string{"of a code", "of a consent", "of a live session", "of a pushed request", "of a request", "of an ended session", "registered again", "registered for just less than a day"}
			if got = sorted(got); !slices.Equal(got, want) {
				t.Errorf("left %q, want %q", got, want)
			}
		})
		f.t.Run("and goes when it is needed no more", func(t *testing.T) {
			f.clock.Advance(30 * 24 * time.Hour)
			f.sweep()
			if got := f.left("id", "clients"); len(got) != 2 {
				t.Errorf("left %q", got)
			}
			f.clock.Advance(365 * 24 * time.Hour)
			f.sweep()
			if got := f.left("id", "clients"); len(got) != 1 || names[got[0]] != "of a live session" {
				t.Errorf("left %q", got)
			}
		})
	})
}

func TestSweepInBatches(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		expired := f.clock.Now()
		f.must(f.InTx(f.ctx, func(ctx context.Context) error {
			for i := range 2*store.SweepBatch + 100 {
				if err := f.AddLoginToken(ctx, fmt.Sprint(i), alice, expired); err != nil {
					return err
				}
			}
			return nil
		}))
		f.clock.Advance(time.Second)
		f.must(f.AddLoginToken(f.ctx, "alive", alice, f.clock.Now().Add(time.Hour)))
		var removed int64
		cost := f.spent(func() { removed = f.sweep() })
		if removed != 2*store.SweepBatch+100 || f.number("SELECT count(*) FROM login_tokens") != 1 {
			f.t.Errorf("removed %d, left %d", removed, f.number("SELECT count(*) FROM login_tokens"))
		}
		// A look for sessions to end, one statement for each of the twenty-three steps
		// and two more for this table, each a transaction of its own: nobody waits
		// long for the writer.
		if want := (store.Counts{Statements: 26}); cost != want {
			f.t.Errorf("it cost %+v, want %+v", cost, want)
		}
	})
}

func TestServersSweepAtOnce(t *testing.T) {
	each(t, func(f *fixture) {
		servers := []*store.Store{f.Store, f.again(), f.again()}
		alice := f.login("alice")
		f.must(f.InTx(f.ctx, func(ctx context.Context) error {
			for range 3 * store.SweepBatch {
				if err := f.AddLoginToken(ctx, secret.Token(), alice, f.clock.Now()); err != nil {
					return err
				}
			}
			return nil
		}))
		f.clock.Advance(time.Second)
		removed := make([]int64, len(servers))
		wantAll(f.t, together(len(servers), func(i int) (err error) {
			removed[i], err = servers[i].Sweep(f.ctx)
			return err
		}))
		if sum := removed[0] + removed[1] + removed[2]; sum != 3*store.SweepBatch {
			f.t.Errorf("removed %d, want %d", sum, 3*store.SweepBatch)
		}
	})
}

func TestSweepAndRegisterAtOnce(t *testing.T) {
	each(t, func(f *fixture) {
		c := f.client("App")
		f.clock.Advance(25 * time.Hour)
		swept := make(chan error, 1)
		f.must(f.InTx(f.ctx, func(ctx context.Context) error {
			metadata := string(c.Metadata)
			again, err := f.Register(ctx, store.NewClient{ID: "new", Metadata: c.Metadata, MetadataHash: secret.Hash(metadata)})
			if err != nil || again.ID != c.ID {
				return fmt.Errorf("registered %v: %w", again, err)
			}
			return f.untilWaiting(ctx, func() { _, err := f.Sweep(f.ctx); swept <- err })
		}))
		f.must(<-swept)
		if _, err := f.Client(f.ctx, c.ID); err != nil {
			f.t.Errorf("the client that had just registered again: %v", err)
		}
	})
}
