// Package loginhint reads the login_hint parameter (OpenID Connect Core
// §3.1.2.1, MSC4198; conformance C-50): whom a client expects to sign in.
package loginhint

import "strings"

// maxLength is the longest hint that is looked at, in bytes: that of an e-mail
// address (RFC 5321 §4.5.3.1).
const maxLength = 320

// Hint is what a hint says. At most one field is set, and none for a hint that
// is of no use here.
type Hint struct {
	// Localpart is that of a Matrix user ID of this server.
	Localpart string
	// Email is an address, as the client wrote it.
	Email string
}

// Parse reads a hint: a Matrix user ID, with the prefix mxid: of MSC4198 or
// without it, the localpart of one, or an e-mail address. A user of another
// server is nobody here, and so is what has another format. It says nothing
// about whether the user exists.
func Parse(raw, serverName string) Hint {
	if len(raw) > maxLength {
		return Hint{}
	}
	id, prefixed := strings.CutPrefix(raw, "mxid:")
	if rest, ok := strings.CutPrefix(id, "@"); ok {
		localpart, server, _ := strings.Cut(rest, ":")
		if server != serverName || !isLocalpart(localpart) {
			return Hint{}
		}
		return Hint{Localpart: localpart}
	}
	switch {
	case prefixed:
		return Hint{}
	case isLocalpart(raw):
		return Hint{Localpart: raw}
	case isEmail(raw):
		return Hint{Email: raw}
	}
	return Hint{}
}

// Text is the hint for a login form, or "".
func (h Hint) Text() string { return h.Localpart + h.Email }

const (
	lower   = "abcdefghijklmnopqrstuvwxyz"
	letters = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// isLocalpart is the grammar of the Matrix specification (appendix "User
// Identifiers").
func isLocalpart(s string) bool {
	return s != "" && strings.Trim(s, lower+digits+"._=/+-") == ""
}

// isEmail tells whether s looks like an address: what RFC 5322 §3.2.3 calls an
// atom with dots, and a host name.
func isEmail(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && strings.Trim(local, letters+digits+".!#$%&'*+-/=?^_`{|}~") == "" &&
		domain != "" && strings.Trim(domain, letters+digits+".-") == ""
}
