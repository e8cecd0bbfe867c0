// Package e2ekeys reads and checks the public keys that clients upload for
// end-to-end encryption (client-server API, "End-to-end encryption" and
// "Cross-signing"): whose they are, whether they are well formed, and whether
// the signatures on them are right. It stores nothing.
package e2ekeys

// Reason is what kind of refusal an Error is.
type Reason int

// The reasons for which keys are refused.
const (
	// Malformed: what was sent is not what the specification has there.
	Malformed Reason = iota
	// Missing: something that is needed was not sent.
	Missing
	// BadSignature: a signature is missing or wrong.
	BadSignature
	// Forbidden: the key may not be used.
	Forbidden
	// Unknown: there is no such key.
	Unknown
)

// Error is why keys are refused. Text repeats nothing that was sent.
type Error struct {
	Reason Reason
	Text   string
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

func refuse(r Reason, text string) *Error { return &Error{Reason: r, Text: text} }

// Usage is what a cross-signing key is for (CS-API, CrossSigningKey).
type Usage string

// The usages.
const (
	Master      Usage = "master"
	SelfSigning Usage = "self_signing"
	UserSigning Usage = "user_signing"
)

// Usages are all of them, the one that signs the others first.
func Usages() []Usage { return []Usage{Master, SelfSigning, UserSigning} }
