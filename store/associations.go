package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm/clause"
)

// Actions of the audit log. Their reason names the provider.
const (
	ActionAssociated         = "user_associated"
	ActionAssociationRemoved = "association_removed"
)

// Association is a link that an administrator has approved before the person
// signed in: whoever has all the claims at the provider becomes the user. The
// first login uses it up.
type Association struct {
	ID         string
	ProviderID string
	Claims     map[string]string // by name; never empty
	Localpart  string
	CreatedAt  time.Time
}

type associationRow struct {
	ID         string
	ProviderID string
	Claims     string
	MatchKey   string
	Localpart  string
	CreatedAt  int64
}

func (associationRow) TableName() string { return "associations" }

func (r associationRow) association() (Association, error) {
	a := Association{ID: r.ID, ProviderID: r.ProviderID, Localpart: r.Localpart, CreatedAt: fromMilli(r.CreatedAt)}
	if err := json.Unmarshal([]byte(r.Claims), &a.Claims); err != nil {
		return a, fmt.Errorf("read association %s: %w: %w", r.ID, ErrUnavailable, err)
	}
	return a, nil
}

func associations(rows []associationRow) ([]Association, error) {
	all := make([]Association, 0, len(rows))
	for _, r := range rows {
		a, err := r.association()
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// AssociationKey is how a claim is looked up, once it is a text.
func AssociationKey(name, value string) string { return name + "=" + value }

// matchKey is the claim that tells the most about who it is.
func matchKey(claims map[string]string) string {
	for _, name := range append([]string{"sub", "email"}, slices.Sorted(maps.Keys(claims))...) {
		if value, ok := claims[name]; ok {
			return AssociationKey(name, value)
		}
	}
	return ""
}

// Associate stores an association, of which the ID and the CreatedAt are set
// here. Where the same claims have one already that one is returned, and
// created is false. ErrNotFound: there is no such user; ErrConflict: the user
// has been deactivated.
func (s *Store) Associate(ctx context.Context, a Association) (stored Association, created bool, err error) {
	claims, err := json.Marshal(a.Claims)
	if err != nil {
		return Association{}, false, fmt.Errorf("write the claims: %w", err)
	}
	row := associationRow{ID: NewID(s.clock.Now()), ProviderID: a.ProviderID, Claims: string(claims), MatchKey: matchKey(a.Claims), Localpart: a.Localpart, CreatedAt: s.now()}
	err = s.InTx(ctx, func(ctx context.Context) error {
		user, err := s.User(ctx, a.Localpart)
		if err != nil {
			return err
		}
		if user.Account.Deactivated {
			return ErrConflict
		}
		if err := s.lockUser(ctx, a.Localpart); errors.Is(err, ErrNotFound) {
			return ErrConflict // deactivated just now
		} else if err != nil {
			return err
		}
		result := s.write(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if result.Error != nil {
			return fault("store an association", result.Error)
		}
		if created = result.RowsAffected == 1; created {
			return s.Record(ctx, Event{Action: ActionAssociated, Localpart: a.Localpart, Actor: ActorAdmin, Reason: a.ProviderID})
		}
		claims := row.Claims
		row = associationRow{}
		err = s.read(ctx).Where("provider_id = ? AND claims = ?", a.ProviderID, claims).Take(&row).Error
		return fault("read an association", err)
	})
	if err != nil {
		return Association{}, false, err
	}
	stored, err = row.association()
	return stored, created, err
}

// AssociationPage says which associations to list: those made after one, at
// most Limit.
type AssociationPage struct {
	// Localpart and ProviderID are whose they are; "" for everybody's.
	Localpart, ProviderID string
	After                 string
	Limit                 int
}

// ListAssociations returns the associations that wait for a first login, the
// oldest first.
func (s *Store) ListAssociations(ctx context.Context, p AssociationPage) ([]Association, error) {
	query := s.read(ctx).Where("id > ?", p.After)
	if p.Localpart != "" {
		query = query.Where("localpart = ?", p.Localpart)
	}
	if p.ProviderID != "" {
		query = query.Where("provider_id = ?", p.ProviderID)
	}
	var rows []associationRow
	if err := query.Order("id").Limit(p.Limit).Find(&rows).Error; err != nil {
		return nil, fault("list the associations", err)
	}
	return associations(rows)
}

// keysAtOnce is how many claims one statement looks for.
const keysAtOnce = 500

// AssociationsWith returns the associations at a provider that one of the claims
// finds, by their AssociationKey, the oldest first. Whether the others match as
// well is for the caller to see.
func (s *Store) AssociationsWith(ctx context.Context, providerID string, keys []string) ([]Association, error) {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !utf8.ValidString(k) || strings.ContainsRune(k, 0) })
	var all []associationRow
	for chunk := range slices.Chunk(keys, keysAtOnce) {
		var rows []associationRow
		if err := s.read(ctx).Where("provider_id = ? AND match_key IN ?", providerID, chunk).Find(&rows).Error; err != nil {
			return nil, fault("look for an association", err)
		}
		all = append(all, rows...)
	}
	slices.SortFunc(all, func(a, b associationRow) int { return strings.Compare(a.ID, b.ID) })
	return associations(all)
}

// RemoveAssociation removes an association that has not been used, or returns
// ErrNotFound.
func (s *Store) RemoveAssociation(ctx context.Context, id string) (removed Association, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		var rows []associationRow
		result := s.write(ctx).Model(&rows).Clauses(clause.Returning{}).Where("id = ?", id).Delete(&rows)
		if err := one("remove an association", result, ErrNotFound); err != nil {
			return err
		}
		var err error
		if removed, err = rows[0].association(); err != nil {
			return err
		}
		return s.Record(ctx, Event{Action: ActionAssociationRemoved, Localpart: removed.Localpart, Actor: ActorAdmin, Reason: removed.ProviderID})
	})
	return removed, err
}

// useAssociation takes an association for a link that is being made: of any
// number of callers one succeeds, the others get ErrConflict.
func (s *Store) useAssociation(ctx context.Context, id string) error {
	return one("use an association", s.write(ctx).Where("id = ?", id).Delete(&associationRow{}), ErrConflict)
}

// removeAssociations removes the associations of a user.
func (s *Store) removeAssociations(ctx context.Context, localpart string) error {
	return fault("remove associations", s.write(ctx).Where("localpart = ?", localpart).Delete(&associationRow{}).Error)
}

// LinkedSubject returns the localpart that an account is linked to at a
// provider, whatever the issuer, or ErrNotFound.
func (s *Store) LinkedSubject(ctx context.Context, providerID, subject string) (string, error) {
	var row linkRow
	err := s.read(ctx).Where("provider_id = ? AND subject = ?", providerID, subject).Order("issuer").Take(&row).Error
	return row.Localpart, fault("read a link", err)
}
