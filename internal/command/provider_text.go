package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"keymaker/internal/admin"
	"keymaker/store"
	"keymaker/upstream"
)

// providerTest is what a rehearsed sign-in shows.
type providerTest struct {
	Provider    string          `json:"provider"`
	Issuer      string          `json:"issuer"`
	Subject     string          `json:"subject"`
	Claims      upstream.Claims `json:"claims"`
	Rule        upstream.Rule   `json:"rule,omitempty"`
	UserID      string          `json:"user_id,omitempty"`
	NewUser     bool            `json:"new_user"`
	DisplayName string          `json:"display_name,omitempty"` // of a new user
	Email       string          `json:"email,omitempty"`        // of a new user
	Administers bool            `json:"administers"`            // the homeserver
	Asks        string          `json:"asks,omitempty"`         // whose name it is already
	Refused     string          `json:"refused,omitempty"`      // why nobody would be signed in
}

// refusals are why a person gets no user.
var refusals = map[error]string{
	upstream.ErrNameTaken:            "the name that the claims make is taken, and unique_id_fallbacks is false",
	upstream.ErrNoName:               "no claim makes a name, and unique_id_fallbacks is false",
	upstream.ErrRegistrationDisabled: "there is no user for this person, and registration is false",
}

// newProviderTest tells what a rehearsal came to, which may be an error.
func newProviderTest(ctx context.Context, db *store.Store, home knows, id *upstream.Identity, r upstream.Rehearsal, err error) (*providerTest, error) {
	t := &providerTest{Provider: id.ProviderID, Issuer: id.Issuer, Subject: id.Subject, Claims: id.Claims}
	if r.Asks != "" {
		t.Asks = db.UserID(r.Asks)
	}
	for known, why := range refusals {
		if errors.Is(err, known) {
			t.Refused = why
			return t, nil
		}
	}
	if err != nil {
		return nil, err
	}
	t.Rule, t.UserID, t.NewUser, t.DisplayName, t.Email, t.Administers = r.Rule, db.UserID(r.Localpart), r.NewUser, r.DisplayName, r.Email, r.Administers
	if r.NewUser {
		return t, nil
	}
	user, err := home.User(ctx, r.Localpart)
	switch {
	case err != nil:
		return nil, err
	case user.Account.Deactivated:
		t.Refused = "the user is deactivated"
	case user.Account.Locked:
		t.Refused = "the user is locked"
	}
	return t, nil
}

// rules say why a person is which user.
var rules = map[upstream.Rule]string{
	upstream.RuleLinked:     "has signed in as it before, or has linked it",
	upstream.RuleAssociated: "an administrator has associated the claims with it",
	upstream.RuleTrusted:    "it has the name that the claims make, and the provider is trusted",
	upstream.RuleNamed:      "a new user of the name that the claims make",
	upstream.RuleGenerated:  "a new user of a generated name, of which this is an example",
}

func (t *providerTest) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nWho signed in at %s:\n  issuer   %s\n  subject  %s\n\nWhat it says of them:\n", admin.Printable(t.Provider), admin.Printable(t.Issuer), admin.Printable(t.Subject))
	for _, name := range slices.Sorted(maps.Keys(t.Claims)) {
		value, err := json.Marshal(t.Claims[name])
		if err != nil {
			continue // what was JSON is JSON
		}
		fmt.Fprintf(&b, "  %s = %s\n", admin.Printable(name), printableJSON(value))
	}
	if t.Asks != "" {
		fmt.Fprintf(&b, "\nThe name belongs to %s already. If they can prove that this is them, they are offered it first.\n", admin.Printable(t.Asks))
	}
	if t.UserID != "" {
		fmt.Fprintf(&b, "\nWho they would be:\n  user     %s\n  because  %s\n", admin.Printable(t.UserID), rules[t.Rule])
	}
	if t.NewUser {
		fmt.Fprintf(&b, "  name     %s\n  address  %s\n", admin.Printable(t.DisplayName), admin.Printable(t.Email))
	}
	if t.Administers {
		b.WriteString("\nThe claims mark them as an administrator of the homeserver.\n")
	}
	if t.Refused != "" {
		fmt.Fprintf(&b, "\nThey would not be signed in: %s.\n", t.Refused)
	}
	b.WriteString("\nNothing was written.\n")
	return b.String()
}
