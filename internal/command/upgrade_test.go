package command_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"keymaker/internal/demo/journey"
	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
	"keymaker/internal/porttest"
	"keymaker/store/storetest"
)

// before builds the program of the commit before the one that brought the newest
// migration, and returns its path. Without the history of the repository there is
// no such program, and the test fails: nothing else shows that the versions run
// together.
func before(t *testing.T) string {
	t.Helper()
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-c", "safe.directory=*", "-C", "../.."}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("the program of the version before cannot be built without the history of the repository (git %s): %v: %s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if git("rev-parse", "--is-shallow-repository") != "false" {
		t.Fatal("the program of the version before cannot be built from a shallow clone: clone with all of the history (git fetch --unshallow)")
	}
	migrations, err := filepath.Glob("../../store/migrations/*.sql")
	if err != nil || len(migrations) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	newest := slices.Max(migrations)
	commit := "HEAD" // it is not committed yet
	if brought := git("log", "--diff-filter=A", "--format=%H", "-1", "--", ":/"+strings.TrimPrefix(newest, "../../")); brought != "" {
		commit = brought + "^"
	}
	folder := t.TempDir()
	git("archive", "--output="+filepath.Join(folder, "source.tar"), commit)
	for _, run := range [][]string{{"tar", "-xf", "source.tar"}, {"go", "build", "-buildvcs=false", "-o", "keymaker-before", "."}} {
		cmd := exec.CommandContext(t.Context(), run[0], run[1:]...)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the program of the version before: %v: %s", err, out)
		}
	}
	t.Logf("the version before is %s, without %s", git("rev-parse", "--short", commit), filepath.Base(newest))
	return filepath.Join(folder, "keymaker-before")
}

// pair is a server of the version before and one of this, on one PostgreSQL. What
// clients see is a proxy that asks those of them in turn that are in use.
type pair struct {
	*harness.Env
	older, newer *process
	use          atomic.Pointer[[]*process]
	turn         atomic.Int64
}

func startPair(t *testing.T, program string) *pair {
	p := &pair{}
	front := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		use := *p.use.Load()
		target, _ := url.Parse(use[int(p.turn.Add(1))%len(use)].URL)
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}})
	t.Cleanup(front.Close)
	p.Env = &harness.Env{T: t, URL: front.URL, Issuer: front.URL}
	p.IDP = demoidptest.Start(t, func(o *demoidptest.Options) {
		o.RedirectURIs = []string{front.URL + "/_matrix/client/unstable/login/sso/callback/" + o.ClientID}
	})
	database, secretFile := emptyPostgres(t), storetest.SecretFile(t)
	member := func(program []string) *process {
		port := porttest.Free(t)
		m := &process{Env: &harness.Env{T: t, URL: fmt.Sprintf("http://127.0.0.1:%d", port), Issuer: front.URL}, config: filepath.Join(t.TempDir(), "keymaker.toml"), program: program}
		write(t, m.config, fmt.Sprintf("[global]\nserver_name = \"example.org\"\nport = %d\nsecret_file = %q\noidc_rc_per_second = 0\n"+
			"[global.well_known]\nclient = %q\n[global.database]\nurl = %q\n[global.homeserver]\nsecret = %q\n"+
			"[[global.identity_provider]]\nbrand = \"Demo\"\nclient_id = %q\nclient_secret = %q\nissuer_url = %q\n",
			port, secretFile, front.URL, database, harness.HomeserverSecret, p.IDP.ClientID, p.IDP.ClientSecret, p.IDP.Issuer))
		return m
	}
	p.older, p.newer = member([]string{program, "serve", "--config"}), member(nil)
	p.run(p.older)
	return p
}

// run starts a server.
func (p *pair) run(m *process) {
	m.start()
	p.T.Cleanup(m.kill)
}

// through says which servers answer from now on.
func (p *pair) through(servers ...*process) *pair {
	p.use.Store(&servers)
	return p
}

// flows walks every way through the servers that are in use.
func (p *pair) flows(t *testing.T, name string) {
	t.Run(name, func(t *testing.T) {
		e := *p.Env
		e.T = t
		if err := journey.Run(t.Context(), journey.Options{Issuer: e.Issuer, HomeserverSecret: harness.HomeserverSecret, Username: "bob", Out: io.Discard}); err != nil {
			t.Errorf("the whole journey of the demonstration: %v", err)
		}
		tokens := p.refreshed(t, e.LogIn("alice", "UPGRADED"), 5)
		if out := e.As(tokens.Access, http.MethodPost, "/_matrix/client/v3/logout", "{}"); out.Status != http.StatusOK {
			t.Errorf("logout: status %d: %s", out.Status, out.Body)
		}
		if me := e.WhoAmI(tokens.Access); me.Status != http.StatusUnauthorized {
			t.Errorf("after the logout: status %d: %s", me.Status, me.Body)
		}
		if me := e.WhoAmI(e.LogInLegacy("alice", "LEGACY").Access); me.Status != http.StatusOK {
			t.Errorf("a legacy login: status %d: %s", me.Status, me.Body)
		}
	})
}

// refreshed refreshes a session as often as said, and asks about each token.
func (p *pair) refreshed(t *testing.T, tokens harness.Tokens, times int) harness.Tokens {
	t.Helper()
	e := *p.Env
	e.T = t
	for range times {
		next := e.MustRefresh(tokens.ClientID, tokens.Refresh)
		for range 2 { // each server
			if a := e.Introspect(next.Access); a.JSON()["active"] != true {
				t.Errorf("introspection: %s", a.Body)
			}
		}
		tokens.Access, tokens.Refresh = next.Access, next.Refresh
	}
	return tokens
}

// TestTheVersionBeforeRunsBesideThisOne upgrades two servers one after the other,
// and goes back.
func TestTheVersionBeforeRunsBesideThisOne(t *testing.T) {
	p := startPair(t, before(t))
	p.through(p.older).flows(t, "the version before alone")
	session := p.LogIn("alice", "STAYS")

	p.run(p.newer) // which changes the tables
	session = p.through(p.older, p.newer).refreshed(t, session, 3)
	p.flows(t, "both versions, in turn")

	p.older.kill()
	p.older.start()
	session = p.refreshed(t, session, 3)
	p.flows(t, "both versions, the one before started again on the newer tables")

	session = p.through(p.newer).refreshed(t, session, 1)
	p.newer.kill()
	p.through(p.older).refreshed(t, session, 1)
	p.flows(t, "back at the version before")
}

// runs is what starts a server.
func (p *process) runs() *exec.Cmd {
	if p.program != nil {
		return exec.Command(p.program[0], append(p.program[1:], p.config)...)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), serveVariable+"="+p.config), p.env...)
	return cmd
}
