// Package scope reads the scope parameter by the rules of Matrix (MSC2967;
// conformance C-30 to C-3D): which tokens exist, that one session has one
// device, and what is granted when a client asks for more.
package scope

import (
	"slices"
	"strings"

	"keymaker/internal/secret"
)

// The scope tokens that can be granted. The two device tokens are prefixes:
// the device id follows. The stable and the unstable spelling of one token mean
// the same; shipping clients use one or the other.
const (
	OpenID        = "openid"
	Profile       = "profile"
	Email         = "email"
	OfflineAccess = "offline_access" // a session has a refresh token with or without it

	API                  = "urn:matrix:client:api:*"
	APIUnstable          = "urn:matrix:org.matrix.msc2967.client:api:*"
	DevicePrefix         = "urn:matrix:client:device:"
	DevicePrefixUnstable = "urn:matrix:org.matrix.msc2967.client:device:"
)

// The scope tokens that only administrators of the homeserver are granted
// (conformance C-3D): Synapse's, and that of the Matrix specification (MSC4484,
// unstable).
const (
	SynapseAdmin         = "urn:synapse:admin:*"
	ServerAdministration = "urn:matrix:client:server_administration"
)

// Administration returns the tokens that only administrators are granted.
func Administration() []string { return []string{SynapseAdmin, ServerAdministration} }

// accepted ends the messages about a token that is not known.
const accepted = "accepted are openid, profile, email, offline_access, " + API + " and " + DevicePrefix + "<id>"

// Supported returns the tokens for scopes_supported in the metadata document.
// Device tokens are not in it, as every device has its own (conformance A-03u).
func Supported() []string {
	return []string{OpenID, Profile, Email, OfflineAccess, API}
}

// Options are the administrator's choices. The zero value is the default: an
// unknown token is dropped, and a missing device is made up.
type Options struct {
	// Strict refuses an unknown token instead of dropping it (oidc_strict_scope).
	Strict bool
	// RequireDevice refuses the api scope without a device scope instead of
	// generating a device id (oidc_require_device_scope).
	RequireDevice bool
	// Administration knows the tokens of administrators. Who has asked is not
	// known yet: the caller takes them from everybody else (WithoutAdministration).
	Administration bool
	// NewDevice generates a device id; nil is the NewDevice of this package.
	NewDevice func() string
}

// NewDevice returns a random device id: 10 upper-case letters and digits, as
// homeservers generate them.
func NewDevice() string {
	return strings.ToUpper(secret.Letters(10))
}

// Parse reads the scope parameter of an authorization request and returns what
// is granted. Tokens keep the client's spelling and order (C-3C); repetitions
// collapse; unknown tokens are dropped, or refused when opts say so (C-3A); a
// device is generated for an api scope without one (C-35).
//
// Every error is an *Error.
func Parse(raw string, opts Options) (Set, error) {
	tokens, err := split(raw)
	if err != nil {
		return Set{}, err
	}
	var s Set
	for _, t := range tokens {
		if err := s.add(t, opts); err != nil {
			return Set{}, err
		}
	}
	if len(s.tokens) == 0 {
		return Set{}, refuse(raw, "nothing that was asked for is known; "+accepted)
	}
	if s.Administers() && !s.HasAPI() {
		return Set{}, refuse(raw, "the administration is only granted together with "+API)
	}
	if err := s.settleDevice(opts); err != nil {
		return Set{}, err
	}
	return s, nil
}

// split cuts a scope into its tokens by the grammar of RFC 6749 §3.3
// (conformance C-30).
func split(raw string) ([]string, error) {
	if raw == "" {
		return nil, refuse("", "it is missing or empty; ask for "+API+" and "+DevicePrefix+"<id>, or for openid")
	}
	tokens := strings.Split(raw, " ")
	for _, t := range tokens {
		if t == "" {
			return nil, refuse(raw, "there must be exactly one space between two tokens, and none before or after")
		}
		if i := strings.IndexFunc(t, illegal); i >= 0 {
			return nil, refuse(t, "a token is made of printable ASCII without space, double quote and backslash (RFC 6749 section 3.3)")
		}
	}
	return tokens, nil
}

// illegal is the complement of %x21 / %x23-5B / %x5D-7E.
func illegal(r rune) bool {
	return r < 0x21 || r > 0x7e || r == '"' || r == '\\'
}

// add takes one token into the set, or drops it because it is there already or
// unknown.
func (s *Set) add(token string, opts Options) error {
	id, isDevice := deviceID(token)
	switch {
	case slices.Contains(s.tokens, token):
		return nil
	case isDevice:
		if err := checkDevice(token, id); err != nil {
			return err
		}
		if s.device != "" && s.device != id {
			return refuse(token, "a session has one device, and another device was named before it")
		}
		s.device = id
	case !known(token, opts):
		if opts.Strict {
			return refuse(token, "it is not known; "+accepted)
		}
		return nil
	}
	s.tokens = append(s.tokens, token)
	return nil
}

// known tells whether a token without a device in it can be granted to anybody.
func known(token string, opts Options) bool {
	return token == APIUnstable || slices.Contains(Supported(), token) || opts.Administration && slices.Contains(Administration(), token)
}

// settleDevice makes sure that api and device come together (C-35, C-3B).
func (s *Set) settleDevice(opts Options) error {
	switch {
	case s.device != "" && !s.HasAPI():
		return refuse(DevicePrefix+s.device, "a device is only granted together with "+API)
	case s.device != "" || !s.HasAPI():
		return nil
	case opts.RequireDevice:
		return refuse(API, "it needs a device beside it: "+DevicePrefix+"<id>")
	}
	generate := opts.NewDevice
	if generate == nil {
		generate = NewDevice
	}
	s.device = generate()
	s.tokens = append(s.tokens, DevicePrefix+s.device)
	return nil
}
