package registration

import (
	"slices"
	"strings"

	"keymaker/provider/scope"
)

// ownScope reads what a configured client may ask for in its own name. Nobody
// who registers can claim that, and there the member is unknown (B-05).
func (r *reader) ownScope() error {
	if !r.policy.Configured {
		return nil
	}
	raw, err := r.doc.text("scope")
	if err != nil || raw == "" {
		return err
	}
	if !slices.Contains(r.m.GrantTypes, ClientCredentials) {
		return refuse("scope", raw, "it is what the client may ask for in its own name, and "+ClientCredentials+" is not among its grant_types")
	}
	tokens := strings.Fields(raw)
	if i := slices.IndexFunc(tokens, scope.Personal); i >= 0 {
		return refuse("scope", tokens[i], "it is about a person, and a client in its own name is none")
	}
	r.m.Scope = strings.Join(tokens, " ")
	return nil
}
