// Package demo runs everything that a newcomer needs to see a Matrix client log
// in, in one process on the loopback interface: the server, a demonstration
// identity provider with the users alice and bob, and a demonstration
// application that signs in as a Matrix client does.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/demo/app"
	"keymaker/internal/demo/journey"
	"keymaker/internal/demoidp"
	"keymaker/internal/secret"
	"keymaker/internal/server"
)

const (
	host              = "127.0.0.1"
	readHeaderTimeout = 10 * time.Second
)

// Options change what the demonstration does.
type Options struct {
	// Port is the server's; 0 picks a free one. The other parts always pick
	// theirs.
	Port int
	// Issuer is the URL at which clients reach the server, where a reverse proxy
	// stands before it; "" = the server's own address.
	Issuer string
	// Dir keeps the database; "" = a temporary folder that is removed at the
	// end.
	Dir string
	// Clock stamps and expires everything; nil = the machine's.
	Clock clock.Clock
	// Logger gets the server's log; nil discards it.
	Logger *slog.Logger
}

// Demo is a demonstration that listens. It answers once Serve runs.
type Demo struct {
	Issuer   string // of the server
	Provider string // the identity provider's issuer
	App      string // the URL to open: it begins a sign-in

	options   Options
	dir       string
	temporary bool        // dir is removed at the end
	secret    secret.Text // the homeserver's

	server            *server.Server
	provider, app     http.Handler
	atServer          net.Listener
	atProvider, atApp net.Listener
}

// Open builds the demonstration and listens. The caller must Close it.
func Open(ctx context.Context, o Options) (*Demo, error) {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	d := &Demo{options: o, dir: o.Dir, secret: secret.Text(secret.Token())}
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Demo) open(ctx context.Context) (err error) {
	if err := d.makeDir(); err != nil {
		return err
	}
	if err := d.listen(); err != nil {
		return err
	}
	clientSecret := secret.Text(secret.Token())
	if err := d.openProvider(clientSecret); err != nil {
		return err
	}
	if err := d.openApp(); err != nil {
		return err
	}
	cfg, err := d.config(clientSecret)
	if err != nil {
		return err
	}
	d.server, err = server.New(ctx, server.Options{Config: cfg, Clock: d.options.Clock, Logger: d.options.Logger})
	if err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	// The journey compares the documents with each other: none may change in the
	// middle of it, because there is an RSA key by then.
	if err := d.server.TurnKeys(ctx); err != nil {
		return fmt.Errorf("make the signing keys: %w", err)
	}
	return nil
}

// Address is where the server listens: 127.0.0.1:PORT.
func (d *Demo) Address() string { return d.atServer.Addr().String() }

// Database is the path of the database file.
func (d *Demo) Database() string { return filepath.Join(d.dir, "keymaker.db") }

func (d *Demo) makeDir() error {
	var err error
	switch d.dir {
	case "":
		d.dir, err = os.MkdirTemp("", "keymaker-demo-")
		d.temporary = err == nil
	default:
		err = os.MkdirAll(d.dir, 0o700)
	}
	if err == nil {
		d.dir, err = filepath.Abs(d.dir)
	}
	if err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	return nil
}

// listen opens all ports, and so settles every address.
func (d *Demo) listen() (err error) {
	for _, p := range []struct {
		name string
		port int
		at   *net.Listener
	}{{"server", d.options.Port, &d.atServer}, {"identity provider", 0, &d.atProvider}, {"application", 0, &d.atApp}} {
		if *p.at, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p.port))); err != nil {
			return fmt.Errorf("listen for the %s: %w", p.name, err)
		}
	}
	d.Issuer = d.options.Issuer
	if d.Issuer == "" {
		d.Issuer = "http://" + d.Address()
	}
	d.Provider = "http://" + d.atProvider.Addr().String()
	d.App = "http://" + d.atApp.Addr().String() + app.LoginPath
	return nil
}

// openProvider makes the identity provider, whose one client is the server.
func (d *Demo) openProvider(clientSecret secret.Text) (err error) {
	d.provider, err = demoidp.New(demoidp.Options{
		Issuer: d.Provider, ClientID: providerClientID, ClientSecret: clientSecret.Reveal(),
		RedirectURIs: []string{strings.TrimSuffix(d.Issuer, "/") + "/_matrix/client/unstable/login/sso/callback/" + providerClientID},
		Clock:        d.options.Clock,
		Users: []demoidp.User{
			{Subject: "1", Username: "alice", Name: "Alice", Email: "alice@example.org", EmailVerified: new(true)},
			{Subject: "2", Username: "bob", Name: "Bob", Email: "bob@example.org", EmailVerified: new(true)},
		},
	})
	return err
}

func (d *Demo) openApp() (err error) {
	d.app, err = app.New(app.Options{
		URL: strings.TrimSuffix(d.App, app.LoginPath), Issuer: d.Issuer, Clock: d.options.Clock, Logger: d.options.Logger,
	})
	return err
}

func (d *Demo) config(clientSecret secret.Text) (*config.Config, error) {
	text, err := d.configText(clientSecret)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Parse("the demonstration's configuration", text, nil)
	if err != nil {
		return nil, fmt.Errorf("configure the server: %w", err)
	}
	return cfg, nil
}

// Serve answers until ctx ends, and then stops in order.
func (d *Demo) Serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.server.Serve(ctx, d.atServer) })
	group.Go(func() error { return serve(ctx, d.atProvider, d.provider) })
	group.Go(func() error { return serve(ctx, d.atApp, d.app) })
	return group.Wait()
}

// serve answers until ctx ends, and then keeps nobody waiting.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	hs := &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout}
	stop := context.AfterFunc(ctx, func() { _ = hs.Close() })
	defer stop()
	if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", l.Addr(), err)
	}
	return nil
}

// Close gives everything back. It must not be called while Serve runs.
func (d *Demo) Close() error {
	var failures []error
	for _, l := range []net.Listener{d.atServer, d.atProvider, d.atApp} {
		if l == nil {
			continue
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			failures = append(failures, err)
		}
	}
	if d.server != nil {
		failures = append(failures, d.server.Close())
	}
	if d.temporary {
		failures = append(failures, os.RemoveAll(d.dir))
	}
	return errors.Join(failures...)
}

// Once serves for as long as the journey of one client takes, which it reports
// line by line. A step that does not hold is a *journey.StepError.
func (d *Demo) Once(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx) }()
	err := journey.Run(ctx, journey.Options{
		Issuer: d.Issuer, HomeserverSecret: d.secret, Username: "alice", Clock: d.options.Clock, Out: out,
	})
	cancel()
	return errors.Join(err, <-served)
}
