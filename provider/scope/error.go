package scope

import "keymaker/provider/errtext"

// Error is a refused scope. It always means the OAuth error invalid_scope.
type Error struct {
	// Value is the offending token or parameter as the client sent it, "" when
	// nothing was sent.
	Value string
	// Reason names the rule and what would be accepted.
	Reason string
}

// Error returns a sentence that may be sent as error_description: it holds no
// character that RFC 6749 §5.2 forbids there.
func (e *Error) Error() string {
	if e.Value == "" {
		return errtext.Clean("scope is refused: " + e.Reason)
	}
	return errtext.Clean("scope " + errtext.Quote(e.Value) + " is refused: " + e.Reason)
}

func refuse(value, reason string) *Error {
	return &Error{Value: value, Reason: reason}
}
