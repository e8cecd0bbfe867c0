// Package doctor looks at a server from outside and inside, and says for each
// check what it did, what it saw, and what to change.
package doctor

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/outbound"
)

// State is how a check ended.
type State string

// The states, from good to bad. A check is skipped where what it needs has
// failed, or is not part of the configuration.
const (
	OK      State = "ok"
	Skipped State = "skipped"
	Warning State = "warning"
	Failed  State = "failed"
)

// Result is what a check found. None of its texts holds a secret.
type Result struct {
	Check  string `json:"check"`
	State  State  `json:"state"`
	Did    string `json:"did"`
	Saw    string `json:"saw"`
	Change string `json:"change,omitempty"` // "" when nothing is to be changed
}

// Database is the open database.
type Database interface {
	Ping(ctx context.Context) error
	// Writable tells whether it takes changes, without making one.
	Writable(ctx context.Context) error
	// CountSigningKeys opens every key that signs ID tokens.
	CountSigningKeys(ctx context.Context) (int, error)
	Close() error
}

// Options are what a Doctor needs. Those without a comment may be left out.
type Options struct {
	Config *config.Config // required
	// Open opens the database; required.
	Open func(ctx context.Context) (Database, error)

	Clock      clock.Clock
	HTTPClient *http.Client
	LookupHost func(ctx context.Context, host string) ([]string, error)
	// Free is how many bytes are free where a folder is.
	Free func(folder string) (uint64, error)
	// Addresses are those of this machine.
	Addresses func() []netip.Addr
}

// Doctor runs the checks, one after the other.
type Doctor struct {
	Options
	log    *slog.Logger
	silent bool // the public address did not answer
	// tuwunel: the homeserver is a Tuwunel, which signs clients in by itself.
	tuwunel bool
}

// New returns a Doctor.
func New(o Options) *Doctor {
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.HTTPClient == nil {
		o.HTTPClient = outbound.NewFor(outbound.Anywhere, largest)
	}
	if o.LookupHost == nil {
		o.LookupHost = net.DefaultResolver.LookupHost
	}
	if o.Free == nil {
		o.Free = free
	}
	if o.Addresses == nil {
		o.Addresses = addresses
	}
	return &Doctor{Options: o, log: slog.New(slog.DiscardHandler)}
}

// checks are all that there are, in their order.
var checks = []func(*Doctor, context.Context) []Result{
	(*Doctor).database,
	(*Doctor).sealFile,
	(*Doctor).disk,
	(*Doctor).trustedProxies,
	(*Doctor).dns,
	(*Doctor).tls,
	(*Doctor).discovery,
	(*Doctor).clientDiscovery,
	(*Doctor).cors,
	(*Doctor).forwarded,
	(*Doctor).address,
	(*Doctor).direct,
	(*Doctor).signIn,
	(*Doctor).rest,
	(*Doctor).provisioning,
	(*Doctor).introspection,
	(*Doctor).homeserverMetadata,
	(*Doctor).clocks,
	(*Doctor).providers,
}

// Examine runs every check.
func (d *Doctor) Examine(ctx context.Context) []Result {
	d.silent, d.tuwunel = false, d.isTuwunel(ctx)
	var all []Result
	for _, check := range checks {
		all = append(all, check(d, ctx)...)
	}
	return all
}

// Healthy tells whether no check has failed.
func Healthy(results []Result) bool {
	for _, r := range results {
		if r.State == Failed {
			return false
		}
	}
	return true
}

// step is a check that is being made: what it is called and what it did.
type step struct{ check, did string }

func (s step) ok(saw string) Result { return Result{Check: s.check, State: OK, Did: s.did, Saw: saw} }

func (s step) skipped(why string) Result {
	return Result{Check: s.check, State: Skipped, Did: s.did, Saw: why}
}

func (s step) warning(saw, change string) Result {
	return Result{Check: s.check, State: Warning, Did: s.did, Saw: saw, Change: change}
}

func (s step) failed(saw, change string) Result {
	return Result{Check: s.check, State: Failed, Did: s.did, Saw: saw, Change: change}
}
