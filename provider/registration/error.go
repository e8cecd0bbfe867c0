package registration

import (
	"strings"

	"keymaker/provider/errtext"
)

// The error codes of RFC 7591 §3.2.2 that are in use.
const (
	InvalidRedirectURI    = "invalid_redirect_uri"
	InvalidClientMetadata = "invalid_client_metadata"
)

// Error is a refused registration; the answer is 400 with these two members
// (RFC 7591 §3.2.2, conformance B-02).
type Error struct {
	Code string
	// Member is the member of the metadata that is refused, or "".
	Member string
	// Description says which rule, which value, and what would be accepted. It
	// holds no character that RFC 6749 §5.2 forbids in error_description.
	Description string
}

// Error returns code and description.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

// refuse is the refusal of the value of a member.
func refuse(member, value, reason string) *Error {
	return invalid(errtext.Clean(member) + " " + errtext.Quote(value) + " is refused: " + errtext.Clean(reason)).of(member)
}

// of names the member that is refused.
func (e *Error) of(member string) *Error {
	e.Member = member
	return e
}

// invalid is the refusal of the metadata with a description that is clean.
func invalid(description string) *Error {
	return &Error{Code: InvalidClientMetadata, Description: description}
}

// oneOf lists accepted values for the end of a sentence.
func oneOf(values []string) string {
	return "accepted: " + strings.Join(values, ", ")
}
