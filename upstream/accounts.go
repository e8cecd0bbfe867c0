package upstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"keymaker/internal/config"
	"keymaker/store"
)

// Why a person cannot have a Matrix user.
var (
	// ErrNameTaken: the name belongs to somebody else, and the provider may not
	// give another (unique_id_fallbacks = false).
	ErrNameTaken = errors.New("the name is taken")
	// ErrNoName: no claim makes a name, and the provider may not give a
	// generated one (unique_id_fallbacks = false).
	ErrNoName = errors.New("no claim makes a name")
	// ErrRegistrationDisabled: there is no user for this person, and the
	// provider may not make one (registration = false).
	ErrRegistrationDisabled = errors.New("registration is disabled")
)

// Links keep which Matrix user an account at a provider belongs to. A link
// decides for ever: it does not change with the person's name. *store.Store
// implements it; linkstest checks an implementation.
type Links interface {
	// LinkedUser returns the localpart that the account is linked to, or an
	// error that is store.ErrNotFound.
	LinkedUser(ctx context.Context, providerID, issuer, subject string) (localpart string, err error)

	// User returns a user, whatever state it is in, or an error that is
	// store.ErrNotFound. A deactivated user keeps its name.
	User(ctx context.Context, localpart string) (store.User, error)

	// Link stores a link and, with CreateUser, the user, both or neither, and
	// returns the localpart that the account is linked to from then on.
	//
	// When the account has been linked by now it must return that user's
	// localpart, and create nothing: two first logins at once end with one
	// user. Otherwise it must return store.ErrExists when a user that was to be
	// created exists, store.ErrNotFound when a user that was not to be created
	// does not, and store.ErrConflict when an association that it was to use up
	// is not there any more. A user who exists and has no e-mail address gets that
	// of n.
	Link(ctx context.Context, n store.NewLink) (localpart string, err error)

	// AssociationsWith returns the associations at a provider that one of the
	// claims finds, each written as store.AssociationKey writes it: all that
	// match the claims, the oldest first, and perhaps others.
	AssociationsWith(ctx context.Context, providerID string, keys []string) ([]store.Association, error)

	// SeeLink keeps what the provider says of a linked account at a later
	// sign-in. It changes nothing of a user who is deactivated.
	SeeLink(ctx context.Context, l store.SeenLink) error

	// MarkAdministrator keeps whether the provider says of a user, who has signed
	// in there, that they administer the homeserver.
	MarkAdministrator(ctx context.Context, localpart, providerID string, administers bool) error
}

// Localparts is what the homeserver knows about names.
type Localparts interface {
	// Available says whether the homeserver would let a new user have the
	// localpart, which is well-formed: false for one that is in use, reserved or
	// otherwise refused. An error says that it is not known; no user is created
	// then.
	Available(ctx context.Context, localpart string) (bool, error)
}

// Accounts decide which Matrix user a person is.
type Accounts struct {
	ServerName string
	Links      Links
	Localparts Localparts
}

// Resolve returns the localpart of the user that the identity signs in as, and
// creates the user at the first login. Which user that is:
//
//   - the linked one, whatever the person is called by now;
//   - else the one that an administrator has associated with the claims;
//   - else, with trusted, the existing user of the name that the claims make;
//   - else, with registration, a new user of that name;
//   - else, when the name is taken or there is none, a new user of a generated
//     name (unique_id_fallbacks, or "unique" in userid_claims).
//
// The user may be locked or deactivated: that is for the caller to look at.
// Errors are ErrNameTaken, ErrNoName, ErrRegistrationDisabled, or those of
// Links and Localparts.
func (a *Accounts) Resolve(ctx context.Context, c config.IdentityProvider, id *Identity) (localpart string, err error) {
	localpart, err = a.resolve(ctx, c, id)
	if err == nil && c.AdminClaim != "" {
		err = a.Links.MarkAdministrator(ctx, localpart, id.ProviderID, Administers(c, id.Claims))
	}
	return localpart, err
}

