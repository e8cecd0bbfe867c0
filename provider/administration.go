package provider

import (
	"context"
	"slices"

	"keymaker/internal/config"
	"keymaker/provider/scope"
	"keymaker/store"
)

// Administers tells whether a user administers the homeserver, because the
// configuration names them or the claims of an identity provider mark them
// (conformance C-3D). Somebody who is locked out or suspended does not.
func Administers(c *config.Config, localpart string, a store.Account) bool {
	if a.Locked || a.Suspended || a.Deactivated {
		return false
	}
	return slices.Contains(c.AdminUsers, localpart) || c.MarksAdministrators(a.MarkedAdminBy)
}

// Held is what a session may do now. Who administers the homeserver no longer
// has lost that in every session, and the rest of it goes on.
func Held(c *config.Config, s *store.Session) scope.Set {
	granted := scope.Stored(s.Scope)
	if granted.Administers() && !Administers(c, s.Login.Localpart, s.Account) {
		return granted.WithoutAdministration()
	}
	return granted
}

// mayHave is what of a requested scope a person who has signed in may have, and
// so what they are asked about: the rest is left out, as what is not known is
// (conformance C-3A).
func (p *Provider) mayHave(ctx context.Context, requested scope.Set, localpart string) (scope.Set, error) {
	if !requested.Administers() {
		return requested, nil
	}
	user, err := p.store.User(ctx, localpart)
	if err != nil {
		return scope.Set{}, err
	}
	if !Administers(p.config, localpart, user.Account) {
		return requested.WithoutAdministration(), nil
	}
	return requested, nil
}
