package command_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"keymaker/internal/command"
	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
	"keymaker/internal/porttest"
)

// serveVariable makes this test binary a server with the configuration that it
// names: a process that can be killed.
const serveVariable = "KEYMAKER_TEST_SERVE"

// commandVariable makes this test binary another command, of arguments between
// spaces.
const commandVariable = "KEYMAKER_TEST_COMMAND"

func TestMain(m *testing.M) {
	if args := os.Getenv(commandVariable); args != "" {
		os.Exit(command.Main(strings.Fields(args), &command.Streams{Out: os.Stdout, Err: os.Stderr, Env: os.Environ()}))
	}
	if path := os.Getenv(serveVariable); path != "" {
		streams := &command.Streams{Out: os.Stdout, Err: os.Stderr, Env: os.Environ()}
		if file := os.Getenv(clockVariable); file != "" {
			streams.Clock = movedClock{file}
		}
		os.Exit(command.Main([]string{"serve", "--config", path}, streams))
	}
	os.Exit(m.Run())
}

// process is a server in a process of its own.
type process struct {
	*harness.Env
	config string
	cmd    *exec.Cmd
	// env is added to the environment.
	env []string
	// clock is what it goes by; nil for the machine's.
	clock *movedClock
	// postgres is what it runs on, where it has one of its own.
	postgres *postgresServer
	// provider changes its identity provider; nil for nothing.
	provider func(*demoidptest.Options)
	// program is another program with its arguments up to the configuration; nil =
	// this one.
	program []string
}

// startProcess runs a server with what change makes of it, until the test ends.
func startProcess(t *testing.T, change ...func(*process)) *process {
	t.Helper()
	origin := fmt.Sprintf("http://127.0.0.1:%d", porttest.Free(t))
	p := &process{Env: &harness.Env{T: t, URL: origin, Issuer: origin}, config: filepath.Join(t.TempDir(), "keymaker.toml")}
	for _, c := range change {
		c(p)
	}
	p.IDP = demoidptest.Start(t, func(o *demoidptest.Options) {
		if p.clock != nil {
			o.Clock = *p.clock
		}
		if p.provider != nil {
			p.provider(o)
		}
		o.RedirectURIs = []string{origin + "/_matrix/client/unstable/login/sso/callback/" + o.ClientID}
	})
	at, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.config, fmt.Sprintf(`[global]
server_name = "example.org"
port = %s
[global.well_known]
client = %q
[global.database]
url = "sqlite:%s"
[[global.identity_provider]]
brand = "Demo"
client_id = %q
client_secret = %q
issuer_url = %q
`, at.Port(), origin, filepath.Join(filepath.Dir(p.config), "keymaker.db"), p.IDP.ClientID, p.IDP.ClientSecret, p.IDP.Issuer))
	p.start()
	t.Cleanup(p.kill)
	return p
}

// start runs the server until it answers.
func (p *process) start() {
	p.T.Helper()
	var errs watched
	p.cmd = p.runs()
	p.cmd.Stderr = &errs
	if err := p.cmd.Start(); err != nil {
		p.T.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if a, err := p.Try(http.MethodGet, "/readyz", nil, ""); err == nil && a.Status == http.StatusOK {
			return
		}
	}
	p.T.Fatalf("the server does not answer:\n%s", errs.String())
}

// kill ends the server as a power failure would.
func (p *process) kill() {
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
}

// TestASessionSurvivesAServerThatIsKilled kills the server at other moments of
// a refresh each time: before the write, between the write and the answer, and
// after the answer. A client that goes on with what it has heard is never
// refused.
func TestASessionSurvivesAServerThatIsKilled(t *testing.T) {
	const rounds = 12
	p := startProcess(t)
	tokens := p.LogIn("alice", "SURVIVOR")
	lost := 0
	for round := range rounds {
		answered := make(chan harness.Answer, 1)
		go func() {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}, "client_id": {tokens.ClientID}}
			a, _ := p.Try(http.MethodPost, "/_tuwunel/oidc/token", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, form.Encode())
			answered <- a
		}()
		time.Sleep(time.Duration(round) * 150 * time.Microsecond)
		p.kill()
		a := <-answered
		switch a.Status {
		case http.StatusOK:
			tokens.Refresh = a.Text("refresh_token")
		case 0:
			lost++
		default:
			t.Fatalf("D-03: status %d: %s", a.Status, a.Body)
		}
		p.start()
		next := p.MustRefresh(tokens.ClientID, tokens.Refresh)
		if me := p.WhoAmI(next.Access); me.Status != http.StatusOK {
			t.Fatalf("D-23: after crash %d the new access token is refused: status %d: %s", round, me.Status, me.Body)
		}
		tokens.Refresh = next.Refresh
	}
	if lost == 0 {
		t.Error("no answer was lost: the server was always killed too late")
	}
	t.Logf("%d of %d answers were lost", lost, rounds)
}

// TestACodeIsNotLostWithTheServer repeats an exchange that a crash cut off: it
// succeeds if the code had not been used, and else the person signs in again on
// the same device.
func TestACodeIsNotLostWithTheServer(t *testing.T) {
	const rounds = 6
	p := startProcess(t)
	id, _ := p.Register(harness.WebClient)
	for round := range rounds {
		request := p.NewRequest(id, harness.ScopeStable+"CODECRASH")
		code := p.NewBrowser().Approve(request, "alice").Get("code")
		answered := make(chan harness.Answer, 1)
		form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {harness.WebRedirect}, "client_id": {id}, "code_verifier": {request.Verifier}}
		go func() {
			a, _ := p.Try(http.MethodPost, "/_tuwunel/oidc/token", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, form.Encode())
			answered <- a
		}()
		time.Sleep(time.Duration(round) * 300 * time.Microsecond)
		p.kill()
		a := <-answered
		p.start()
		if a.Status == http.StatusOK {
			if me := p.WhoAmI(a.Text("access_token")); me.Status != http.StatusOK {
				t.Fatalf("D-19: an acknowledged token is refused: status %d: %s", me.Status, me.Body)
			}
			continue
		}
		again := p.Exchange(request, code)
		if again.Status == http.StatusOK {
			continue // the crash came before the write
		}
		harness.ExpectOAuthError(t, again, http.StatusBadRequest, "invalid_grant")
		if me := p.WhoAmI(p.LogInWith(p.NewRequest(id, harness.ScopeStable+"CODECRASH"), "alice").Access); me.Status != http.StatusOK {
			t.Fatalf("D-1A: the device cannot be signed in again: status %d: %s", me.Status, me.Body)
		}
	}
}
