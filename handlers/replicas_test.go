package handlers_test

import (
	"net/http"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/store/storetest"
)

// onTwoServers runs a test with two servers on one PostgreSQL: one SQLite file
// has one server.
func onTwoServers(t *testing.T, test func(t *testing.T, first, second *harness.Env)) {
	t.Helper()
	for _, d := range storetest.Databases() {
		if d.Name != "postgres" {
			continue
		}
		first := harness.Start(t, func(o *harness.Options) {
			o.Global = "oidc_rc_per_second = 0"
			o.DatabaseURL, o.SecretFile = d.URL(t), storetest.SecretFile(t)
		})
		test(t, first, first.Replica())
	}
}

// atBoth sends the same request to two servers, many times and all at once.
func atBoth(first, second *harness.Env, p post) []harness.Answer {
	first.T.Helper()
	all := make([]post, 0, crowd)
	for range crowd / 2 {
		all = append(all, post{path: first.URL + p.path, values: p.values}, post{path: second.URL + p.path, values: p.values})
	}
	return atOnce(first, all...)
}

func TestSessionsOnTwoServers(t *testing.T) {
	onTwoServers(t, func(t *testing.T, first, second *harness.Env) {
		t.Run("what one server issued works at the other at once (D-11, D-20)", func(t *testing.T) {
			tokens := first.For(t).LogIn("alice", "BOTHSERVERS")
			expectAlive(t, second.For(t), tokens.Access)
			next := second.For(t).MustRefresh(tokens.ClientID, tokens.Refresh)
			expectAlive(t, first.For(t), next.Access)
			expectAlive(t, second.For(t), first.For(t).MustRefresh(tokens.ClientID, next.Refresh).Access)
		})
		t.Run("a lost answer of one server is given again by the other, a day later too (D-23, D-24)", func(t *testing.T) {
			for _, wait := range []time.Duration{0, 24 * time.Hour} {
				r := rotate(first.For(t), "LOSTANSWER")
				first.Clock.Advance(wait)
				again := r.repeat(second.For(t))
				harness.ExpectJSON(t, again, http.StatusOK)
				if again.Text("refresh_token") != r.second.Refresh {
					t.Error("the refresh token is another one")
				}
				expectAlive(t, first.For(t), again.Text("access_token"))
			}
		})
		t.Run("a use that one server has seen voids the old token at the other, once it is written (D-23b, D-25)", func(t *testing.T) {
			r := rotate(first.For(t), "USEDTHERE")
			expectAlive(t, second.For(t), r.second.Access)
			if err := second.Server.Store().FlushUsage(t.Context()); err != nil {
				t.Fatal(err)
			}
			first.Clock.Advance(time.Second)
			expectInvalidGrant(t, r.repeat(first.For(t)))
			expectDead(t, second.For(t), r.second.Access)
		})
		t.Run("until it is written the other gives the answer again, and no pair is lost (D-23b)", func(t *testing.T) {
			r := rotate(first.For(t), "USEDUNWRITTEN")
			expectAlive(t, second.For(t), r.second.Access)
			first.Clock.Advance(time.Second)
			again := r.repeat(first.For(t))
			harness.ExpectJSON(t, again, http.StatusOK)
			if err := second.Server.Store().FlushUsage(t.Context()); err != nil {
				t.Fatal(err)
			}
			expectAlive(t, second.For(t), r.second.Access)
			expectAlive(t, first.For(t), again.Text("access_token"))
			expectAlive(t, first.For(t), second.For(t).MustRefresh(r.first.ClientID, again.Text("refresh_token")).Access)
		})
		t.Run("a revocation at one server counts at the other at once (E-04)", func(t *testing.T) {
			tokens := first.For(t).LogIn("alice", "REVOKED")
			harness.ExpectJSON(t, second.For(t).Form(revokePath, map[string][]string{"token": {tokens.Access}, "client_id": {tokens.ClientID}}), http.StatusOK)
			expectDead(t, first.For(t), tokens.Access)
			expectInvalidGrant(t, first.For(t).Refresh(tokens.ClientID, tokens.Refresh))
		})
	})
}

func TestRacesBetweenTwoServers(t *testing.T) {
	onTwoServers(t, func(t *testing.T, first, second *harness.Env) {
		t.Run("of the exchanges of one code at both servers one succeeds, and its tokens work (D-19, L-27)", func(t *testing.T) {
			e := first.For(t)
			id, _ := e.Register(harness.WebClient)
			winners := good(t, atBoth(e, second.For(t), post{path: tokenPath, values: approved(e, id, harness.ScopeStable+"CODERACE").values()}))
			if len(winners) != 1 {
				t.Fatalf("%d exchanges succeeded", len(winners))
			}
			expectAlive(t, second.For(t), winners[0].Text("access_token"))
			expectAlive(t, e, e.MustRefresh(id, winners[0].Text("refresh_token")).Access)
		})
		t.Run("two processes of one client that refresh at both servers at once both go on (D-23a)", func(t *testing.T) {
			e := first.For(t)
			tokens := e.LogIn("alice", "REFRESHRACE")
			for range 3 {
				answers := atBoth(e, second.For(t), post{path: tokenPath, values: refreshForm(tokens.ClientID, tokens.Refresh)})
				next := answers[0].Text("refresh_token")
				for _, a := range answers {
					harness.ExpectJSON(t, a, http.StatusOK)
					if a.Text("refresh_token") != next {
						t.Fatal("they got different refresh tokens: one of them would be refused")
					}
				}
				for _, a := range answers {
					expectAlive(t, second.For(t), a.Text("access_token"))
				}
				tokens.Refresh = next
			}
		})
	})
}