func (a *Accounts) resolve(ctx context.Context, c config.IdentityProvider, id *Identity) (localpart string, err error) {
	localpart, err = a.Links.LinkedUser(ctx, id.ProviderID, id.Issuer, id.Subject)
	if err == nil {
		return localpart, a.Links.SeeLink(ctx, seen(c, id, localpart))
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if localpart, err = a.associated(ctx, id); !errors.Is(err, store.ErrNotFound) {
		return localpart, err
	}
	if name := Localpart(c, a.ServerName, id.Claims); name != "" {
		localpart, err = a.claim(ctx, c, id, name)
	} else {
		err = ErrNoName
	}
	switch {
	case errors.Is(err, ErrNoName), errors.Is(err, ErrNameTaken) && c.UniqueIDFallbacks:
		return a.generated(ctx, c, id)
	case errors.Is(err, ErrNameTaken):
		// By another first login of the same person, perhaps.
		if linked, err := a.Links.LinkedUser(ctx, id.ProviderID, id.Issuer, id.Subject); err == nil {
			return linked, nil
		}
	}
	return localpart, err
}

// Taken returns the account at the provider as it would be linked to the user
// whose name its claims make, if a first login would not get that user: the
// account is linked to nobody, the user exists, and the provider is not trusted.
// ok is false otherwise. Errors are those of Links.
func (a *Accounts) Taken(ctx context.Context, c config.IdentityProvider, id *Identity) (n store.NewLink, ok bool, err error) {
	name := Localpart(c, a.ServerName, id.Claims)
	if name == "" || c.Trusted {
		return n, false, nil
	}
	linked := func() error {
		_, err := a.Links.LinkedUser(ctx, id.ProviderID, id.Issuer, id.Subject)
		return err
	}
	if err := linked(); !errors.Is(err, store.ErrNotFound) {
		return n, false, err
	}
	switch _, err := a.Links.User(ctx, name); {
	case errors.Is(err, store.ErrNotFound):
		return n, false, nil
	case err != nil:
		return n, false, err
	}
	// By another first login of the same person, perhaps, in between.
	if err := linked(); !errors.Is(err, store.ErrNotFound) {
		return n, false, err
	}
	return NewLink(id, name), true, nil
}

// NewLink is an account at a provider as it would be linked to a user who
// exists, with the particulars that a new user would get of it.
func NewLink(id *Identity, localpart string) store.NewLink {
	n := newLink(id, localpart, true)
	n.CreateUser = false
	return n
}

// claim gives the identity the user of that name, existing or new.
func (a *Accounts) claim(ctx context.Context, c config.IdentityProvider, id *Identity, name string) (string, error) {
	_, err := a.Links.User(ctx, name)
	switch {
	case err == nil && c.Trusted:
		return a.Links.Link(ctx, newLink(id, name, false))
	case err == nil && c.Registration:
		return "", ErrNameTaken
	case err == nil || errors.Is(err, store.ErrNotFound) && !c.Registration:
		return "", ErrRegistrationDisabled
	case !errors.Is(err, store.ErrNotFound):
		return "", err
	}
	localpart, err := a.create(ctx, newLink(id, name, true))
	if errors.Is(err, ErrNameTaken) && c.Trusted {
		// Somebody else's login may have made the user just now.
		if _, err := a.Links.User(ctx, name); err == nil {
			return a.Links.Link(ctx, newLink(id, name, false))
		}
	}
	return localpart, err
}

// create makes a user, or returns ErrNameTaken.
func (a *Accounts) create(ctx context.Context, n store.NewLink) (string, error) {
	free, err := a.Localparts.Available(ctx, n.Localpart)
	if err != nil {
		return "", fmt.Errorf("ask the homeserver about a name: %w", err)
	}
	if !free {
		return "", ErrNameTaken
	}
	localpart, err := a.Links.Link(ctx, n)
	if errors.Is(err, store.ErrExists) {
		return "", ErrNameTaken
	}
	return localpart, err
}

// generateTries bounds how often a generated name may be taken, which hardly
// ever happens once.
const generateTries = 5

func (a *Accounts) generated(ctx context.Context, c config.IdentityProvider, id *Identity) (string, error) {
	if !c.Registration {
		return "", ErrRegistrationDisabled
	}
	if !c.UniqueIDFallbacks && !generatesOnly(c) {
		return "", ErrNoName
	}
	return a.Generate(ctx, newLink(id, "", true))
}

// Generate makes a user of a generated name for an account that is linked to
// nobody, or returns the one that it has been linked to meanwhile. Errors are
// those of Links and Localparts.
func (a *Accounts) Generate(ctx context.Context, n store.NewLink) (localpart string, err error) {
	n.CreateUser = true
	for range generateTries {
		n.Localpart = generate()
		localpart, err := a.create(ctx, n)
		if !errors.Is(err, ErrNameTaken) {
			return localpart, err
		}
	}
	return "", fmt.Errorf("generate a name: %w", ErrNameTaken)
}

func newLink(id *Identity, localpart string, create bool) store.NewLink {
	n := store.NewLink{ProviderID: id.ProviderID, Issuer: id.Issuer, Subject: id.Subject, Localpart: localpart, AccountName: accountName(id.Claims), PictureURL: pictureURL(id.Claims), CreateUser: create,
		Email: emailAddress(id.Claims)}
	if create {
		n.DisplayName = displayName(id.Claims)
	}
	return n
}

// seen is what the provider says of an account that is linked.
func seen(c config.IdentityProvider, id *Identity, localpart string) store.SeenLink {
	l := store.SeenLink{ProviderID: id.ProviderID, Issuer: id.Issuer, Subject: id.Subject, Localpart: localpart, AccountName: accountName(id.Claims),
		PictureURL: pictureURL(id.Claims), TakePicture: slices.Contains(c.ManagedClaims, config.ManagedPicture)}
	if name := displayName(id.Claims); name != "" && slices.Contains(c.ManagedClaims, config.ManagedName) {
		l.DisplayName = &name
	}
	if address := emailAddress(id.Claims); slices.Contains(c.ManagedClaims, config.ManagedEmail) {
		l.Email = &address
	} else {
		l.FirstEmail = address
	}
	return l
}

// accountName is what a person knows their account at the provider by.
func accountName(c Claims) string {
	for _, name := range []string{claimEmail, "preferred_username", "username", claimLogin, "nickname", "name"} {
		if called := CleanDisplayName(c.Text(name)); called != "" {
			return called
		}
	}
	return ""
}

// MaxDisplayName is what homeservers take, in characters.
const MaxDisplayName = 256

// displayName is the person's name as the provider gives it.
func displayName(c Claims) string { return CleanDisplayName(c.Text("name")) }

// CleanDisplayName returns a person's name as it is kept: on one line, without
// what turns the text around it, and at most 256 characters of it.
func CleanDisplayName(name string) string {
	name = strings.Join(strings.FieldsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, name)
	runes := []rune(strings.ToValidUTF8(name, ""))
	return string(runes[:min(len(runes), MaxDisplayName)])
}

// maxEmail is the longest e-mail address in bytes (RFC 5321 §4.5.3.1.3).
const maxEmail = 254

// emailAddress is the person's verified e-mail address, or "" when that is
// nothing that a mail can be sent to.
func emailAddress(c Claims) string {
	address := c.Email()
	local, domain, _ := strings.Cut(address, "@")
	if local == "" || domain == "" || len(address) > maxEmail || strings.ContainsFunc(address, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return ""
	}
	return address
}
