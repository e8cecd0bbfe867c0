package provider

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/ory/fosite"

	"keymaker/provider/errtext"
	"keymaker/provider/scope"
	"keymaker/store"
)

// Error is an error that an OAuth client is told (RFC 6749 §5.2 and its kin).
type Error struct {
	Status      int
	Code        string // e.g. invalid_grant
	Description string // only characters that error_description may hold
	cause       error
}

// Error implements error. It is for the log, and holds the cause.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Code + ": " + e.Description
	}
	return e.Code + ": " + e.Description + ": " + e.cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Temporary tells whether the fault is ours: the client should try again with
// what it has.
func (e *Error) Temporary() bool { return e.Status >= http.StatusInternalServerError }

func oauthError(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Description: errtext.Clean(fmt.Sprintf(format, args...))}
}

func invalidRequest(format string, args ...any) *Error {
	return oauthError(http.StatusBadRequest, "invalid_request", format, args...)
}

func invalidGrant(format string, args ...any) *Error {
	return oauthError(http.StatusBadRequest, "invalid_grant", format, args...)
}

// because attaches what the log should know.
func (e *Error) because(cause error) *Error {
	e.cause = cause
	return e
}

// AsError turns any error into one that may be told. What is not the client's
// doing becomes 503 temporarily_unavailable, never a 4xx: clients take a 4xx at
// refresh for the end of their session (conformance D-03).
func AsError(err error) *Error {
	var ours *Error
	var badScope *scope.Error
	var theirs *fosite.RFC6749Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours) && (ours.Temporary() || !errors.Is(err, store.ErrUnavailable)):
		return ours
	case errors.Is(err, store.ErrUnavailable):
		return unavailable(err)
	case errors.As(err, &badScope):
		return oauthError(http.StatusBadRequest, "invalid_scope", "%s", badScope.Error())
	case errors.Is(err, store.ErrIsKey):
		return deviceIsKey()
	case errors.As(err, &theirs) && theirs.StatusCode() < http.StatusInternalServerError:
		return fromFosite(theirs).because(err)
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrNotFound):
		// fosite calls a lost race a server error.
		return invalidGrant("The code or token was used, revoked or has expired.").because(err)
	}
	return unavailable(err)
}

// deviceIsKey refuses a device id that is a cross-signing key of the user
// (conformance C-39).
func deviceIsKey() *Error {
	return oauthError(http.StatusBadRequest, "invalid_scope", "The device id cannot be used: choose another one.")
}

func unavailable(cause error) *Error {
	// Of fosite's errors only the code would be logged: what they wrap is wanted.
	var theirs *fosite.RFC6749Error
	for errors.As(cause, &theirs) && theirs.Unwrap() != nil {
		cause = theirs.Unwrap()
	}
	return oauthError(http.StatusServiceUnavailable, "temporarily_unavailable", "The server cannot answer right now. Try again with the same request.").because(cause)
}

// fromFosite keeps the error and its hint, which are made of the specification
// and of parameter names, and leaves out the debug text.
func fromFosite(e *fosite.RFC6749Error) *Error {
	description := e.GetDescription()
	if e.HintField != "" {
		description = e.HintField
	}
	return oauthError(e.StatusCode(), e.ErrorField, "%s", description)
}
