package server

import (
	"context"
	"errors"
	"time"

	"keymaker/handlers"
	"keymaker/internal/homeserver"
	"keymaker/internal/jobs"
	"keymaker/internal/provisioning"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/upstream"
)

// home is the homeserver that this server issues tokens for.
type home interface {
	provider.Homeserver
	upstream.Links
	upstream.Localparts
}

// homeserverLimit is more than the longest call to the homeserver takes.
const homeserverLimit = provisioning.DeleteTimeout + time.Minute

// openHome returns the homeserver of the configuration, and the jobs that tell
// it what has changed. Nobody is asked whether it is there.
func (a *assembly) openHome() (home, map[string]jobs.Handler, error) {
	if !a.config.Homeserver.Remote() {
		return homeserver.Embedded{Store: a.server.store}, nil, nil
	}
	h, err := homeserver.Open(a.config.Homeserver, a.server.store, a.server.clock, a.server.log, a.server.tracer)
	if err != nil {
		return nil, nil, err
	}
	// The jobs exist when somebody signs in, who waits for those of the user.
	h.Clear = func(ctx context.Context, lane string) error { return a.jobs.Clear(ctx, lane) }
	return h, h.Jobs(), nil
}

// answerFor leaves to a homeserver that is another program what it answers
// itself, and has it told at once of what changes.
func (a *assembly) answerFor(o *handlers.Options) {
	if !a.config.Homeserver.Remote() {
		o.Matrix = a.server.store
		if a.config.KeepsPictures() {
			o.Pictures = a.server.store
		}
		return
	}
	o.Tell = a.tellHome
}

// recently is how old an approval is, at most, whose answer a person waits for.
const recently = 15 * time.Minute

// errRefused says that the homeserver did not take a change.
var errRefused = errors.New("the homeserver refuses what it is told: keymaker admin jobs says why")

// tellHome has the homeserver learn what it is still to be told about a user, of
// whom a reset of the cross-signing keys was allowed.
func (a *assembly) tellHome(ctx context.Context, localpart string) error {
	if err := a.jobs.Clear(ctx, store.HomeserverLane(localpart)); err != nil {
		return err
	}
	refused, err := a.server.store.ResetRefused(ctx, localpart, a.server.clock.Now().Add(-recently))
	if err == nil && refused {
		err = errRefused
	}
	return err
}
