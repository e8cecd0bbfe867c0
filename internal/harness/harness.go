// Package harness starts the real server with a configuration, a database and
// a real identity provider, and lets tests speak to it as clients, browsers and
// homeservers do: over HTTP.
package harness

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/server"
	"keymaker/store/storetest"
)

// ServerName is the Matrix server name of every test server.
const ServerName = "example.org"

// HomeserverSecret is what the homeserver presents at introspection.
const HomeserverSecret = "what+Synapse/presents=8c1fe2"

// Env is a running server and what is around it.
type Env struct {
	T testing.TB
	// URL is where the server listens: http://127.0.0.1:PORT, without a final
	// slash. Issuer is the same, with the final slash if Options asked for it.
	URL, Issuer string
	Server      *server.Server
	IDP         *demoidptest.Server
	Clock       *clock.Manual
	// Log is everything that the server has logged, at every level.
	Log *Buffer
	// Config is the TOML text that the server was started with, and that it reads
	// again.
	Config string
	// Database is the URL of the server's database.
	Database string
	// Origins are where else browsers follow redirects to: other identity
	// providers.
	Origins []string

	serving *atomic.Pointer[server.Server]
	// running is the test that uses the environment at the moment.
	running *atomic.Pointer[testing.TB]
	// cases is how many conformance cases use the server at the moment.
	cases      *atomic.Int32
	httpClient *http.Client
}

// For is the same environment for a subtest: what fails, fails there. A
// conformance case takes its environment in this way or starts one, so that
// it is counted.
func (e *Env) For(t testing.TB) *Env {
	sub := *e
	sub.T = t
	sub.enter(t)
	return &sub
}

// Options change how a server is started.
type Options struct {
	// Global are lines for [global], Homeserver for [global.homeserver],
	// Provider for the first [[global.identity_provider]], Extra whatever comes
	// after. In all of them {URL} stands for where the server listens, and
	// {IDP} for the identity provider.
	Global, Homeserver, Provider, Extra string
	// DatabaseURL replaces the temporary SQLite file.
	DatabaseURL string
	// SecretFile replaces the one beside the SQLite file.
	SecretFile string
	// NoWellKnown and NoProvider leave one half of the prerequisites out.
	NoWellKnown, NoProvider bool
	// IDP configures the identity provider.
	IDP func(*demoidptest.Options)
	// HTTPClient speaks to the identity providers.
	HTTPClient *http.Client
	// Now is where the clock stands at first.
	Now time.Time
	// FinalSlash writes the issuer with one.
	FinalSlash bool
	// Issuer replaces the address as the issuer, as behind a reverse proxy.
	Issuer string
}

// Start runs a server until the test ends.
func Start(t testing.TB, configure ...func(*Options)) *Env {
	t.Helper()
	o := Options{Now: time.Now()}
	for _, c := range configure {
		c(&o)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	e := &Env{T: t, URL: "http://" + listener.Addr().String(), Clock: clock.NewManual(o.Now), Log: &Buffer{},
		serving: &atomic.Pointer[server.Server]{}, running: &atomic.Pointer[testing.TB]{}, cases: &atomic.Int32{}, httpClient: o.HTTPClient}
	e.enter(t)
	e.Issuer = e.URL
	if o.Issuer != "" {
		e.Issuer = o.Issuer
	}
	if o.FinalSlash {
		e.Issuer += "/"
	}
	e.IDP = demoidptest.Start(t, func(p *demoidptest.Options) {
		p.Clock = e.Clock
		if o.IDP != nil {
			o.IDP(p)
		}
		p.RedirectURIs = append(p.RedirectURIs, e.callback(p.ClientID))
	})
	e.Config = e.configText(t, o)
	e.Server = e.open(t)
	e.serving.Store(e.Server)
	others := e.others(t, o)
	var turn atomic.Int64
	ts := &httptest.Server{Listener: listener, Config: e.front(server.HTTP(e.Server), func(w http.ResponseWriter, r *http.Request) {
		if n := int(turn.Add(1)) % (1 + len(others)); n > 0 {
			others[n-1].ServeHTTP(w, r)
			return
		}
		e.serving.Load().ServeHTTP(w, r)
	})}
	ts.Start()
	t.Cleanup(func() {
		ts.Close()
		if err := e.serving.Load().Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
	})
	return e
}

// Restart closes the server and opens it again on the same database and at the
// same address. No request may be on its way.
func (e *Env) Restart() {
	e.t().Helper()
	if err := e.Server.Close(); err != nil {
		e.t().Fatalf("close the server: %v", err)
	}
	e.Server = e.open(e.t())
	e.serving.Store(e.Server)
}

// Reopen builds a second server from the same configuration, as another process
// on the same database would.
func (e *Env) Reopen() (*server.Server, error) {
	cfg, err := config.Parse("keymaker.toml", []byte(e.Config), nil)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewJSONHandler(e.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return server.New(context.Background(), server.Options{Config: cfg, Clock: e.Clock, Logger: log, HTTPClient: e.httpClient,
		Load: func() (*config.Config, error) { return config.Parse("keymaker.toml", []byte(e.Config), nil) }})
}

func (e *Env) open(t testing.TB) *server.Server {
	t.Helper()
	s, err := e.Reopen()
	if err != nil {
		t.Fatalf("start the server: %v\n%s", err, e.Config)
	}
	return s
}

func (e *Env) callback(clientID string) string {
	return strings.TrimSuffix(e.Issuer, "/") + "/_matrix/client/unstable/login/sso/callback/" + clientID
}

func (e *Env) configText(t testing.TB, o Options) string {
	t.Helper()
	if o.DatabaseURL == "" {
		o.shared(t)
	}
	if o.DatabaseURL == "" {
		o.DatabaseURL = storetest.SQLite(t)
	}
	e.Database = o.DatabaseURL
	var b strings.Builder
	fmt.Fprintf(&b, "[global]\nserver_name = %q\nlog_format = \"json\"\n", ServerName)
	if o.SecretFile != "" {
		fmt.Fprintf(&b, "secret_file = %q\n", o.SecretFile)
	}
	b.WriteString(o.Global + "\n")
	if !o.NoWellKnown {
		fmt.Fprintf(&b, "[global.well_known]\nclient = %q\n", e.Issuer)
	}
	fmt.Fprintf(&b, "[global.database]\nurl = %q\n[global.homeserver]\nsecret = %q\n%s\n", o.DatabaseURL, HomeserverSecret, o.Homeserver)
	if !o.NoProvider {
		fmt.Fprintf(&b, "[[global.identity_provider]]\nbrand = \"Demo\"\nclient_id = %q\nclient_secret = %q\nissuer_url = %q\n%s\n",
			e.IDP.ClientID, e.IDP.ClientSecret, e.IDP.Issuer, o.Provider)
	}
	b.WriteString(o.Extra + "\n")
	return strings.NewReplacer("{URL}", e.URL, "{IDP}", e.IDP.Issuer).Replace(b.String())
}

// Buffer is a log that is written and read at once.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is everything that was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
