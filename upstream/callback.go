package upstream

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// Callback reads the provider's answer from the parameters of its redirect,
// once state has been matched by the caller, and returns the code. Errors are
// a *ProviderError when the provider answered with one, ErrUnverified when the
// answer is none, or that of another issuer (RFC 9207, conformance L-04), and
// ErrUnavailable.
func (p *Provider) Callback(ctx context.Context, params url.Values) (code string, err error) {
	for _, name := range []string{"code", "error", "iss", "state"} {
		if len(params[name]) > 1 {
			return "", unverified("the authorization response has " + name + " twice")
		}
	}
	s, err := p.sites.get(ctx)
	if err != nil {
		return "", err
	}
	if err := p.checkIssuerParameter(s, params); err != nil {
		return "", err
	}
	if code := params.Get("error"); code != "" {
		return "", newProviderError(code, params.Get("error_description"))
	}
	if code := params.Get("code"); code != "" {
		return code, nil
	}
	return "", unverified("the authorization response has neither code nor error")
}

func (p *Provider) checkIssuerParameter(s *site, params url.Values) error {
	iss := params.Get("iss")
	switch {
	case iss == "" && s.SendsIssuer:
		return unverified("the authorization response lacks the issuer that this provider always sends")
	case iss == "" || s.Issuer == "" || sameIssuer(iss, s.Issuer):
		return nil
	case p.isGitHub() && sameIssuer(iss, s.Issuer+"/login/oauth"):
		return nil
	}
	return unverified("the authorization response is that of another issuer")
}

// RejectsPKCE says that an error of Callback or Finish is the provider's
// refusal of PKCE, so that the login may be begun once more, with a state and
// a nonce of its own and with an empty Verifier.
//
// A provider that advertises S256 is never believed: such an answer comes from
// an injected code, or from whoever wants the protection off. One that does
// not advertise it must answer invalid_request and name what it refuses. Only
// the one login goes without: nothing is remembered, since the answer may have
// come through the browser.
func (p *Provider) RejectsPKCE(ctx context.Context, err error) bool {
	var refused *ProviderError
	if !errors.As(err, &refused) || refused.Code != "invalid_request" {
		return false
	}
	s, siteErr := p.sites.get(ctx)
	if siteErr != nil || slices.Contains(s.ChallengeMethods, "S256") {
		return false
	}
	text := strings.ToLower(refused.Description)
	return slices.ContainsFunc([]string{"code_challenge", "code_verifier", "pkce"}, func(name string) bool {
		return strings.Contains(text, name)
	})
}
