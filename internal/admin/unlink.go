package admin

import (
	"context"
	"errors"
	"slices"
	"strings"

	"keymaker/store"
)

// IdentityQuestion says which linked identity of a user is meant.
type IdentityQuestion struct {
	User     string `json:"user"`
	Provider string `json:"provider"`
	// Subject and Issuer tell it from others at the provider; "" where there is
	// no other.
	Subject string `json:"subject,omitempty"`
	Issuer  string `json:"issuer,omitempty"`
}

// LinkedIdentity is an identity of a user.
type LinkedIdentity struct {
	Identity

	UserID string `json:"user_id"`
	// Last: the user has no other.
	Last bool `json:"last"`
}

// FindIdentity finds a linked identity, and changes nothing.
var FindIdentity = operation("find-identity", (*Service).findIdentity)

func (s *Service) findIdentity(ctx context.Context, q IdentityQuestion) (LinkedIdentity, error) {
	user, err := s.user(ctx, q.User)
	if err != nil {
		return LinkedIdentity{}, err
	}
	provider, err := s.providerID(ctx, q.Provider)
	if err != nil {
		return LinkedIdentity{}, err
	}
	links, err := s.Store.UpstreamLinks(ctx, user.Localpart)
	if err != nil {
		return LinkedIdentity{}, err
	}
	there := slices.DeleteFunc(slices.Clone(links), func(l store.UpstreamLink) bool { return l.ProviderID != provider })
	meant := slices.DeleteFunc(slices.Clone(there), func(l store.UpstreamLink) bool {
		return q.Subject != "" && l.Subject != q.Subject || q.Issuer != "" && l.Issuer != q.Issuer
	})
	userID, at := Printable(s.Store.UserID(user.Localpart)), Printable(provider)
	switch {
	case len(there) == 0:
		return LinkedIdentity{}, refused("%s has no identity at %s", userID, at)
	case len(meant) == 0:
		return LinkedIdentity{}, refused("%s has no such identity at %s; there are: %s", userID, at, identityNames(there))
	case len(meant) > 1:
		return LinkedIdentity{}, refused("%s has several identities at %s: name one with --subject, and --issuer if need be: %s", userID, at, identityNames(meant))
	}
	l := meant[0]
	return LinkedIdentity{UserID: s.Store.UserID(user.Localpart), Last: len(links) == 1,
		Identity: Identity{Provider: l.ProviderID, Issuer: l.Issuer, Subject: l.Subject, LinkedAt: l.CreatedAt}}, nil
}

// identityNames tells identities at one provider from each other.
func identityNames(links []store.UpstreamLink) string {
	names := make([]string, 0, len(links))
	for _, l := range links {
		names = append(names, Printable(l.Subject)+" ("+Printable(l.Issuer)+")")
	}
	return strings.Join(names, ", ")
}

// UnlinkQuestion says which identity is taken from a user.
type UnlinkQuestion struct {
	IdentityQuestion

	// Last lets it be the only one, without which nobody can sign in.
	Last bool `json:"last,omitempty"`
}

// Unlink takes a linked identity from a user, with what began there and is no
// session of a client yet.
var Unlink = operation("unlink", (*Service).unlink)

func (s *Service) unlink(ctx context.Context, q UnlinkQuestion) (LinkedIdentity, error) {
	found, err := s.findIdentity(ctx, q.IdentityQuestion)
	if err != nil {
		return LinkedIdentity{}, err
	}
	user, err := s.user(ctx, found.UserID)
	if err != nil {
		return LinkedIdentity{}, err
	}
	if user.Account.Deactivated {
		return LinkedIdentity{}, refused("the account %s is deactivated: its identities stay, so that nobody is given its name", Printable(found.UserID))
	}
	err = s.Store.Unlink(ctx, user.Localpart, store.UpstreamLink{ProviderID: found.Provider, Issuer: found.Issuer, Subject: found.Subject},
		store.Unlinking{Actor: store.ActorAdmin, Last: q.Last})
	switch {
	case errors.Is(err, store.ErrLastLink):
		err = refused("it is the only identity of %s, and nobody could sign in any more: --last unlinks it all the same", Printable(found.UserID))
	case errors.Is(err, store.ErrNotFound):
		err = refused("%s has no such identity any more", Printable(found.UserID))
	}
	return found, err
}
