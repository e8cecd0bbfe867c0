package provider

import (
	"errors"

	"github.com/ory/fosite"

	"keymaker/store"
)

// errRefreshExpired says that a refresh token has lived too long.
var errRefreshExpired = errors.New("the refresh token has expired")

// RefreshOutcome says in one word what became of a refresh: fresh, replayed (the
// answer was lost, and given again), or why it was refused. Unknown is a token
// of a session that has ended, too.
func RefreshOutcome(replayed bool, err error) string {
	switch {
	case err == nil && replayed:
		return "replayed"
	case err == nil:
		return "fresh"
	case errors.Is(err, store.ErrReused), errors.Is(err, fosite.ErrInactiveToken):
		return "reused"
	case errors.Is(err, errRefreshExpired), errors.Is(err, fosite.ErrTokenExpired):
		return "expired"
	case errors.Is(err, ErrLocked):
		return "locked"
	case errors.Is(err, ErrDeactivated):
		return "deactivated"
	case errors.Is(err, ErrUnknownToken):
		return "unknown"
	}
	switch e := AsError(err); {
	case e.Temporary():
		return "unavailable"
	case e.Code == "invalid_grant":
		return "unknown"
	case e.Code == "invalid_client", e.Code == "unauthorized_client":
		return "client"
	case e.Code == "invalid_scope":
		return "scope"
	}
	return "malformed"
}
