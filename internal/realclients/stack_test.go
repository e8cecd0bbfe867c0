package realclients_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"keymaker/internal/secret"
	"keymaker/internal/synapsetest"
)

// stack is everything that an administrator runs: a proxy before Keymaker and
// Synapse, and an identity provider.
type stack struct {
	t        *testing.T
	keymaker *keymaker
	synapse  *synapsetest.Synapse
	direct   string // where Keymaker itself answers
}

// newStack starts it, until the test ends.
func newStack(t *testing.T, binary string) *stack {
	t.Helper()
	public, own, homeserver, idp := freePort(t), freePort(t), freePort(t), freePort(t)
	s := &stack{t: t, direct: loopback(own)}
	s.keymaker = &keymaker{url: loopback(public), binary: binary, log: &output{}}
	shared := secret.Token()
	const clientID = "keymaker"
	clientSecret := secret.Token()
	issuer := startIDP(t, idp, clientID, clientSecret, s.keymaker.url+"/_matrix/client/unstable/login/sso/callback/"+clientID)
	s.keymaker.config = filepath.Join(t.TempDir(), "keymaker.toml")
	text := fmt.Sprintf(`[global]
server_name = %q
port = %d
[global.well_known]
client = %q
[global.homeserver]
kind = "synapse"
endpoint = %q
secret = %q
[[global.identity_provider]]
brand = "keycloak"
client_id = %q
client_secret = %q
issuer_url = %q
`, serverName, own, s.keymaker.url, loopback(homeserver), shared, clientID, clientSecret, issuer)
	if err := os.WriteFile(s.keymaker.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	startProxy(t, public, own, homeserver)
	s.keymaker.start(t, s.direct)
	t.Cleanup(func() { s.keymaker.stop(t) })
	s.synapse = synapsetest.Start(t, synapsetest.Options{
		ServerName: serverName, Port: homeserver, PublicURL: s.keymaker.url,
		Endpoint: s.direct, Secret: secret.Text(shared),
		Config: "experimental_features:\n  msc4108_enabled: true\n",
	})
	return s
}

func loopback(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

// machineActions are what scripts do to the programs.
var machineActions = map[string]func(*stack){
	"stop synapse":    func(s *stack) { s.synapse.Stop() },
	"start synapse":   func(s *stack) { s.synapse.Start() },
	"hold synapse":    func(s *stack) { s.synapse.Hold() },
	"release synapse": func(s *stack) { s.synapse.Release() },
	"kill keymaker":   func(s *stack) { s.keymaker.kill() },
	"start keymaker":  func(s *stack) { s.keymaker.start(s.t, s.direct) },
}

// serveMachine does what a script asks for.
func (s *stack) serveMachine(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	act := machineActions[string(body)]
	if err != nil || act == nil {
		http.Error(w, fmt.Sprintf("%q is unknown", body), http.StatusBadRequest)
		return
	}
	act(s)
}

// startIDP runs an identity provider that other people wrote, and returns its
// issuer.
func startIDP(t *testing.T, port int, clientID, clientSecret, redirectURI string) string {
	t.Helper()
	folder := filepath.Join(repository, "testdata", "idp")
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
		t.Fatalf("run npm ci in %s first", folder)
	}
	cmd := exec.CommandContext(t.Context(), "node", "idp.mjs")
	cmd.Dir = folder
	log := &output{}
	cmd.Stderr = log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), fmt.Sprintf("PORT=%d", port),
		"CLIENT_ID=" + clientID, "CLIENT_SECRET=" + clientSecret, "REDIRECT_URI=" + redirectURI}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the identity provider says nothing: %v\n%s", err, log)
	}
	return strings.TrimSpace(line)
}

// homeserverPaths are Synapse's, but for those that a homeserver leaves to its
// authorization server.
var (
	homeserverPaths = regexp.MustCompile(`^/_(matrix|synapse)/`)
	ownPaths        = regexp.MustCompile(`^/_matrix/client/[^/]+/(login|logout|refresh|auth_metadata|auth_issuer|org\.matrix\.msc2965/[^/]+)(/|$)`)
)

// startProxy stands before Keymaker and Synapse until the test ends.
func startProxy(t *testing.T, port, own, homeserver int) {
	t.Helper()
	keymaker, synapse := proxyTo(t, own), proxyTo(t, homeserver)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if homeserverPaths.MatchString(r.URL.Path) && !ownPaths.MatchString(r.URL.Path) {
			synapse.ServeHTTP(w, r)
			return
		}
		keymaker.ServeHTTP(w, r)
	}))
	_ = server.Listener.Close() // it is on another port
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
}

func proxyTo(t *testing.T, port int) http.Handler {
	t.Helper()
	to, err := url.Parse(loopback(port))
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
}
