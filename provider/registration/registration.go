// Package registration holds the rules of dynamic client registration: what a
// client may say about itself, what is kept of it, and what a refusal tells
// (RFC 7591, MSC2966; conformance B.1 to B.4).
package registration

import "net/url"

// MaxBody is the longest registration request in bytes (conformance B-06).
const MaxBody = 16 << 10

// Policy is what the administrator decides about registrations.
type Policy struct {
	// RequireClientURI refuses clients without client_uri
	// (oidc_registration_require_client_uri). Without one nothing ties the
	// client's redirect URIs to a host.
	RequireClientURI bool
	// AllowedRedirectHosts, when not empty, are the only hosts of https redirect
	// URIs (oidc_registration_allowed_redirect_hosts).
	AllowedRedirectHosts []string
	// Configured is for a client that the administrator wrote into the
	// configuration, and so trusts: the rules that keep strangers apart do not
	// apply to it (hosts need not be client_uri's, a loopback redirect may have a
	// port), and nothing is pruned or cut, but refused (conformance B-46).
	Configured bool
	// RS256 accepts RS256 for ID tokens and userinfo, beside ES256: there is a
	// key for it.
	RS256 bool
	// NoDeviceGrant is for a server that does not offer the device grant.
	NoDeviceGrant bool
	// LoopbackIssuer is for a server on a loopback address: it can reach clients
	// there.
	LoopbackIssuer bool
}

// Parse reads the body of a registration request and returns the metadata that
// is registered: members that this server does not use are dropped (B-05),
// values that it does not offer are pruned where the specification asks for it
// (B-19, B-20), and defaults are filled in (B-22 to B-24). What Parse accepts it
// accepts again, unchanged, when it is given the result as JSON.
//
// Every error is an *Error.
func Parse(body []byte, policy Policy) (*Metadata, error) {
	doc, err := readDocument(body)
	if err != nil {
		return nil, err
	}
	r := reader{doc: doc, policy: policy}
	steps := []func() error{
		r.application, r.authMethod, r.algorithms, r.grantTypes, r.responseTypes, r.ownScope,
		r.clientURI, r.keys, r.otherURIs, r.redirectURIs, r.logout, r.texts, r.localized,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &r.m, nil
}

// reader fills in the metadata from the request, one group of members a method.
type reader struct {
	doc    document
	policy Policy
	client *url.URL // client_uri once it is checked, or nil
	m      Metadata
}
