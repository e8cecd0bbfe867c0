package admin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"keymaker/store"
)

// Association is a link that waits for a first login.
type Association struct {
	ID        string            `json:"association_id"`
	Provider  string            `json:"provider"`
	Claims    map[string]string `json:"claims"`
	UserID    string            `json:"user_id"`
	CreatedAt time.Time         `json:"created_at"`
}

func (s *Service) association(a store.Association) Association {
	return Association{ID: a.ID, Provider: a.ProviderID, Claims: a.Claims, UserID: s.Store.UserID(a.Localpart), CreatedAt: a.CreatedAt}
}

// AssociateQuestion says who is to become which user.
type AssociateQuestion struct {
	Provider string            `json:"provider"`
	User     string            `json:"user"`
	Claims   map[string]string `json:"claims"`
}

// Associated is an association that has just been made, or was there.
type Associated struct {
	Association

	Changed bool `json:"changed"`
	// Warning says what the claims do not make sure; "" for nothing.
	Warning string `json:"warning,omitempty"`
}

// Associate lets whoever has all the claims become the user at their first
// login.
var Associate = operation("associate", (*Service).associate)

func (s *Service) associate(ctx context.Context, q AssociateQuestion) (Associated, error) {
	provider, err := s.provider(q.Provider)
	if err != nil {
		return Associated{}, err
	}
	if err := checkClaims(q.Claims); err != nil {
		return Associated{}, err
	}
	localpart, err := s.localpart(q.User)
	if err != nil {
		return Associated{}, err
	}
	if err := s.notLinked(ctx, provider.ClientID, q.Claims); err != nil {
		return Associated{}, err
	}
	stored, created, err := s.Store.Associate(ctx, store.Association{ProviderID: provider.ClientID, Claims: q.Claims, Localpart: localpart})
	switch {
	case errors.Is(err, store.ErrConflict):
		return Associated{}, refused("the account %s is deactivated", Printable(s.Store.UserID(localpart)))
	case err != nil:
		return Associated{}, s.knownUser(localpart, err)
	case stored.Localpart != localpart:
		return Associated{}, refused("these claims are associated with %s already: remove-association %s", Printable(s.Store.UserID(stored.Localpart)), stored.ID)
	}
	answer := Associated{Association: s.association(stored), Changed: created}
	if q.Claims["sub"] == "" && q.Claims["email"] == "" {
		answer.Warning = "Neither sub nor email is among the claims: make sure that people cannot choose the others for themselves at this provider."
	}
	return answer, nil
}

// notLinked refuses claims of an account that is linked: no association changes
// a link.
func (s *Service) notLinked(ctx context.Context, providerID string, claims map[string]string) error {
	subject, named := claims["sub"]
	if !named {
		return nil
	}
	linked, err := s.Store.LinkedSubject(ctx, providerID, subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return refused("this account at %s is linked to %s already", Printable(providerID), Printable(s.Store.UserID(linked)))
}

// Limits of what an association may ask for, in bytes.
const (
	maxClaims     = 10
	maxClaimName  = 255
	maxClaimValue = 1024
)

func checkClaims(claims map[string]string) error {
	if len(claims) == 0 || len(claims) > maxClaims {
		return wrong("name 1 to %d claims that the person must have, as sub=1234", maxClaims)
	}
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		value := claims[name]
		odd := func(c rune) bool { return unicode.IsControl(c) }
		switch {
		case name == "" || value == "":
			return wrong("%s is no claim: write it as sub=1234", Printable(name+"="+value))
		case len(name) > maxClaimName || len(value) > maxClaimValue:
			return wrong("the claim %s is too long: a name may have %d bytes, a value %d", Printable(name[:min(len(name), maxClaimName)]), maxClaimName, maxClaimValue)
		case !utf8.ValidString(name+value) || strings.ContainsFunc(name+value, odd):
			return wrong("the claim %s holds what is no text", Printable(name))
		}
	}
	return nil
}

// Associations are a part of the list of associations.
type Associations struct {
	Associations []Association `json:"associations"`
	// Next is the After of the next part; "" at the end.
	Next string `json:"next,omitempty"`
}

// AssociationsQuestion says which associations to list.
type AssociationsQuestion struct {
	Page

	// User and Provider are whose they are; "" for everybody's.
	User     string `json:"user,omitempty"`
	Provider string `json:"provider,omitempty"`
}

// ListAssociations lists the associations that wait for a first login, the
// oldest first.
var ListAssociations = operation("list-associations", (*Service).listAssociations)

func (s *Service) listAssociations(ctx context.Context, q AssociationsQuestion) (Associations, error) {
	limit, err := q.fetch()
	if err != nil {
		return Associations{}, err
	}
	page := store.AssociationPage{After: q.After, Limit: limit}
	if page.Localpart, err = s.anyUser(ctx, q.User); err != nil {
		return Associations{}, err
	}
	if page.ProviderID, err = s.providerID(ctx, q.Provider); err != nil {
		return Associations{}, err
	}
	found, err := s.Store.ListAssociations(ctx, page)
	if err != nil {
		return Associations{}, err
	}
	list := Associations{Associations: []Association{}}
	for _, a := range found {
		list.Associations = append(list.Associations, s.association(a))
	}
	list.Associations, list.Next = part(q.Page, list.Associations, func(a Association) string { return a.ID })
	return list, nil
}

// RemoveAssociation removes an association that has not been used.
var RemoveAssociation = operation("remove-association", (*Service).removeAssociation)

func (s *Service) removeAssociation(ctx context.Context, id string) (Association, error) {
	removed, err := s.Store.RemoveAssociation(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Association{}, refused("there is no association %s that waits", Printable(id))
	}
	return s.association(removed), err
}
