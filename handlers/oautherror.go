package handlers

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"keymaker/provider"
	"keymaker/provider/errtext"
)

// retryAfter is how long (seconds) a client is asked to wait when the fault is
// ours.
const retryAfter = 2

// oauthFailure answers with an OAuth error (RFC 6749 §5.2), the one way in
// which every OAuth endpoint does. The log has the cause.
func (s *Server) oauthFailure(w http.ResponseWriter, r *http.Request, err error) {
	e := provider.AsError(asOAuth(err))
	s.logFailure(r, e.Status, e)
	var many tooManyError
	switch {
	case errors.As(err, &many):
		many.tell(w.Header())
	case e.Temporary():
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	}
	if c := challenge(r, e.Code); e.Status == http.StatusUnauthorized && c != "" {
		w.Header().Set("WWW-Authenticate", c)
	}
	writeJSON(w, e.Status, map[string]string{"error": e.Code, "error_description": e.Description})
}

// challenge is the WWW-Authenticate header of a 401 (RFC 6749 §5.2, RFC 6750
// §3). To a client that did not use the header to name itself it is empty, for
// a browser would ask the person for a password.
func challenge(r *http.Request, code string) string {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case code != "invalid_client":
		return `Bearer error="` + code + `"`
	case strings.EqualFold(scheme, "Basic"):
		return `Basic realm="keymaker", charset="UTF-8"`
	}
	return ""
}

// asOAuth says in OAuth's words what is wrong with the shape of a request.
func asOAuth(err error) error {
	var repeated repeatedError
	var many tooManyError
	switch {
	case errors.As(err, &many):
		return &provider.Error{Status: http.StatusTooManyRequests, Code: cmp.Or(many.code, "temporarily_unavailable"), Description: errtext.Clean(err.Error())}
	case errors.Is(err, errTooLarge), errors.Is(err, errContentType), errors.Is(err, errMalformed), errors.As(err, &repeated):
		return &provider.Error{Status: http.StatusBadRequest, Code: "invalid_request", Description: errtext.Clean(err.Error())}
	}
	return err
}
