package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
	"keymaker/store/storetest"
)

// onEach runs a test with a server on every kind of database.
func onEach(t *testing.T, test func(t *testing.T, e *harness.Env)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		test(t, harness.Start(t, func(o *harness.Options) {
			o.Global = "oidc_rc_per_second = 0"
			o.DatabaseURL, o.SecretFile = d.URL(t), storetest.SecretFile(t)
		}))
	})
}

// post is a request that a test sends among others: a form, or else JSON.
type post struct {
	path   string
	values url.Values
	json   string
}

func (p post) body() (kind, body string) {
	if p.json != "" {
		return "application/json", p.json
	}
	return form, p.values.Encode()
}

func times(n int, p post) []post {
	all := make([]post, n)
	for i := range all {
		all[i] = p
	}
	return all
}

// atOnce sends requests that begin together, and returns their answers in the
// order of the requests.
func atOnce(e *harness.Env, all ...post) []harness.Answer {
	e.T.Helper()
	answers, errs := make([]harness.Answer, len(all)), make([]error, len(all))
	start := make(chan struct{})
	var done sync.WaitGroup
	for i, p := range all {
		done.Go(func() {
			<-start
			kind, body := p.body()
			answers[i], errs[i] = e.Try(http.MethodPost, p.path, map[string]string{"Content-Type": kind}, body)
		})
	}
	close(start)
	done.Wait()
	for _, err := range errs {
		if err != nil {
			e.T.Fatal(err)
		}
	}
	return answers
}

// good are the answers with 200; every other one must be an invalid_grant.
func good(t *testing.T, answers []harness.Answer) []harness.Answer {
	t.Helper()
	var out []harness.Answer
	for _, a := range answers {
		if a.Status == http.StatusOK {
			out = append(out, a)
			continue
		}
		expectInvalidGrant(t, a)
	}
	return out
}

const crowd = 100

func TestExchangesAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		id, _ := e.Register(harness.WebClient)
		g := approved(e, id, "openid "+harness.ScopeStable+"CROWDDEVICE")
		var won harness.Answer
		t.Run("D-19 L-05 L-27: of a hundred exchanges of one code exactly one succeeds, and its tokens work", func(t *testing.T) {
			e := e.For(t)
			winners := good(t, atOnce(e, times(crowd, post{path: tokenPath, values: g.values()})...))
			if len(winners) != 1 {
				t.Fatalf("%d succeeded", len(winners))
			}
			won = winners[0]
			expectAlive(t, e, won.Text("access_token"))
			next := e.MustRefresh(id, won.Text("refresh_token"))
			expectAlive(t, e, next.Access)
			won = e.Refresh(id, next.Refresh)
		})
		t.Run("D-18: an exchange that arrives later ends them", func(t *testing.T) {
			e := e.For(t)
			e.Clock.Advance(time.Second)
			good := good(t, atOnce(e, times(10, post{path: tokenPath, values: g.values()})...))
			if len(good) != 0 {
				t.Errorf("%d replays succeeded", len(good))
			}
			expectDead(t, e, won.Text("access_token"))
			expectInvalidGrant(t, e.Refresh(id, won.Text("refresh_token")))
		})
		t.Run("D-15 D-19: among wrong verifiers at most one exchange succeeds, and then its tokens work", func(t *testing.T) {
			e := e.For(t)
			g := approved(e, id, harness.ScopeStable+"GUESSDEVICE")
			all := append(times(20, post{path: tokenPath, values: with(g.values(), "code_verifier", secret.Token())}), times(20, post{path: tokenPath, values: g.values()})...)
			winners := good(t, atOnce(e, all...))
			if len(winners) > 1 {
				t.Errorf("%d succeeded", len(winners))
			}
			for _, w := range winners {
				expectAlive(t, e, w.Text("access_token"))
			}
		})
	})
}

func TestRefreshesAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		tokens := e.LogIn("alice", "CROWDDEVICE")
		steps := []struct {
			name string
			wait time.Duration
		}{
			{"D-23a L-27: every one of many refreshes at once gets a pair that works", 0},
			{"D-23a: so it does when all their answers were lost, a day later", 24 * time.Hour},
			{"D-23a: so it does when some of their answers were lost", time.Minute},
		}
		present := tokens.Refresh
		for _, step := range steps {
			t.Run(step.name, func(t *testing.T) {
				e := e.For(t)
				e.Clock.Advance(step.wait)
				answers := atOnce(e, times(crowd, post{path: tokenPath, values: refreshForm(tokens.ClientID, tokens.Refresh)})...)
				next := answers[0].Text("refresh_token")
				for _, a := range answers {
					harness.ExpectJSON(t, a, http.StatusOK)
					if a.Text("refresh_token") != next {
						t.Fatal("they got different refresh tokens: one of them would be refused")
					}
				}
				present = next
			})
		}
		t.Run("D-23: the token that all of them got goes on working", func(t *testing.T) {
			e := e.For(t)
			answers := atOnce(e, times(crowd, post{path: tokenPath, values: refreshForm(tokens.ClientID, present)})...)
			for _, a := range answers {
				harness.ExpectJSON(t, a, http.StatusOK)
				expectAlive(t, e, a.Text("access_token"))
			}
			expectAlive(t, e, e.MustRefresh(tokens.ClientID, answers[crowd-1].Text("refresh_token")).Access)
		})
	})
}

func TestRefreshesWhileTheSessionEnds(t *testing.T) {
	const rounds = 15
	ends := []struct {
		name  string
		begin func(e *harness.Env, r rotated) []post
	}{
		{"E-15: a revocation of the access token", func(_ *harness.Env, r rotated) []post {
			return []post{{path: revokePath, values: url.Values{"token": {r.second.Access}}}}
		}},
		{"E-15: a revocation of the refresh token", func(_ *harness.Env, r rotated) []post {
			return []post{{path: revokePath, values: url.Values{"token": {r.second.Refresh}}}}
		}},
		{"D-25: the discovery of a reuse", func(e *harness.Env, r rotated) []post {
			expectStatus(e, e.WhoAmI(r.second.Access), http.StatusOK)
			return []post{{path: tokenPath, values: refreshForm(r.first.ClientID, r.first.Refresh)}}
		}},
	}
	onEach(t, func(t *testing.T, e *harness.Env) {
		for _, end := range ends {
			t.Run(end.name+" leaves no token alive, whatever refreshes are on their way", func(t *testing.T) {
				e := e.For(t)
				for range rounds {
					r := rotate(e, "RACEDEVICE")
					refresh := post{path: tokenPath, values: refreshForm(r.second.ClientID, r.second.Refresh)}
					all := append(times(4, refresh), end.begin(e, r)...)
					answers := atOnce(e, append(all, times(4, refresh)...)...)
					for _, a := range answers {
						if token := a.Text("access_token"); token != "" {
							expectDead(t, e, token)
							expectInvalidGrant(t, e.Refresh(r.first.ClientID, a.Text("refresh_token")))
						} else if a.Status >= 500 {
							t.Errorf("status %d: %s", a.Status, a.Body)
						}
					}
					expectDead(t, e, r.second.Access)
					expectInvalidGrant(t, e.Refresh(r.first.ClientID, r.second.Refresh))
				}
			})
		}
	})
}

// TestPollsWhileTheSessionEnds revokes what a device has just got, while it
// asks for the same answer again and refreshes.
func TestPollsWhileTheSessionEnds(t *testing.T) {
	const rounds = 5
	onEach(t, func(t *testing.T, e *harness.Env) {
		t.Run("E-15 G-28: a revocation leaves no token of a device grant alive, whatever polls and refreshes are on their way", func(t *testing.T) {
			e := e.For(t)
			for range rounds {
				e.Clock.Advance(time.Minute) // the page lets codes be tried again
				d := approvedDevice(e, "alice")
				first := d.poll(e)
				expectStatus(e, first, http.StatusOK)
				poll, refresh := post{path: tokenPath, values: d.values()}, post{path: tokenPath, values: refreshForm(d.clientID, first.Text("refresh_token"))}
				all := append(times(4, poll), post{path: revokePath, values: url.Values{"token": {first.Text("refresh_token")}}})
				answers := atOnce(e, append(append(all, times(2, refresh)...), times(4, poll)...)...)
				for _, a := range append(answers, first) {
					if token := a.Text("access_token"); token != "" {
						expectDead(t, e, token)
						expectInvalidGrant(t, e.Refresh(d.clientID, a.Text("refresh_token")))
					} else if a.Status >= 500 {
						t.Errorf("status %d: %s", a.Status, a.Body)
					}
				}
				expectInvalidGrant(t, d.poll(e))
			}
		})
	})
}

