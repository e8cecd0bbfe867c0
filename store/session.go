package store

import (
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/token/jwt"
)

// Login says who signed in, and where.
type Login struct {
	Localpart       string
	ProviderID      string
	UpstreamIssuer  string
	UpstreamSubject string
	AuthTime        time.Time
	// BrowserHash is the hash of the cookie of the browser in which the person
	// signed in; "" where it is not known.
	BrowserHash string
}

// Session is fosite's session of a grant, rebuilt from columns at every use.
type Session struct {
	ID       string
	UserID   string // the full Matrix user ID, and the subject of ID tokens
	DeviceID string // "" for a session without the Matrix API
	ClientID string
	Kind     SessionKind
	Scope    string
	Login    Login
	Nonce    string
	Account  Account

	// Of the token at hand: a code to be stored, an access token to be stored
	// or looked up. A zero ExpiresAt means never.
	IssuedAt, ExpiresAt time.Time
	// RefreshExpiresAt is the end of the refresh token; zero = never.
	RefreshExpiresAt time.Time
	// Challenge is the PKCE challenge of a code to be stored.
	Challenge Challenge
	// Requester and PollInterval are of a device grant to be stored.
	Requester    Requester
	PollInterval time.Duration
	// DeviceName names the device of a code that is exchanged.
	DeviceName string
	// FirstRefresh is the key of the refresh token that begins with a session,
	// Presented that of the one that is being exchanged.
	FirstRefresh string
	Presented    RefreshKey
	// Ended is set when the session is over, and ClientGone when it belongs to a
	// client that is no longer configured: it lives, and its tokens are not
	// accepted.
	Ended, ClientGone bool
	// Rotation is what a refresh token's successor is made from.
	Rotation Rotation

	claims *jwt.IDTokenClaims
	use    use
}

// SessionKind tells who may refresh a session: the token endpoint or the
// legacy API (conformance D-2D).
type SessionKind string

// The kinds of session.
const (
	OAuth  SessionKind = "oauth"
	Legacy SessionKind = "legacy"
	// OfClient is the kind of what is no session: a client's token in its own
	// name. It is never stored as one.
	OfClient SessionKind = "client"
)

// Challenge is a PKCE code challenge (RFC 7636 §4.2).
type Challenge struct {
	Value, Method string
}

// Account is the state of the user that a session belongs to.
type Account struct {
	Locked, Suspended, Deactivated bool
	// MarkedAdminBy is the identity provider whose claims mark the user as an
	// administrator of the homeserver; "" for none.
	MarkedAdminBy string
}

// Rotation tells how the successor of the presented refresh token is derived.
type Rotation struct {
	Seed       []byte
	Generation int64 // of the successor
	// Replay: the successor was made before, and must be the same again.
	Replay bool
	// ReplayedAt is when it was made first.
	ReplayedAt time.Time
}

var _ openid.Session = (*Session)(nil)

// IDTokenClaims implements openid.Session. fosite needs the subject of it, and
// leaves the hash of the access token in it; the rest of an ID token is made
// from the fields, by the clock of the server.
func (s *Session) IDTokenClaims() *jwt.IDTokenClaims {
	if s.claims == nil {
		s.claims = &jwt.IDTokenClaims{Subject: s.UserID}
	}
	return s.claims
}

// IDTokenHeaders implements openid.Session.
func (s *Session) IDTokenHeaders() *jwt.Headers { return &jwt.Headers{} }

// SetExpiresAt implements fosite.Session. It does nothing: fosite stamps with
// the machine's clock, and the store with the server's.
func (s *Session) SetExpiresAt(fosite.TokenType, time.Time) {}

// GetExpiresAt implements fosite.Session.
func (s *Session) GetExpiresAt(t fosite.TokenType) time.Time {
	if t == fosite.AccessToken {
		return s.ExpiresAt
	}
	return time.Time{}
}

// GetUsername implements fosite.Session.
func (s *Session) GetUsername() string { return s.Login.Localpart }

// GetSubject implements fosite.Session.
func (s *Session) GetSubject() string { return s.UserID }

// Clone implements fosite.Session. The claims are made anew from the fields.
func (s *Session) Clone() fosite.Session {
	c := *s
	c.claims = nil
	return &c
}
