package command_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/store"
	"keymaker/store/storetest"
)

// killsVariable is how often TestWhatWasAnsweredSurvivesKills kills the server on
// each database: .ci/run and .ci/long set it.
const killsVariable = "KEYMAKER_TEST_KILLS"

// witnesses are clients that remember every answer, of a server that fails now and
// then. The epoch is odd while it may fail.
type witnesses struct {
	*harness.Env
	t     *testing.T
	ctx   context.Context
	epoch *atomic.Int64
	group sync.WaitGroup
	// held is taken by who does something at which nothing may be on its way.
	held sync.RWMutex
	// pause is between two things that a client does.
	pause time.Duration
	// moved: the clock was moved, and access tokens have expired.
	moved bool
	// unsure: what is answered with 503 may have been done, as by a database that
	// goes away at a commit.
	unsure bool
	// What was seen: answers, requests without one, and answers 503.
	answers, lost, unavailable, codes, logouts atomic.Int64
}

// ask sends a form until it is answered with something else than 503. It returns
// whether an attempt before that may have been done, and false for ok when the test
// ends.
func (w *witnesses) ask(path string, header map[string]string, form url.Values) (a harness.Answer, perhaps, ok bool) {
	if header == nil {
		header = formHeader
	}
	for {
		method, body := http.MethodPost, form.Encode()
		if form == nil {
			method, body = http.MethodGet, ""
		}
		a, err := w.Try(method, path, header, body)
		switch {
		case err != nil || a.Status == http.StatusBadGateway:
			w.lost.Add(1)
			perhaps = true
		case a.Status == http.StatusServiceUnavailable:
			w.unavailable.Add(1)
			perhaps = perhaps || w.unsure
		default:
			w.answers.Add(1)
			return a, perhaps, true
		}
		select {
		case <-w.t.Context().Done():
			return a, perhaps, false
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// works expects an acknowledged access token to be good.
func (w *witnesses) works(access string) bool {
	a, _, ok := w.ask("/_matrix/client/v3/account/whoami", map[string]string{"Authorization": "Bearer " + access}, nil)
	if ok && a.Status != http.StatusOK {
		w.t.Errorf("an acknowledged access token is refused: status %d: %s", a.Status, a.Body)
		return false
	}
	return ok
}

// again does something for as long as ctx and as it goes well, with the pause in
// between, and not while somebody holds everything.
func (w *witnesses) again(do func() bool) {
	for w.ctx.Err() == nil {
		w.held.RLock()
		ok := do()
		w.held.RUnlock()
		if !ok {
			return
		}
		select {
		case <-w.ctx.Done():
		case <-time.After(w.pause):
		}
	}
}

// refreshes goes on with a session, and is never refused.
func (w *witnesses) refreshes(tokens harness.Tokens) {
	w.again(func() bool {
		a, _, ok := w.ask(tokenPath, nil, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}, "client_id": {tokens.ClientID}})
		if ok && a.Status != http.StatusOK {
			w.t.Errorf("an acknowledged refresh token is refused: status %d: %s", a.Status, a.Body)
		}
		if !ok || a.Status != http.StatusOK {
			return false
		}
		tokens.Access, tokens.Refresh = a.Text("access_token"), a.Text("refresh_token")
		return w.works(tokens.Access)
	})
	if !w.moved {
		w.works(tokens.Access) // once more, after the last failure
	}
}

// logsIn registers clients and exchanges codes: one that was acknowledged is never
// exchanged again, and one whose exchange was cut off at most once. Each one is of a
// device of its own: a second login on one ends the first.
func (w *witnesses) logsIn(device string) {
	n := 0
	w.again(func() bool {
		n++
		epoch, unavailable := w.epoch.Load(), w.unavailable.Load()
		var code string
		var request harness.Request
		failure := try(w.t, w.Env, func(e *harness.Env) error {
			id, _ := e.Register(strings.Replace(harness.WebClient, "{", fmt.Sprintf(`{"software_version":"%s.%d",`, device, n/5), 1))
			request = e.NewRequest(id, fmt.Sprintf("openid %s%s%d", harness.ScopeStable, device, n))
			code = e.NewBrowser().Approve(request, "bob").Get("code")
			return nil
		})
		switch {
		case failure == "":
			return w.exchanges(request, code)
		case epoch%2 == 1 || w.epoch.Load() > epoch || w.unavailable.Load() > unavailable || strings.Contains(failure, "status 503"):
			return true
		default:
			w.t.Errorf("a login: %s", failure)
			return false
		}
	})
}

// exchanges exchanges a code twice, and logs out.
func (w *witnesses) exchanges(request harness.Request, code string) bool {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {harness.WebRedirect}, "client_id": {request.ClientID}, "code_verifier": {request.Verifier}}
	a, perhaps, ok := w.ask(tokenPath, nil, form)
	if !ok || perhaps && a.Status == http.StatusBadRequest {
		return ok // it was done, and its answer lost
	}
	if a.Status != http.StatusOK {
		w.t.Errorf("a code is refused: status %d: %s", a.Status, a.Body)
		return false
	}
	w.codes.Add(1)
	access := a.Text("access_token")
	if !w.works(access) || !w.logsOut(access) {
		return false
	}
	if a, _, ok = w.ask(tokenPath, nil, form); ok && a.Status != http.StatusBadRequest {
		w.t.Errorf("a code works twice: status %d", a.Status)
		return false
	}
	return ok
}

