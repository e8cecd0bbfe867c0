package provider

import (
	"net/url"
	"strings"
)

// AuthorizationResponse is what the browser carries back to the client.
type AuthorizationResponse struct {
	RedirectURI string // a registered one, byte for byte
	Mode        string // "query" or "fragment"
	Params      url.Values
}

// URL is where the browser is sent. The redirect URI keeps every byte it was
// registered with: parameters are added to its query or its fragment
// (conformance C-20).
func (r AuthorizationResponse) URL() string {
	params := r.Params.Encode()
	if r.Mode == "fragment" {
		return r.RedirectURI + "#" + params
	}
	separator := "?"
	if strings.Contains(r.RedirectURI, "?") {
		separator = "&"
	}
	target := r.RedirectURI + separator + params
	if strings.HasPrefix(target, "http") {
		// An empty fragment of its own keeps the browser from passing on that
		// of the page before (conformance C-22).
		target += "#"
	}
	return target
}
