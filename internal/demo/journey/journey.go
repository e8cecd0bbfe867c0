// Package journey walks the main job of the server from outside, as a Matrix
// client, a person's browser and a homeserver: over HTTP, with the usual
// libraries, and without a line of the server's own code. It is at once a
// demonstration and a check, for it stops at the first step that does not hold.
package journey

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"keymaker/internal/clock"
	"keymaker/internal/demo/browser"
	"keymaker/internal/demo/matrixclient"
	"keymaker/internal/secret"
)

// Options say where the journey goes, and as whom.
type Options struct {
	// Issuer is the server.
	Issuer string
	// HomeserverSecret is what a homeserver presents at introspection.
	HomeserverSecret secret.Text
	// Username is whom to sign in as at the identity provider; it asks for no
	// password. It becomes the localpart of the Matrix user.
	Username string
	// Transport makes the requests; nil = http.DefaultTransport.
	Transport http.RoundTripper
	// Clock judges the life of ID tokens; nil = the machine's.
	Clock clock.Clock
	// Out gets one line for each step, with what came back; no token or code.
	Out io.Writer
}

// step is one step of the journey. It says what came back, or what was expected
// and seen instead.
type step struct {
	name string
	walk func(*journey, context.Context) (saw string, err error)
}

// steps are the whole journey.
var steps = []step{
	{"metadata", (*journey).metadata},
	{"registration", (*journey).registration},
	{"authorization", (*journey).authorization},
	{"sign-in", (*journey).signIn},
	{"consent", (*journey).consent},
	{"code", (*journey).code},
	{"tokens", (*journey).exchange},
	{"ID token", (*journey).idToken},
	{"whoami", (*journey).whoami},
	{"refresh", (*journey).refresh},
	{"userinfo", (*journey).userinfo},
	{"introspection", (*journey).introspection},
	{"second refresh", (*journey).secondRefresh},
	{"replay", (*journey).replay},
	{"login again", (*journey).loginAgain},
	{"second login", (*journey).secondLogin},
	{"revocation", (*journey).revocation},
	{"whoami after", (*journey).whoamiAfter},
}

// journey is what the traveller carries from step to step.
type journey struct {
	Options
	client   *matrixclient.Client
	deviceID string
	userID   string

	// Of the login under way.
	browser *browser.Browser
	page    *browser.Page
	attempt *matrixclient.Authorization
	granted secret.Text // the code

	first  matrixclient.Tokens // with R1, from before the first refresh
	tokens matrixclient.Tokens // the newest
}

// StepError is a step that did not hold.
type StepError struct {
	Step string
	Err  error // what was expected and what was seen
}

// Error names the step.
func (e *StepError) Error() string { return fmt.Sprintf("step %q failed: %v", e.Step, e.Err) }

// Unwrap returns what was expected and seen.
func (e *StepError) Unwrap() error { return e.Err }

// Run walks the journey. The first step that does not hold ends it with a
// *StepError.
func Run(ctx context.Context, o Options) error {
	j := &journey{Options: o, deviceID: matrixclient.NewDevice()}
	for i, s := range steps {
		saw, err := s.walk(j, ctx)
		if err != nil {
			return &StepError{Step: s.name, Err: err}
		}
		if _, err := fmt.Fprintf(o.Out, "%2d %-15s %s\n", i+1, s.name, saw); err != nil {
			return fmt.Errorf("tell how the journey goes: %w", err)
		}
	}
	_, err := fmt.Fprintf(o.Out, "All %d steps held.\n", len(steps))
	return err
}
