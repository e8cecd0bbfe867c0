package store_test

import (
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

func TestAccessToken(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		g := f.start(alice, "D1", "c1")
		issued := f.clock.Now()
		states := []struct {
			name string
			make func()
			want func(*store.Session) bool
		}{
			{"alive", func() {}, func(s *store.Session) bool { return !s.Ended && s.Account == store.Account{} }},
			{"of a locked user", func() { f.exec("UPDATE users SET locked_at = 1") }, func(s *store.Session) bool { return s.Account.Locked }},
			{"of a suspended user", func() { f.exec("UPDATE users SET suspended_at = 1") }, func(s *store.Session) bool { return s.Account.Suspended }},
			{"of a deactivated user", func() { f.exec("UPDATE users SET deactivated_at = 1") }, func(s *store.Session) bool { return s.Account.Deactivated }},
			{"expired", func() { f.clock.Advance(time.Hour) }, func(s *store.Session) bool { return s.ExpiresAt.Before(f.clock.Now()) && !s.Ended }},
			{"of an older generation", func() { f.rotate(g.Refresh) }, func(s *store.Session) bool { return !s.Ended }},
			{"of an ended session", func() { f.must(f.EndSession(f.ctx, g.ID, logout)) }, func(s *store.Session) bool { return s.Ended }},
		}
		for _, tt := range states {
			f.t.Run(tt.name, func(t *testing.T) {
				tt.make()
				s, err := f.AccessToken(f.ctx, g.Access)
				f.must(err)
				if s.ID != g.ID || s.UserID != "@alice:example.org" || s.DeviceID != "D1" || s.ClientID != "c1" || s.Kind != store.OAuth || s.Scope != "openid" || s.Login != alice {
					t.Errorf("session %+v", s)
				}
				if !s.IssuedAt.Equal(issued) || !s.ExpiresAt.Equal(issued.Add(5*time.Minute)) {
					t.Errorf("issued %v, expires %v", s.IssuedAt, s.ExpiresAt)
				}
				if !tt.want(s) {
					t.Errorf("state %+v, ended %v", s.Account, s.Ended)
				}
			})
		}
		_, err := f.AccessToken(f.ctx, secret.Bytes(32))
		f.want("an unknown token", err, store.ErrNotFound)
		_, err = f.AccessToken(f.ctx, nil)
		f.want("no token", err, store.ErrNotFound)
	})
}

func TestAddAccessToken(t *testing.T) {
	each(t, func(f *fixture) {
		g := f.start(f.login("alice"), "D1", "c1")
		hash, expires := secret.Bytes(32), f.clock.Now().Add(5*time.Minute)
		token := f.accessToken(g.ID, hash, 1)
		wantAll(f.t, together(20, func(int) error { return f.AddAccessToken(f.ctx, token) }))
		f.clock.Advance(time.Minute)
		f.must(f.AddAccessToken(f.ctx, f.accessToken(g.ID, hash, 1)))
		if s, err := f.AccessToken(f.ctx, hash); err != nil || !s.ExpiresAt.Equal(expires) {
			f.t.Errorf("the repeated token: %+v, error %v, want the first one's end %v", s, err, expires)
		}
		f.want("a token of no session", f.AddAccessToken(f.ctx, f.accessToken("nothing", secret.Bytes(32), 1)), store.ErrUnavailable)
	})
}

func TestStatements(t *testing.T) {
	each(t, func(f *fixture) {
		c := f.client("App")
		g := f.start(f.login("alice"), "D1", c.ID)
		f.code("code", c, "alice")
		refresh := store.Counts{Statements: 2, Transactions: 1}
		if f.postgres {
			refresh = store.Counts{Statements: 1} // which is the transaction
		}
		tests := []struct {
			name string
			do   func() error
			want store.Counts
		}{
			{"an access token", func() error { _, err := f.AccessToken(f.ctx, g.Access); return err }, store.Counts{Statements: 1}},
			{"a refresh token", func() error { return f.LoadRefresh(f.BeginExchange(f.ctx), g.Refresh) }, store.Counts{Statements: 1}},
			{"a code", func() error { return f.LoadCode(f.BeginExchange(f.ctx), secret.Hash("code")) }, store.Counts{Statements: 1}},
			{"an ending of nothing used", func() error { return f.FlushUsage(f.ctx) }, store.Counts{}},
			{"a use", func() error { f.use(g.Access); return nil }, store.Counts{Statements: 1}},
			{"the writing of a use", func() error { return f.FlushUsage(f.ctx) }, store.Counts{Statements: 2, Transactions: 1}},
			{"a refresh", func() error { f.rotate(g.Refresh); return nil }, refresh},
		}
		for _, tt := range tests {
			if got := f.spent(func() { f.must(tt.do()) }); got != tt.want {
				f.t.Errorf("%s costs %+v, want %+v", tt.name, got, tt.want)
			}
		}
	})
}
