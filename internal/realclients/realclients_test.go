package realclients_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"keymaker/internal/chromiumtest"
	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/porttest"
	"keymaker/internal/realclients"
)

const (
	variable = "KEYMAKER_TEST_NODE_CLIENTS"
	// patience is how long a script may take.
	patience = 3 * time.Minute
	// readiness is how long the server may take to start.
	readiness = 30 * time.Second
)

var (
	repository, _ = filepath.Abs("../..")
	clients       = filepath.Join(repository, "testdata", "clients")
)

func TestMain(m *testing.M) {
	if os.Getenv(variable) == "" {
		fmt.Println("Node clients were not tested: " + variable + " is not set")
	}
	os.Exit(chromiumtest.Run(m, "the journeys"))
}

// TestScripts runs every script of every client library, each against a server
// and an identity provider of its own.
func TestScripts(t *testing.T) {
	if os.Getenv(variable) == "" {
		return
	}
	binary := build(t)
	scripts, err := filepath.Glob(filepath.Join(clients, "*", "*.mjs"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no script below %s: %v", clients, err)
	}
	modules := newModules(t, len(scripts))
	for _, script := range scripts {
		name, err := filepath.Rel(clients, script)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(name, ".mjs"), func(t *testing.T) {
			t.Parallel()
			folder := filepath.Dir(script)
			if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
				t.Fatalf("run npm ci in %s first", folder)
			}
			k := serve(t, binary, folder)
			person := httptest.NewServer(&realclients.Person{})
			t.Cleanup(person.Close)
			modules.note(t, k.run(t, script, person.URL))
		})
	}
}

// keymaker is a running server.
type keymaker struct {
	url            string
	binary, config string
	// name is the Matrix server name.
	name string
	// authorities is a file with whom the programs trust besides; "" = nobody.
	authorities string
	log         *output
	idps        []*demoidptest.Server
	process     *os.Process
	ended       chan error
}

// serverName is the Matrix server name of every server that is alone.
const serverName = "example.org"

// run runs a script with more environment variables, which must come to its end,
// and returns the steps that it reports.
func (k *keymaker) run(t *testing.T, script, person string, more ...string) (steps []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Base(script))
	cmd.Dir = filepath.Dir(script)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KEYMAKER=" + k.url, "PERSON=" + person, "SERVER_NAME=" + k.name,
		"KEYMAKER_BINARY=" + k.binary, "KEYMAKER_CONFIG=" + k.config}
	if k.authorities != "" {
		cmd.Env = append(cmd.Env, "NODE_EXTRA_CA_CERTS="+k.authorities)
	}
	cmd.Env = append(cmd.Env, more...)
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s\nthe server's log:\n%s", filepath.Base(script), err, said, k.log)
	}
	for line := range strings.Lines(string(said)) {
		if name, ok := strings.CutPrefix(line, "ok: "); ok {
			steps = append(steps, strings.TrimSpace(name))
			t.Log(strings.TrimSpace(line))
		}
	}
	if len(steps) == 0 {
		t.Errorf("the script did nothing:\n%s", said)
	}
	return steps
}

// build builds the program as the README says.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "keymaker")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	cmd.Dir = repository
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, said)
	}
	return binary
}

// serve starts the program until the test ends, when it must stop in order. A
// file global.toml in the folder of the script adds to [global]. There is an
// identity provider of each of the names, or one that needs none.
func serve(t *testing.T, binary, folder string, names ...string) *keymaker {
	t.Helper()
	port := porttest.Free(t)
	k := &keymaker{url: fmt.Sprintf("http://127.0.0.1:%d", port), binary: binary, name: serverName, log: &output{}}
	k.configure(t, port, folder, names)
	k.start(t, k.url)
	t.Cleanup(func() { k.stop(t) })
	k.awaitRSA(t)
	return k
}

// awaitRSA waits for the RSA key, which a server with a new database makes while it
// answers already: until then it rightly does not offer RS256 (conformance A-03t).
func (k *keymaker) awaitRSA(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(readiness)
	for !k.offers("RS256") {
		if time.Now().After(deadline) {
			t.Fatalf("the server has no RSA key:\n%s", k.log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// offers tells whether the server signs ID tokens with an algorithm.
func (k *keymaker) offers(alg string) bool {
	response, err := http.Get(k.url + "/.well-known/openid-configuration")
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	var metadata struct {
		Algs []string `json:"id_token_signing_alg_values_supported"`
	}
	return json.NewDecoder(response.Body).Decode(&metadata) == nil && slices.Contains(metadata.Algs, alg)
}

// start runs the program, which answers at this address.
func (k *keymaker) start(t *testing.T, at string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), k.binary, "serve", "--config", k.config)
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Dir(k.config), k.log, k.log
	cmd.Env = k.env(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	k.process, k.ended = cmd.Process, ended
	deadline := time.Now().Add(readiness)
	for !ready(at) {
		if time.Now().After(deadline) {
			t.Fatalf("the server does not answer:\n%s", k.log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// env is the environment of the program.
func (k *keymaker) env(t *testing.T) []string {
	env := []string{"HOME=" + t.TempDir()}
	if k.authorities != "" {
		env = append(env, "SSL_CERT_FILE="+k.authorities)
	}
	return env
}

// stop ends the program in order.
func (k *keymaker) stop(t *testing.T) {
	t.Helper()
	_ = k.process.Signal(syscall.SIGTERM) // it may have ended
	if err := <-k.ended; err != nil {
		t.Errorf("the server ended: %v\n%s", err, k.log)
	}
}

// kill ends the program as a power cut would.
func (k *keymaker) kill() {
	_ = k.process.Kill() // it may have ended
	<-k.ended            //nolint:errcheck // that it was killed
}

// configure starts the identity providers and writes the server's configuration
// file.
func (k *keymaker) configure(t *testing.T, port int, folder string, names []string) {
	t.Helper()
	more, err := os.ReadFile(filepath.Join(folder, "global.toml"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "[global]\nserver_name = %q\nport = %d\n%s\n[global.well_known]\nclient = %q\n", serverName, port, more, k.url)
	for i, name := range names {
		k.identityProvider(t, &text, fmt.Sprintf("keymaker-%d", i), name)
	}
	if len(names) == 0 {
		k.identityProvider(t, &text, "keymaker", "demo")
	}
	k.config = filepath.Join(t.TempDir(), "keymaker.toml")
	if err := os.WriteFile(k.config, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// identityProvider starts an identity provider and writes its section.
func (k *keymaker) identityProvider(t *testing.T, text io.Writer, clientID, name string) {
	t.Helper()
	idp := demoidptest.Start(t, func(o *demoidptest.Options) {
		o.ClientID = clientID
		o.RedirectURIs = []string{k.url + "/_matrix/client/unstable/login/sso/callback/" + clientID}
	})
	k.idps = append(k.idps, idp)
	fmt.Fprintf(text, "[[global.identity_provider]]\nbrand = \"demo\"\nname = %q\nclient_id = %q\nclient_secret = %q\nissuer_url = %q\n",
		name, idp.ClientID, idp.ClientSecret, idp.Issuer)
}

func ready(server string) bool {
	response, err := http.Get(server + "/readyz")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// output is what a process says, while it speaks.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String is everything so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
