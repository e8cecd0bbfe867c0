package provider

import (
	"net/url"
	"strings"
)

// The response modes (OAuth 2.0 Multiple Response Type Encoding Practices §2.1,
// OAuth 2.0 Form Post Response Mode §2).
const (
	ModeQuery    = "query"
	ModeFragment = "fragment"
	ModeFormPost = "form_post"
)

// responseModes are the accepted values of response_mode, for the metadata
// document too (conformance A-03h).
func responseModes() []string { return []string{ModeQuery, ModeFragment, ModeFormPost} }

// AuthorizationResponse is what the browser carries back to the client.
type AuthorizationResponse struct {
	RedirectURI string // a registered one, byte for byte
	Mode        string // one of the response modes
	Params      url.Values
	// OpensApp: a person has to follow it, as an application is opened
	// (conformance C-27).
	OpensApp bool
}

// URL is where the browser is sent, but in ModeFormPost. The redirect URI keeps
// every byte it was registered with: parameters are added to its query or its
// fragment (conformance C-20).
func (r AuthorizationResponse) URL() string {
	if r.Mode == ModeFragment {
		return r.RedirectURI + "#" + r.Params.Encode()
	}
	target := withQuery(r.RedirectURI, r.Params)
	if strings.HasPrefix(target, "http") {
		// An empty fragment of its own keeps the browser from passing on that
		// of the page before (conformance C-22).
		target += "#"
	}
	return target
}

// withQuery adds parameters to the query of a redirect URI, which has no
// fragment and keeps every byte.
func withQuery(uri string, params url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + params.Encode()
}
