package provisioning

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
)

// What a call can end in. They are found with errors.Is.
var (
	// ErrUnavailable: nobody knows whether the call was done. It was not
	// answered, or not in time, or with garbage, or by saying that something is
	// wrong there. The same call may work later.
	ErrUnavailable = errors.New("the homeserver is not available")
	// ErrSecret: the homeserver does not take our secret for its own.
	ErrSecret = errors.New("the homeserver refuses our secret")
	// ErrDisabled: what answers does not know the call.
	ErrDisabled = errors.New("the homeserver takes no provisioning: it is not enabled there, or the endpoint is another server")
	// ErrNotFound: there is no such user or, for UpdateDeviceDisplayName, no
	// such device.
	ErrNotFound = errors.New("the homeserver has no such user or device")
	// ErrNameInUse: somebody has the name, perhaps in other letter case or
	// formerly.
	ErrNameInUse = errors.New("the homeserver has this user name already")
	// ErrNameInvalid: the homeserver gives nobody such a name.
	ErrNameInvalid = errors.New("the homeserver allows no such user name")
	// ErrNameExclusive: the name belongs to an application service.
	ErrNameExclusive = errors.New("the homeserver reserves this user name")
)

// Refused is any other answer that says no. The same call would be refused
// again.
type Refused struct {
	// Status is 400 to 499.
	Status int
	// Errcode is Matrix's name for the reason, such as M_TOO_LARGE, or "" when
	// the answer has none. The text beside it is not kept: it may hold a name.
	Errcode string
}

// Error implements error.
func (r *Refused) Error() string {
	return "the homeserver refuses this: " + reason(r.Status, r.Errcode)
}

// reason says what was answered.
func reason(status int, errcode string) string {
	text := fmt.Sprintf("it answered %d %s", status, http.StatusText(status))
	if errcode != "" {
		text += ", " + errcode
	}
	return text
}

// failure is an ErrUnavailable.
type failure struct {
	// words say what happened, and hold nothing that was sent.
	words string
	// cause is the end of a context, or nil.
	cause error
	// effect is what the failure means for the calls after it.
	effect effect
}

// Error implements error.
func (f *failure) Error() string { return ErrUnavailable.Error() + ": " + f.words }

// Unwrap makes errors.Is find ErrUnavailable, and the end of a context.
func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{ErrUnavailable}
	}
	return []error{ErrUnavailable, f.cause}
}

// codes are the answers with 400 that have an error of their own.
var codes = map[string]error{"M_USER_IN_USE": ErrNameInUse, "M_INVALID_USERNAME": ErrNameInvalid, "M_EXCLUSIVE": ErrNameExclusive}

// errorOf is what an answer means that is no success.
func errorOf(status int, errcode string) error {
	switch {
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return &failure{words: reason(status, errcode), effect: lost}
	case status >= 500, status == http.StatusTooManyRequests:
		return &failure{words: reason(status, errcode)}
	case status < 400:
		return &failure{words: reason(status, errcode) + ", which is not followed: the endpoint must be where the homeserver itself answers"}
	case status == http.StatusNotFound && errcode == "M_NOT_FOUND":
		return ErrNotFound
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return fmt.Errorf("%w (%s)", ErrDisabled, reason(status, errcode))
	case status == http.StatusUnauthorized, status == http.StatusForbidden && errcode != "M_FORBIDDEN":
		return fmt.Errorf("%w (%s)", ErrSecret, reason(status, errcode))
	case status == http.StatusBadRequest && codes[errcode] != nil:
		return codes[errcode]
	}
	return &Refused{Status: status, Errcode: errcode}
}

var wellFormed = regexp.MustCompile(`^[A-Za-z0-9_.]{1,64}$`)

// printable is an errcode as it may be logged.
func printable(errcode string) string {
	if !wellFormed.MatchString(errcode) {
		return ""
	}
	return errcode
}
