package realclients_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/certtest"
	"keymaker/internal/clock"
	"keymaker/internal/porttest"
	"keymaker/internal/provisioning"
	"keymaker/internal/proxytest"
	"keymaker/internal/secret"
	"keymaker/internal/synapsetest"
)

// stack is everything that an administrator runs: a proxy before Keymaker and
// Synapse, and an identity provider. Each is configured by what Keymaker prints,
// and the proxy has a certificate by an authority of the test.
type stack struct {
	t                *testing.T
	keymaker         *keymaker
	synapse          *synapsetest.Synapse
	direct           string // where Keymaker itself answers
	authority        *certtest.Authority
	certificate, key string // files for the proxy
	stopProxy        func()
}

// newStack starts it without a proxy, until the test ends.
func newStack(t *testing.T, binary string) *stack {
	t.Helper()
	public, own, homeserver, idp := porttest.Free(t), porttest.Free(t), porttest.Free(t), porttest.Free(t)
	s := &stack{t: t, direct: loopback(own), stopProxy: func() {}}
	folder := t.TempDir()
	host := fmt.Sprintf("localhost:%d", public)
	s.keymaker = &keymaker{url: "https://" + host, name: host, binary: binary, log: &output{}, config: filepath.Join(folder, "keymaker.toml")}
	s.certify()
	lines := s.init(folder, loopback(homeserver), loopback(idp))
	// Another port than 8080, and an administrator, are all that is changed of what
	// was printed.
	replace(t, s.keymaker.config, "[global]\n", fmt.Sprintf("[global]\nport = %d\nadmin_users = [\"root\"]\n", own))
	lines = strings.ReplaceAll(lines, ":8080/", fmt.Sprintf(":%d/", own))
	clientSecret, err := os.ReadFile(filepath.Join(folder, "keycloak_client_secret"))
	if err != nil {
		t.Fatal(err)
	}
	startIDP(t, idp, "keymaker", strings.TrimSpace(string(clientSecret)), s.keymaker.url+"/_matrix/client/unstable/login/sso/callback/keymaker")
	s.keymaker.start(t, s.direct)
	t.Cleanup(func() { s.keymaker.stop(t) })
	s.synapse = synapsetest.Start(t, synapsetest.Options{
		ServerName: host, Port: homeserver, PublicURL: s.keymaker.url,
		Config: lines + "experimental_features:\n  msc4108_enabled: true\n",
	})
	return s
}

// certify makes an authority, which the programs trust, and a certificate by it.
func (s *stack) certify() {
	s.t.Helper()
	s.authority = certtest.New(s.t)
	folder := s.t.TempDir()
	s.certificate, s.key, s.keymaker.authorities = filepath.Join(folder, "chain.pem"), filepath.Join(folder, "key.pem"), filepath.Join(folder, "authority.pem")
	s.write(s.keymaker.authorities, s.authority.PEM)
	s.issue(time.Now().AddDate(0, 2, 0), "localhost")
}

// issue gives the next proxy another certificate.
func (s *stack) issue(ends time.Time, host string) {
	s.t.Helper()
	certificate, key := s.authority.Issue(ends, host)
	s.write(s.certificate, certificate)
	s.write(s.key, key)
}

func (s *stack) write(path string, text []byte) {
	s.t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// transport is that of people and programs who trust the authority.
func (s *stack) transport() http.RoundTripper {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.authority.Pool(), MinVersion: tls.VersionTLS12}}
}

// init writes a configuration, and returns the lines for homeserver.yaml.
func (s *stack) init(folder, homeserver, issuer string) string {
	s.t.Helper()
	said := s.run("init", "--dir", folder, "--homeserver", homeserver, "--issuer", s.keymaker.url, "--provider", "Keycloak="+issuer, "--server-name", s.keymaker.name)
	_, lines, found := strings.Cut(said, "\nmatrix_authentication_service:\n")
	lines, _, ended := strings.Cut(lines, "\n\n")
	if !found || !ended {
		s.t.Fatalf("init prints no lines for homeserver.yaml:\n%s", said)
	}
	return "matrix_authentication_service:\n" + lines + "\n"
}

// behind puts another proxy before it, or the first one. Its configuration is what
// snippet prints, with each text of changes replaced by the next one.
func (s *stack) behind(proxy string, changes ...string) {
	s.t.Helper()
	s.stopProxy()
	snippet := s.run("snippet", proxy, "--config", s.keymaker.config, "--certificate", s.certificate, "--key", s.key)
	s.stopProxy = proxytest.Start(s.t, proxy, strings.NewReplacer(changes...).Replace(snippet), s.keymaker.name)
}

// run runs a command of the program, which must succeed, and returns what it
// prints.
func (s *stack) run(args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), s.keymaker.binary, args...)
	cmd.Env = s.keymaker.env(s.t)
	said := &output{}
	cmd.Stderr = said
	printed, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("keymaker %s: %v\n%s%s", args[0], err, printed, said)
	}
	return string(printed)
}

// replace changes a part of a file.
func replace(t *testing.T, file, before, after string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte(strings.Replace(string(text), before, after, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func loopback(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

// machineActions are what scripts do to the programs.
var machineActions = map[string]func(*stack){
	"stop synapse":    func(s *stack) { s.synapse.Stop() },
	"kill synapse":    func(s *stack) { s.synapse.Kill() },
	"start synapse":   func(s *stack) { s.synapse.Start() },
	"hold synapse":    func(s *stack) { s.synapse.Hold() },
	"release synapse": func(s *stack) { s.synapse.Release() },
	"kill keymaker":   func(s *stack) { s.keymaker.kill() },
	"start keymaker":  func(s *stack) { s.keymaker.start(s.t, s.direct) },
}

// serveMachine does what a script asks for.
func (s *stack) serveMachine(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if user, ok := strings.CutPrefix(string(body), "meddle with "); ok {
		s.meddle(r.Context(), user)
		return
	}
	act := machineActions[string(body)]
	if err != nil || act == nil {
		http.Error(w, fmt.Sprintf("%q is unknown", body), http.StatusBadRequest)
		return
	}
	act(s)
}

// meddle gives a user other devices on the homeserver, behind Keymaker's back.
func (s *stack) meddle(ctx context.Context, user string) {
	shared, err := os.ReadFile(filepath.Join(filepath.Dir(s.keymaker.config), "homeserver_secret"))
	if err != nil {
		s.t.Error(err)
		return
	}
	api, err := provisioning.New(provisioning.Options{Endpoint: s.synapse.URL, Secret: secret.Text(strings.TrimSpace(string(shared))),
		Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		err = api.SyncDevices(ctx, user, []string{"STRANGER"})
	}
	if err != nil {
		s.t.Error(err)
	}
}

// startIDP runs an identity provider that other people wrote.
func startIDP(t *testing.T, port int, clientID, clientSecret, redirectURI string) {
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
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("the identity provider says nothing: %v\n%s", err, log)
	}
}