// logsOut expects an acknowledged logout to hold.
func (w *witnesses) logsOut(access string) bool {
	bearer := map[string]string{"Authorization": "Bearer " + access, "Content-Type": "application/json"}
	a, perhaps, ok := w.ask("/_matrix/client/v3/logout", bearer, url.Values{})
	if !ok {
		return false
	}
	if a.Status != http.StatusOK && (!perhaps || a.Status != http.StatusUnauthorized) {
		w.t.Errorf("a logout: status %d: %s", a.Status, a.Body)
		return false
	}
	w.logouts.Add(1)
	a, _, ok = w.ask("/_matrix/client/v3/account/whoami", bearer, nil)
	if ok && a.Status != http.StatusUnauthorized {
		w.t.Errorf("an acknowledged logout is undone: status %d: %s", a.Status, a.Body)
		return false
	}
	return ok
}

// watch starts the witnesses of a server that is up. wait stops them when the
// server is up again, and says what they saw.
func watch(t *testing.T, e *harness.Env, change ...func(*witnesses)) (w *witnesses, wait func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w = &witnesses{Env: e, t: t, ctx: ctx, epoch: &atomic.Int64{}}
	for _, c := range change {
		c(w)
	}
	for i := range 4 {
		tokens := e.LogIn("alice", fmt.Sprintf("WITNESS%d", i))
		w.group.Go(func() { w.refreshes(tokens) })
	}
	quiet := e.LogIn("alice", "QUIET")
	for _, device := range []string{"CODEX", "CODEY"} {
		w.group.Go(func() { w.logsIn(device) })
	}
	return w, func() {
		t.Helper()
		stop()
		w.group.Wait()
		next := e.MustRefresh(quiet.ClientID, quiet.Refresh)
		if !w.works(next.Access) {
			t.Error("the session that did nothing is lost")
		}
		t.Logf("%d answers, %d requests without one, %d answers 503, %d codes exchanged, %d logouts", w.answers.Load(), w.lost.Load(), w.unavailable.Load(), w.codes.Load(), w.logouts.Load())
		if w.answers.Load() < 20 || w.codes.Load() == 0 {
			t.Error("there was hardly any load")
		}
	}
}

// onPostgres moves a process to a PostgreSQL.
func (p *process) onPostgres(address string) {
	p.T.Helper()
	p.kill()
	p.moveTo(address)
	text, err := os.ReadFile(p.config)
	if err != nil {
		p.T.Fatal(err)
	}
	if err := os.WriteFile(p.config, []byte(strings.Replace(string(text), "[global]\n", "[global]\nsecret_file = \""+storetest.SecretFile(p.T)+"\"\n", 1)), 0o600); err != nil {
		p.T.Fatal(err)
	}
	p.start()
}

// kills is how often something happens to the server in each test: a hundredth of
// it, and so on, of what takes longer.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv(killsVariable)
	if text == "" {
		return 10
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// on is a server on either kind of database.
func (p *process) on(t *testing.T, d storetest.Database) {
	t.Helper()
	if d.Name == "postgres" {
		p.onPostgres(emptyPostgres(t))
	}
}

func TestWhatWasAnsweredSurvivesKills(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		t.Parallel()
		p := startProcess(t, unlimited)
		p.on(t, d)
		w, wait := watch(t, p.Env)
		n := kills(t)
		for range n {
			time.Sleep(time.Duration(30+rand.IntN(400)) * time.Millisecond)
			w.epoch.Add(1)
			p.kill()
			if d.Name == "sqlite" {
				p.examine()
			}
			p.start()
			w.epoch.Add(1)
		}
		time.Sleep(300 * time.Millisecond)
		wait()
		t.Logf("killed %d times", n)
		if w.lost.Load() == 0 {
			t.Error("no answer was lost")
		}
	})
}

// examine reads all of the SQLite file of a server that was killed: of a copy, as
// the next server finds the file.
func (p *process) examine() {
	p.T.Helper()
	folder := p.T.TempDir()
	defer func() { _ = os.RemoveAll(folder) }()
	for _, ending := range []string{"", "-wal"} {
		content, err := os.ReadFile(p.file() + ending)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, "k.db"+ending), content, 0o600)
		}
		if err != nil {
			p.T.Fatal(err)
		}
	}
	db, err := sql.Open(store.SQLiteDriver, filepath.Join(folder, "k.db"))
	if err != nil {
		p.T.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var found string
	if err := db.QueryRowContext(p.T.Context(), "PRAGMA integrity_check").Scan(&found); err != nil || found != "ok" {
		p.T.Errorf("the database is damaged: %s, %v", found, err)
	}
	var orphan sql.NullString
	if err := db.QueryRowContext(p.T.Context(), "SELECT \"table\" FROM pragma_foreign_key_check").Scan(&orphan); !errors.Is(err, sql.ErrNoRows) {
		p.T.Errorf("a row of %s has lost its owner, %v", orphan.String, err)
	}
}

// database is the URL of the server's database.
func (p *process) database() string {
	p.T.Helper()
	text, err := os.ReadFile(p.config)
	if err != nil {
		p.T.Fatal(err)
	}
	return setting(string(text), "url")
}

// file is the SQLite file of the server.
func (p *process) file() string { return strings.TrimPrefix(p.database(), "sqlite:") }
