package registration

import (
	"errors"
	"net/url"
	"slices"

	"keymaker/provider/clienturi"
	"keymaker/provider/redirect"
)

// clientURI reads client_uri, to whose host all other URIs of the client are
// bound (B-10, B-12).
func (r *reader) clientURI() error {
	raw, err := r.doc.text("client_uri")
	if err != nil {
		return err
	}
	if raw == "" {
		if r.policy.RequireClientURI {
			return invalid("client_uri is missing: it must be the https address of the client's web site").of("client_uri")
		}
		return nil
	}
	u, err := clienturi.ParseHTTPS(raw)
	if err == nil && !r.policy.Configured {
		err = clienturi.CheckBase(u.Hostname())
	}
	if err != nil {
		return refuse("client_uri", raw, err.Error())
	}
	r.m.ClientURI, r.client = raw, u
	return nil
}

// otherURIs reads the addresses that are shown to the person (B-14, B-15).
func (r *reader) otherURIs() (err error) {
	if r.m.LogoURI, err = r.webURI("logo_uri"); err != nil {
		return err
	}
	if r.m.TOSURI, err = r.webURI("tos_uri"); err != nil {
		return err
	}
	if r.m.PolicyURI, err = r.webURI("policy_uri"); err != nil {
		return err
	}
	return nil
}

// webURI returns a member that must be an https address at the client's host.
func (r *reader) webURI(name string) (string, error) {
	raw, err := r.doc.text(name)
	if err != nil || raw == "" {
		return "", err
	}
	u, err := clienturi.ParseHTTPS(raw)
	if err == nil {
		err = r.checkHost(u)
	}
	if err != nil {
		return "", refuse(name, raw, err.Error())
	}
	return raw, nil
}

// checkHost is the rule of the base host (B-11). Without client_uri there is
// nothing to compare with.
func (r *reader) checkHost(u *url.URL) error {
	if r.client != nil && !r.policy.Configured && !clienturi.Within(u.Hostname(), r.client.Hostname()) {
		return errors.New("its host must be the host of client_uri, " + r.client.Hostname() + ", or a subdomain of it")
	}
	return nil
}

// redirectURIs reads redirect_uris: at least one for the code grant (B-18), and
// one bad URI refuses the registration (B-36).
func (r *reader) redirectURIs() error {
	uris, err := r.doc.list("redirect_uris")
	if err != nil {
		return err
	}
	if len(uris) == 0 && slices.Contains(r.m.GrantTypes, AuthorizationCode) {
		return &Error{InvalidRedirectURI, "redirect_uris", "redirect_uris is missing or empty: the grant type authorization_code needs at least one"}
	}
	for _, uri := range uris {
		if err := redirect.Validate(uri, r.redirectRules()); err != nil {
			return &Error{InvalidRedirectURI, "redirect_uris", err.Error()}
		}
	}
	r.m.RedirectURIs = uris
	return nil
}

// redirectRules are the rules for the client's redirect URIs.
func (r *reader) redirectRules() redirect.Rules {
	rules := redirect.Rules{
		Type:         r.m.ApplicationType,
		ClientURI:    r.client,
		AllowedHosts: r.policy.AllowedRedirectHosts,
		Configured:   r.policy.Configured,
	}
	if r.policy.Configured {
		rules.ClientURI = nil
	}
	return rules
}