func TestLoginsOnOneDeviceAtOnce(t *testing.T) {
	const logins = 8
	onEach(t, func(t *testing.T, e *harness.Env) {
		id, _ := e.Register(harness.WebClient)
		var all []post
		for range logins {
			all = append(all, post{path: tokenPath, values: approved(e, id, harness.ScopeStable+"SHAREDDEVICE").values()})
		}
		t.Run("C-63: of many logins on one device at once the last lives", func(t *testing.T) {
			e := e.For(t)
			alive := 0
			for _, a := range atOnce(e, all...) {
				harness.ExpectJSON(t, a, http.StatusOK)
				if e.WhoAmI(a.Text("access_token")).Status != http.StatusOK {
					expectInvalidGrant(t, e.Refresh(id, a.Text("refresh_token")))
					continue
				}
				alive++
				e.MustRefresh(id, a.Text("refresh_token"))
			}
			if alive != 1 {
				t.Errorf("%d sessions of the device are alive", alive)
			}
		})
	})
}

func TestLegacyLoginsAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		token := e.LoginToken(e.NewBrowser(), "alice")
		body := fmt.Sprintf(`{"type":"m.login.token","token":%q}`, token)
		t.Run("I-08 L-27: of a hundred logins with one login token exactly one succeeds", func(t *testing.T) {
			e := e.For(t)
			good := 0
			for _, a := range atOnce(e, times(crowd, post{path: loginPath, json: body})...) {
				if a.Status == http.StatusOK {
					good++
					expectAlive(t, e, a.Text("access_token"))
					continue
				}
				harness.ExpectMatrixError(t, a, http.StatusForbidden, "M_FORBIDDEN")
			}
			if good != 1 {
				t.Errorf("%d succeeded", good)
			}
		})
		tokens := e.LogInLegacy("alice", "CROWDLEGACY")
		t.Run("I-0D L-27: every one of a hundred legacy refreshes at once gets a pair that works", func(t *testing.T) {
			e := e.For(t)
			answers := atOnce(e, times(crowd, post{path: legacyRefreshPath, json: `{"refresh_token":"` + tokens.Refresh + `"}`})...)
			for _, a := range answers {
				harness.ExpectJSON(t, a, http.StatusOK)
				if a.Text("refresh_token") != answers[0].Text("refresh_token") {
					t.Fatal("they got different refresh tokens: one of them would be refused")
				}
				expectAlive(t, e, a.Text("access_token"))
			}
			expectAlive(t, e, refreshLegacy(e, answers[0].Text("refresh_token")).Text("access_token"))
		})
	})
}

func TestApprovalsAtOnce(t *testing.T) {
	const clicks = 20
	onEach(t, func(t *testing.T, e *harness.Env) {
		id, _ := e.Register(harness.WebClient)
		r := e.NewRequest(id, harness.ScopeStable+"CLICKDEVICE")
		b := e.NewBrowser()
		at := b.Consent(r, "alice")
		action, values := b.Fields(at)
		values.Set("decision", "approve")
		target, err := at.Request.URL.Parse(action)
		if err != nil {
			t.Fatal(err)
		}
		codes := make([]string, clicks)
		statuses := make([]int, clicks)
		var done sync.WaitGroup
		for i := range clicks {
			done.Go(func() {
				response, err := b.PostForm(target.String(), values)
				if err != nil {
					t.Error(err)
					return
				}
				_ = response.Body.Close()
				statuses[i] = response.StatusCode
				if to, err := response.Location(); err == nil {
					codes[i] = to.Query().Get("code")
				}
			})
		}
		done.Wait()
		t.Run("C-69 L-27: of many approvals of one request exactly one gives a code, and it works", func(t *testing.T) {
			e := e.For(t)
			given := 0
			for i, code := range codes {
				if code == "" {
					if statuses[i] != http.StatusConflict {
						t.Errorf("status %d", statuses[i])
					}
					continue
				}
				given++
				harness.ExpectJSON(t, e.Exchange(r, code), http.StatusOK)
			}
			if given != 1 {
				t.Errorf("%d codes were given", given)
			}
		})
	})
}
