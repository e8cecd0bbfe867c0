package registration

import (
	"slices"
	"strings"
)

// The grant types that are served (RFC 6749 §4.1, §4.4, §6; RFC 8628).
const (
	AuthorizationCode = "authorization_code"
	RefreshToken      = "refresh_token"
	DeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"
	ClientCredentials = "client_credentials"
)

// ResponseTypeCode is the one response type that is served.
const ResponseTypeCode = "code"

// served lists the grant types of this server, here and nowhere else. A client
// needs at least one that starts something; the others only continue that.
var served = []struct {
	name  string
	opens bool
}{
	{AuthorizationCode, true},
	{RefreshToken, false},
	{DeviceCode, true},
	{ClientCredentials, true},
}

// GrantTypes returns the served grant types, for grant_types_supported in the
// metadata document too: with the device grant or without it (conformance G-05).
func GrantTypes(device bool) []string {
	var names []string
	for _, g := range served {
		if device || g.name != DeviceCode {
			names = append(names, g.name)
		}
	}
	return names
}

// grantTypes keeps the served ones of the client's grant types (B-20). Left
// out, they are the code and the refresh grant, because Matrix gives a refresh
// token with every session (B-22); a configured client without redirect URIs
// then has none, and only asks about tokens.
func (r *reader) grantTypes() error {
	if !r.doc.has("grant_types") {
		r.m.GrantTypes = []string{AuthorizationCode, RefreshToken}
		if r.policy.Configured && !r.doc.has("redirect_uris") {
			r.m.GrantTypes = []string{}
		}
		return nil
	}
	asked, err := r.doc.list("grant_types")
	if err != nil {
		return err
	}
	if r.policy.Configured {
		return r.configuredGrants(asked)
	}
	kept := slices.DeleteFunc(slices.Clone(asked), func(name string) bool { return !r.mayUse(name) })
	opening := r.opening()
	if !slices.ContainsFunc(kept, func(name string) bool { return slices.Contains(opening, name) }) {
		return refuse("grant_types", strings.Join(asked, " "), "none of them starts a session here; at least one of these must be among them: "+strings.Join(opening, ", "))
	}
	r.m.GrantTypes = kept
	return nil
}

// configuredGrants takes the grant types of a configured client as they are:
// none, for one that only asks about tokens, and a mistake is no wish to be
// pruned.
func (r *reader) configuredGrants(asked []string) error {
	for _, name := range asked {
		if !slices.Contains(GrantTypes(true), name) {
			return refuse("grant_types", name, oneOf(GrantTypes(true)))
		}
		if !r.mayUse(name) {
			return refuse("grant_types", name, "it is for a client that authenticates")
		}
	}
	r.m.GrantTypes = append([]string{}, asked...)
	return nil
}

// mayUse says whether a grant type is served to this client: nobody vouches for
// what a public client would get in its own name (conformance D-41).
func (r *reader) mayUse(grant string) bool {
	return slices.Contains(GrantTypes(!r.policy.NoDeviceGrant), grant) && (grant != ClientCredentials || r.m.Confidential())
}

// opening returns the grant types served to this client that start something.
func (r *reader) opening() []string {
	var names []string
	for _, g := range served {
		if g.opens && r.mayUse(g.name) {
			names = append(names, g.name)
		}
	}
	return names
}

// responseTypes keeps "code", which the code grant needs and nothing else uses
// (B-19).
func (r *reader) responseTypes() error {
	asked, err := r.doc.list("response_types")
	if err != nil {
		return err
	}
	if !slices.Contains(r.m.GrantTypes, AuthorizationCode) {
		return nil
	}
	if r.policy.Configured && len(asked) > 1 {
		return refuse("response_types", strings.Join(asked, " "), oneOf([]string{ResponseTypeCode}))
	}
	if r.doc.has("response_types") && !slices.Contains(asked, ResponseTypeCode) {
		return refuse("response_types", strings.Join(asked, " "), "the grant type authorization_code needs the response type code")
	}
	r.m.ResponseTypes = []string{ResponseTypeCode}
	return nil
}
