// Package synapsetest runs a real Synapse in tests, with SQLite and on the
// loopback interface, which asks an authorization server about its tokens.
//
// The tests that need it run where KEYMAKER_TEST_SYNAPSE names a Python that has
// it, which `.ci/synapse` makes.
package synapsetest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"keymaker/internal/porttest"
	"keymaker/internal/secret"
)

// Variable is the environment variable that names the Python. Without it no
// Synapse is started.
const Variable = "KEYMAKER_TEST_SYNAPSE"

const (
	// readyTime is how long a start may take, on a machine that does much else.
	readyTime = time.Minute
	stopTime  = 20 * time.Second
)

// Wanted tells whether the tests of this run have a Synapse.
func Wanted() bool { return os.Getenv(Variable) != "" }

// Run is a TestMain that says when the tests with Synapse are left out.
func Run(m interface{ Run() int }, what string) int {
	if !Wanted() {
		fmt.Printf("With Synapse %s were not tested: %s is not set\n", what, Variable)
	}
	return m.Run()
}

// Options are what the configuration says.
type Options struct {
	// ServerName is example.com when it is "".
	ServerName string
	// Endpoint and Secret are those of the authorization server. Without them
	// Synapse delegates nothing.
	Endpoint string
	Secret   secret.Text
	// ForceHTTP2 asks the authorization server over HTTP/2 without TLS.
	ForceHTTP2 bool
	// Port is where it listens; 0 = one that is free.
	Port int
	// PublicURL is where clients reach it; "" = where it answers.
	PublicURL string
	// Config are more lines of homeserver.yaml.
	Config string
}

// Synapse is one that runs.
type Synapse struct {
	// URL is where it answers.
	URL string
	// ServerName is whom its users belong to.
	ServerName string
	// Log is the file that it logs to, and Config its homeserver.yaml, which it reads
	// when it starts.
	Log, Config string

	t       testing.TB
	folder  string
	process *process
}

// Start runs a Synapse until the test ends. It has no users.
func Start(t testing.TB, o Options) *Synapse {
	t.Helper()
	if o.ServerName == "" {
		o.ServerName = "example.com"
	}
	folder := t.TempDir()
	s := &Synapse{t: t, ServerName: o.ServerName, folder: folder, Log: filepath.Join(folder, "homeserver.log"), Config: filepath.Join(folder, configName)}
	if o.Port == 0 {
		o.Port = porttest.Free(t)
	}
	s.URL = fmt.Sprintf("http://127.0.0.1:%d", o.Port)
	if o.PublicURL == "" {
		o.PublicURL = s.URL
	}
	if err := o.write(folder); err != nil {
		t.Fatalf("configure Synapse: %v", err)
	}
	t.Cleanup(func() {
		if s.Stop(); t.Failed() {
			t.Log(s.lastWords())
		}
	})
	s.Start()
	return s
}

// Start runs it again after Stop: at the same address, with the same users.
func (s *Synapse) Start() {
	s.t.Helper()
	p, err := run(s.folder)
	if err != nil {
		s.t.Fatalf("start Synapse: %v", err)
	}
	s.process = p
	if err := s.ready(); err != nil {
		s.t.Fatalf("Synapse does not answer: %v", err)
	}
}

// Stop ends it, as an administrator would.
func (s *Synapse) Stop() {
	s.t.Helper()
	if s.process == nil {
		return
	}
	if err := s.process.stop(); err != nil {
		s.t.Errorf("Synapse was killed: %v", err)
	}
	s.process = nil
}

// Kill ends it as a power cut would, in whatever it is at.
func (s *Synapse) Kill() {
	s.t.Helper()
	if err := s.process.cmd.Process.Kill(); err != nil {
		s.t.Errorf("kill Synapse: %v", err)
	}
	<-s.process.ended
	s.process = nil
}

// Hold keeps it from answering whoever asks, until Release.
func (s *Synapse) Hold() { s.signal(syscall.SIGSTOP) }

// Release lets it answer again, and do what it was asked meanwhile.
func (s *Synapse) Release() { s.signal(syscall.SIGCONT) }

func (s *Synapse) signal(what syscall.Signal) {
	s.t.Helper()
	if err := s.process.cmd.Process.Signal(what); err != nil {
		s.t.Errorf("send Synapse %s: %v", what, err)
	}
}

// ready waits until it answers, and has its database in order: before that, some
// calls fail on a new one.
func (s *Synapse) ready() error {
	deadline := time.After(readyTime)
	for !s.healthy() || !s.settled() {
		select {
		case <-s.process.ended:
			return errors.New("it ended")
		case <-deadline:
			return fmt.Errorf("it did not within %s", readyTime)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func (s *Synapse) healthy() bool {
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL+"/health", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// settled tells whether its log says that the database is in order.
func (s *Synapse) settled() bool {
	log, err := os.ReadFile(s.Log)
	return err == nil && bytes.Contains(log, []byte("No more background updates to do"))
}

// lastWords are the end of what it has said.
func (s *Synapse) lastWords() string {
	var text strings.Builder
	for _, name := range []string{outputName, filepath.Base(s.Log)} {
		content, _ := os.ReadFile(filepath.Join(s.folder, name))
		fmt.Fprintf(&text, "%s:\n%s\n", name, content[max(0, len(content)-20000):])
	}
	return text.String()
}

// process is a running Python.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// outputName is the file with what it prints.
const outputName = "output.log"

func run(folder string) (*process, error) {
	output, err := os.OpenFile(filepath.Join(folder, outputName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = output.Close() }()
	cmd := exec.Command(os.Getenv(Variable), "-m", "synapse.app.homeserver", "--config-path", configName)
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, output, output
	// Nothing of ours: a proxy of the environment would be used to ask about tokens.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1"}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop ends the process, by force if it must.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopTime):
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	return fmt.Errorf("it did not end within %s", stopTime)
}
