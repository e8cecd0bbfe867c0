package handlers_test

import (
	"net/url"
	"slices"
	"sync"
	"testing"

	"keymaker/internal/harness"
	"keymaker/internal/jobs"
	"keymaker/internal/server"
	"keymaker/store"
	"keymaker/store/storetest"
)

func TestBackchannelLogoutAcrossACrash(t *testing.T) {
	t.Run("E-33: what a server left undone is told by the next one", func(t *testing.T) {
		storetest.Each(t, func(t *testing.T, d storetest.Database) {
			e := harness.Start(t, func(o *harness.Options) { o.DatabaseURL, o.SecretFile = d.URL(t), storetest.SecretFile(t) })
			rp := receive(t, nil)
			id := rp.client(e, nil)
			committed, taken := e.LogInWith(e.NewRequest(id, "openid"), "alice"), e.LogInWith(e.NewRequest(id, "openid"), "bob")
			expectRevoked(t, e.Form(revokePath, url.Values{"token": {taken.Access}}))
			// One job was taken when the process ended, the other one was not even that.
			if _, err := e.Server.Store().TakeJob(t.Context(), []string{store.JobLogout}, jobs.Lease); err != nil {
				t.Fatal(err)
			}
			expectRevoked(t, e.Form(revokePath, url.Values{"token": {committed.Access}}))
			e.Restart()
			want := []string{sid(t, taken.IDToken), sid(t, committed.IDToken)}
			if d.Name == "postgres" { // where another server may still be at the one that was taken
				runJobs(e, 1)
				e.Clock.Advance(jobs.Lease)
				runJobs(e, 1)
				slices.Reverse(want)
			} else {
				runJobs(e, 2)
			}
			var sids []string
			for _, token := range rp.tokens() {
				s, _ := claimsOf(t, token)["sid"].(string)
				sids = append(sids, s)
			}
			if !slices.Equal(sids, want) {
				t.Errorf("told %v, want %v", sids, want)
			}
		})
	})
}

func TestBackchannelLogoutByTwoServers(t *testing.T) {
	for _, d := range storetest.Databases() {
		if d.Name != "postgres" {
			continue // a SQLite file has one server
		}
		t.Run(d.Name, func(t *testing.T) {
			t.Run("two servers on one database tell each client once (E-33)", func(t *testing.T) { tellByTwoServers(t, d) })
		})
	}
}

func tellByTwoServers(t *testing.T, d storetest.Database) {
	e := harness.Start(t, func(o *harness.Options) {
		o.Global = "oidc_rc_per_second = 0"
		o.DatabaseURL, o.SecretFile = d.URL(t), storetest.SecretFile(t)
	})
	other, err := e.Reopen()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	rp := receive(t, nil)
	id := rp.client(e, nil)
	want := map[string]bool{}
	for _, user := range []string{"alice", "bob", "alice", "bob", "alice", "bob"} {
		tokens := e.LogInWith(e.NewRequest(id, "openid"), user)
		expectRevoked(t, e.Form(revokePath, url.Values{"token": {tokens.Access}}))
		want[sid(t, tokens.IDToken)] = true
	}
	total := make([]int, 2)
	var both sync.WaitGroup
	for i, s := range []*server.Server{e.Server, other} {
		both.Go(func() {
			var err error
			if total[i], err = s.RunJobs(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	rest, err := e.Server.RunJobs(t.Context()) // the last of a lane may be free only afterwards
	if err != nil {
		t.Fatal(err)
	}
	got := rp.tokens()
	if total[0]+total[1]+rest != len(want) || len(got) != len(want) {
		t.Errorf("%v jobs and %d, told %d times, want %d", total, rest, len(got), len(want))
	}
	for _, token := range got {
		s, _ := claimsOf(t, token)["sid"].(string)
		delete(want, s)
	}
	if len(want) != 0 {
		t.Errorf("not told: %v", want)
	}
}
