// Package load measures the server as it is run: its own binary in a process of
// its own, over HTTP, on a database that holds as many sessions as it is told,
// beside what the machine can do at best in the same run.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"keymaker/internal/demo/matrixclient"
	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/fill"
)

// Options say what is measured.
type Options struct {
	// Database is a postgres:// URL of a database without users; "" = a
	// temporary SQLite file.
	Database secret.Text
	// Dir keeps the SQLite file, the configuration and the server's log; "" = a
	// temporary folder that is removed at the end.
	Dir string
	// Again measures on what an earlier run with the same Dir and Database has
	// stored.
	Again bool
	// Stored is how many sessions the database holds, each with its device and
	// its access token.
	Stored int
	// Asked says what was asked about the stored tokens before; fill.AskedLately
	// unless it is set.
	Asked fill.Asked
	// For is how long each operation is asked for.
	For time.Duration
	// Concurrency is how many clients ask at once, each on a connection of its
	// own and for the next thing as soon as it has the answer.
	Concurrency int
	// Only names the operations to measure; none = all.
	Only []string
	// Overload is at which multiple of the sustained rate a crowd asks at the
	// end; 0 = none comes.
	Overload float64
	// Sizes measures the tables and indexes, too, which reads all of a SQLite file.
	Sizes bool
	// Progress is told what is being done.
	Progress io.Writer
}

// Run measures. The report is complete, or there is an error.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	if o.Again && o.Dir == "" {
		return nil, errors.New("to measure again, name the folder of the run before")
	}
	if o.Stored < 1 || o.Concurrency < 1 || o.For <= 0 {
		return nil, errors.New("the number of sessions, the concurrency and the duration must be positive")
	}
	r := &run{Options: o, seed: secret.Bytes(secret.KeySize), codeSeed: secret.Bytes(secret.KeySize)}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	report, err = r.measure(ctx)
	return report, errors.Join(err, r.keep())
}

// run is one run of the program.
type run struct {
	Options
	temporary bool
	url       string // of the server
	seed      []byte // of the stored tokens
	codeSeed  []byte // of the stored codes
	// sealer and tokenSecret are the server's.
	sealer      *secret.Sealer
	tokenSecret []byte
	storedAt    time.Time // exact to the millisecond
	idp         *identityProvider
	server      *process
	empty       *process
	clientID    string
	matrix      *matrixclient.Client
	codes       atomic.Int64 // how many are used already
	revoked     atomic.Int64
	chains      []chains // by client
	closers     []func() error
}

// prepare makes the configuration and the database, fills it, and starts the
// server on it.
func (r *run) prepare(ctx context.Context) error {
	if err := r.makeDir(); err != nil {
		return err
	}
	if err := r.configure(); err != nil {
		return err
	}
	// The first start makes the tables and the keys, and registers the client
	// whose sessions are stored.
	first, err := r.startServer(ctx)
	if err != nil {
		return err
	}
	if !r.Again {
		err = r.register(ctx, first)
	}
	if err := errors.Join(err, first.stop()); err != nil {
		return err
	}
	if err := r.fill(ctx); err != nil {
		return err
	}
	if r.server, err = r.startServer(ctx); err != nil {
		return err
	}
	r.closers = append(r.closers, r.server.stop)
	if r.empty, err = r.startEmpty(ctx); err != nil {
		return err
	}
	r.closers = append(r.closers, r.empty.stop)
	return nil
}

func (r *run) makeDir() (err error) {
	if r.Dir == "" {
		r.temporary = true
		r.Dir, err = os.MkdirTemp("", "keymaker-load-")
	} else {
		err = os.MkdirAll(r.Dir, 0o700)
	}
	if err == nil {
		r.Dir, err = filepath.Abs(r.Dir)
	}
	if err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	return nil
}

func (r *run) close() error {
	var errs []error
	for i := len(r.closers) - 1; i >= 0; i-- {
		errs = append(errs, r.closers[i]())
	}
	if r.temporary {
		errs = append(errs, os.RemoveAll(r.Dir))
	}
	return errors.Join(errs...)
}

// measure does what was asked for, one thing after the other.
func (r *run) measure(ctx context.Context) (*Report, error) {
	report := r.about()
	if err := r.sizes(ctx, report); err != nil {
		return nil, err
	}
	time.Sleep(idleAfter) // the work of the start is done
	var err error
	if report.IdleBytes, err = r.server.memory(resident); err != nil {
		return nil, err
	}
	if err := r.discover(ctx); err != nil {
		return nil, err
	}
	for _, f := range floors {
		r.say("floor: %s", f.name)
		measured, err := f.measure(r, ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		measured.Name = f.name
		report.Floors = append(report.Floors, measured)
	}
	for _, op := range r.chosen() {
		r.say("operation: %s", op.name)
		measured, err := r.operate(ctx, op)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", op.name, err)
		}
		report.add(measured, op.floor)
	}
	if report.PeakBytes, err = r.server.memory(peak); err != nil || r.Overload <= 0 {
		return report, err
	}
	r.say("overload")
	sustained, err := r.operate(ctx, operation{name: "registration", act: (*run).registration})
	if err == nil {
		report.Overload, err = r.overload(ctx, r.Overload, sustained.Rate)
	}
	return report, err
}

// sizes measures what is stored, if it was asked for.
func (r *run) sizes(ctx context.Context, report *Report) error {
	if !r.Sizes {
		return nil
	}
	d, err := fill.Open(ctx, r.Database)
	if err != nil {
		return err
	}
	report.Sizes, err = d.Sizes(ctx)
	return errors.Join(err, d.Close())
}

// idleAfter is how long a server that has just started is left alone before its
// memory is read.
const idleAfter = 2 * time.Second

func (r *run) about() *Report {
	kind := "PostgreSQL"
	if _, ok := store.SQLitePath(r.Database); ok { // which configure has set
		kind = "SQLite"
	}
	return &Report{Database: kind, Stored: r.Stored, Concurrency: r.Concurrency, Seconds: r.For.Seconds(), Machine: machine(),
		StartMilliseconds: float64(r.server.ready.Microseconds()) / 1000}
}

func (r *run) say(format string, args ...any) {
	if r.Progress != nil {
		_, _ = fmt.Fprintf(r.Progress, format+"\n", args...)
	}
}
