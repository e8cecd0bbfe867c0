package registration

import (
	"encoding/json"
	"errors"
	"strings"

	"keymaker/provider/clienturi"
	"keymaker/provider/redirect"
)

// logout reads where a person may be sent after a logout, by the rules of
// redirect URIs, and where the client is told that a session has ended (B-27).
func (r *reader) logout() error {
	uris, err := r.doc.list("post_logout_redirect_uris")
	if err != nil {
		return err
	}
	for _, uri := range uris {
		var refused *redirect.Error
		if err := redirect.Validate(uri, r.redirectRules()); errors.As(err, &refused) {
			return refuse("post_logout_redirect_uris", uri, refused.Reason)
		}
	}
	r.m.PostLogoutRedirectURIs = uris
	if r.m.BackchannelLogoutURI, err = r.calledURI("backchannel_logout_uri"); err != nil {
		return err
	}
	const member = "backchannel_logout_session_required"
	if !r.doc.has(member) {
		return nil
	}
	if err := json.Unmarshal(r.doc[member], &r.m.BackchannelSessionRequired); err != nil {
		return invalid(member + " must be true or false").of(member)
	}
	return nil
}

// calledURI is an address at the client's host that this server calls. On
// a loopback issuer, where clients are developed, it can be a loopback address,
// and so it can for a client that the administrator wrote down.
func (r *reader) calledURI(name string) (string, error) {
	raw, err := r.doc.text(name)
	switch {
	case err != nil || raw == "":
		return "", err
	case strings.Contains(raw, "#"):
		return "", refuse(name, raw, "it must not have a fragment")
	case (r.policy.LoopbackIssuer || r.policy.Configured) && redirect.IsLoopback(raw) && clienturi.Check(raw) == nil:
		return raw, nil
	}
	return r.webURI(name)
}
