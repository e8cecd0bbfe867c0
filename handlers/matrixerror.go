package handlers

import (
	"errors"
	"net/http"
	"strconv"

	"keymaker/provider"
	"keymaker/store"
)

// matrixError is an error of the Matrix client-server API.
type matrixError struct {
	status     int
	Code       string `json:"errcode"`
	Message    string `json:"error"`
	SoftLogout *bool  `json:"soft_logout,omitempty"`
	RetryAfter int64  `json:"retry_after_ms,omitempty"` // milliseconds
	// MSC4108 is the errcode that the proposal has and the specification not yet.
	MSC4108 string `json:"org.matrix.msc4108.errcode,omitempty"`
}

func (e *matrixError) Error() string { return e.Code + ": " + e.Message }

func mxError(status int, code, message string) *matrixError {
	return &matrixError{status: status, Code: code, Message: message}
}

// softly tells the client that logging in again, or refreshing, keeps the
// session (CS-API "Soft logout").
func (e *matrixError) softly() *matrixError {
	yes := true
	e.SoftLogout = &yes
	return e
}

// matrixFailure answers with a Matrix error, the one way in which every
// endpoint below /_matrix does.
func (s *Server) matrixFailure(w http.ResponseWriter, r *http.Request, err error) {
	e := asMatrix(err)
	s.logFailure(r, e.status, err)
	var many tooManyError
	switch {
	case errors.As(err, &many):
		many.tell(w.Header())
	case e.status >= http.StatusInternalServerError, e.status == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	writeJSON(w, e.status, e)
}

// asMatrix says in Matrix's words what went wrong. An outage is never a 401:
// clients would throw their session away (conformance K-07).
func asMatrix(err error) *matrixError {
	var ours *matrixError
	var many tooManyError
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &many):
		limited := mxError(http.StatusTooManyRequests, "M_LIMIT_EXCEEDED", "Too many requests at once: wait a moment.")
		limited.RetryAfter = many.wait.Milliseconds() + 1
		return limited
	case errors.Is(err, store.ErrUnavailable):
	case errors.Is(err, provider.ErrUnknownToken):
		return mxError(http.StatusUnauthorized, "M_UNKNOWN_TOKEN", "The access token is unknown or its session has ended.")
	case errors.Is(err, provider.ErrExpiredToken):
		return mxError(http.StatusUnauthorized, "M_UNKNOWN_TOKEN", "The access token has expired: refresh it.").softly()
	case errors.Is(err, provider.ErrLocked):
		return mxError(http.StatusUnauthorized, "M_USER_LOCKED", "This account has been locked by an administrator.").softly()
	case errors.Is(err, provider.ErrDeactivated):
		return mxError(http.StatusForbidden, "M_USER_DEACTIVATED", "This account has been deactivated.")
	case errors.Is(err, store.ErrNotFound):
		return mxError(http.StatusNotFound, "M_NOT_FOUND", "There is no such thing here.")
	case errors.Is(err, store.ErrIsKey): // conformance C-39
		return mxError(http.StatusForbidden, "M_FORBIDDEN", "A device cannot be called like a cross-signing key of its user.")
	case errors.Is(err, store.ErrTooMany):
		return mxError(http.StatusTooManyRequests, "M_LIMIT_EXCEEDED", "There are too many of these: wait a moment.")
	case errors.Is(err, errTooLarge):
		return mxError(http.StatusRequestEntityTooLarge, "M_TOO_LARGE", "The request is too large.")
	}
	return mxError(http.StatusServiceUnavailable, "M_UNKNOWN", "The server cannot answer right now. Try again.")
}
