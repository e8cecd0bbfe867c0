package scope

import (
	"slices"
	"strings"
)

// Set is a granted scope. The zero value grants nothing. A Set does not change
// after Parse has returned it.
type Set struct {
	tokens []string // as the client spelled them
	device string
}

// Tokens returns the granted tokens in the client's spelling and order; a
// generated device is the last.
func (s Set) Tokens() []string { return slices.Clone(s.tokens) }

// String returns the scope parameter: Tokens with one space between. Parse
// reads it back to the same Set.
func (s Set) String() string { return strings.Join(s.tokens, " ") }

// Device returns the device id, or "" when the scope has no device.
func (s Set) Device() string { return s.device }

// HasAPI says whether the Matrix client-server API may be used.
func (s Set) HasAPI() bool { return s.Has(API) }

// Administers says whether there is a token in it that only administrators of
// the homeserver are granted (conformance C-3D).
func (s Set) Administers() bool { return slices.ContainsFunc(Administration(), s.Has) }

// WithoutAdministration returns the set for somebody who is no administrator.
func (s Set) WithoutAdministration() Set {
	s.tokens = slices.DeleteFunc(s.Tokens(), func(t string) bool { return slices.Contains(Administration(), t) })
	return s
}

// Has says whether token is granted, whichever of its spellings is used here
// and was used by the client. Whole tokens are compared, never parts of them
// (conformance F-32).
func (s Set) Has(token string) bool {
	token = stable(token)
	return slices.ContainsFunc(s.tokens, func(t string) bool { return stable(t) == token })
}

// Narrow checks the scope parameter of a refresh against the granted scope:
// it may leave tokens out and spell them differently, and anything that was
// not granted is an *Error (RFC 6749 §6, conformance D-22). An empty parameter
// asks for what was granted.
func (s Set) Narrow(raw string) error {
	if raw == "" {
		return nil
	}
	tokens, err := split(raw)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if !s.Has(t) {
			return refuse(t, "it was not granted; a refresh may only ask for "+s.String())
		}
	}
	return nil
}

// Introspection returns the tokens for the introspection response: the granted
// ones, and both spellings of the api and of the device, because a homeserver
// looks for the one it knows (conformance F-04).
func (s Set) Introspection() []string {
	tokens := s.Tokens()
	var twins []string
	if s.HasAPI() {
		twins = append(twins, API, APIUnstable)
	}
	if s.device != "" {
		twins = append(twins, DevicePrefix+s.device, DevicePrefixUnstable+s.device)
	}
	for _, t := range twins {
		if !slices.Contains(tokens, t) {
			tokens = append(tokens, t)
		}
	}
	return tokens
}

// stable returns the stable spelling of a token.
func stable(token string) string {
	if token == APIUnstable {
		return API
	}
	if id, ok := strings.CutPrefix(token, DevicePrefixUnstable); ok {
		return DevicePrefix + id
	}
	return token
}
