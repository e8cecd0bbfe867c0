package store_test

import (
	"testing"
	"time"
)

func TestConsents(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		f.login("bob")
		check := func(when, localpart, client string, want bool, scope ...string) {
			f.t.Helper()
			if got, err := f.Consented(f.ctx, localpart, client, scope); err != nil || got != want {
				f.t.Errorf("%s: %s with %s for %v: %v, error %v, want %v", when, localpart, client, scope, got, err, want)
			}
		}
		check("before any", "alice", "c1", false, "openid")
		f.must(f.Consent(f.ctx, "alice", "c1", []string{"profile", "openid"}))
		check("the same", "alice", "c1", true, "openid", "profile")
		check("fewer", "alice", "c1", true, "openid")
		check("more", "alice", "c1", false, "openid", "profile", "email")
		check("another client", "alice", "c2", false, "openid")
		check("another user", "bob", "c1", false, "openid")
		f.clock.Advance(time.Hour)
		f.must(f.Consent(f.ctx, "alice", "c1", []string{"openid", "email"}))
		check("both approvals together", "alice", "c1", true, "openid", "profile", "email")
		f.clock.Advance(365*24*time.Hour - time.Hour)
		check("a year after the first", "alice", "c1", false, "openid", "profile")
		check("less than a year after the second", "alice", "c1", true, "openid", "email")
	})
}

func TestConsentsAtOnce(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		orders := [][]string{{"openid", "profile", "email"}, {"email", "profile", "openid"}}
		for _, err := range together(20, func(i int) error { return f.Consent(f.ctx, "alice", "c1", orders[i%2]) }) {
			f.must(err)
		}
		if n := f.number("SELECT count(*) FROM consents"); n != 3 {
			f.t.Errorf("%d rows, want one for each token", n)
		}
	})
}
