package provisioning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxDisplayName is how much of a user's name is sent: more is refused
// (characters).
const MaxDisplayName = 256

// User is what the homeserver knows of a user.
type User struct {
	// UserID is the whole one, with the name of the homeserver.
	UserID string
	// DisplayName and AvatarURL are "" when the user has none.
	DisplayName, AvatarURL string
	Suspended, Deactivated bool
}

// Profile is what ProvisionUser changes: nil leaves a field as it is, and a
// pointer to something empty unsets it.
type Profile struct {
	// DisplayName is cut to MaxDisplayName.
	DisplayName *string
	AvatarURL   *string // mxc://, at most 1000 characters
	// Emails are all addresses that the user has. One that belonged to another
	// user of the homeserver is taken from them.
	Emails *[]string
	// Locked hides the user in the homeserver's directory. What keeps them out
	// is that their tokens are not active.
	Locked *bool
}

// QueryUser asks what the homeserver knows of a user. It is ErrNotFound when
// that is nothing.
func (c *Client) QueryUser(ctx context.Context, localpart string) (User, error) {
	const name = "query_user"
	a, err := c.call(ctx, request{name: name, query: url.Values{"localpart": {localpart}}})
	if err != nil {
		return User{}, err
	}
	var found struct {
		UserID      string  `json:"user_id"`
		DisplayName *string `json:"display_name"`
		AvatarURL   *string `json:"avatar_url"`
		Suspended   *bool   `json:"is_suspended"`
		Deactivated *bool   `json:"is_deactivated"`
	}
	if err := json.Unmarshal(a.body, &found); err != nil || found.UserID == "" || found.Suspended == nil || found.Deactivated == nil {
		return User{}, fmt.Errorf("%s: %w", name, &failure{words: "its answer describes no user"})
	}
	u := User{UserID: found.UserID, Suspended: *found.Suspended, Deactivated: *found.Deactivated}
	if found.DisplayName != nil {
		u.DisplayName = *found.DisplayName
	}
	if found.AvatarURL != nil {
		u.AvatarURL = *found.AvatarURL
	}
	return u, nil
}

// LocalpartAvailable is nil when a new user may have the name, and otherwise
// ErrNameInUse, ErrNameInvalid or ErrNameExclusive when they may not.
func (c *Client) LocalpartAvailable(ctx context.Context, localpart string) error {
	const name = "is_localpart_available"
	if !ascii(localpart) {
		return fmt.Errorf("%s: %w", name, ErrNameInvalid) // Synapse cannot even be asked
	}
	_, err := c.call(ctx, request{name: name, query: url.Values{"localpart": {localpart}}})
	return err
}

func ascii(s string) bool {
	for _, r := range s {
		if r > unicode.MaxASCII {
			return false
		}
	}
	return true
}

// ProvisionUser makes a user exist, and changes what p says. It tells whether
// the user is new. For a new one it can be ErrNameInUse (the name of somebody
// else, in other letter case), ErrNameInvalid or ErrNameExclusive.
func (c *Client) ProvisionUser(ctx context.Context, localpart string, p Profile) (created bool, err error) {
	r := request{name: "provision_user", body: p.body(localpart)}
	a, err := c.call(ctx, r)
	if errors.Is(err, ErrNameInUse) {
		// Another call may have made the same user in between.
		a, err = c.call(ctx, r)
	}
	if err != nil {
		return false, err
	}
	if a.status != http.StatusCreated {
		return false, nil
	}
	if p.DisplayName != nil && cut(*p.DisplayName, MaxDisplayName) == "" {
		// A new user is given their localpart as a name, whatever was unset.
		return true, c.UnsetDisplayName(ctx, localpart)
	}
	return true, nil
}

// body has one key of each pair of set_ and unset_ at most: both are refused.
func (p Profile) body(localpart string) map[string]any {
	b := map[string]any{"localpart": localpart}
	put := func(key string, value any, empty bool) {
		if empty {
			b["unset_"+key] = true
		} else {
			b["set_"+key] = value
		}
	}
	if p.DisplayName != nil {
		name := cut(*p.DisplayName, MaxDisplayName)
		put("displayname", name, name == "")
	}
	if p.AvatarURL != nil {
		put("avatar_url", *p.AvatarURL, *p.AvatarURL == "")
	}
	if p.Emails != nil {
		put("emails", *p.Emails, len(*p.Emails) == 0)
	}
	if p.Locked != nil {
		b["locked"] = *p.Locked
	}
	return b
}

// DeleteUser deactivates a user, which takes their devices, their addresses and
// their rooms, and with erase their name too. It takes up to DeleteTimeout.
func (c *Client) DeleteUser(ctx context.Context, localpart string, erase bool) error {
	_, err := c.call(ctx, request{name: "delete_user", body: map[string]any{"localpart": localpart, "erase": erase}, timeout: DeleteTimeout})
	return err
}

// ReactivateUser undoes the deactivation itself, and nothing of what it took.
func (c *Client) ReactivateUser(ctx context.Context, localpart string) error {
	return c.post(ctx, "reactivate_user", map[string]any{"localpart": localpart})
}

// SetDisplayName names a user. The name is cut to MaxDisplayName.
func (c *Client) SetDisplayName(ctx context.Context, localpart, name string) error {
	return c.post(ctx, "set_displayname", map[string]any{"localpart": localpart, "displayname": cut(name, MaxDisplayName)})
}

// UnsetDisplayName takes a user's name.
func (c *Client) UnsetDisplayName(ctx context.Context, localpart string) error {
	return c.post(ctx, "unset_displayname", map[string]any{"localpart": localpart})
}

// AllowCrossSigningReset lets a user replace their cross-signing keys within ten
// minutes, without further questions. It is no error that they have none.
func (c *Client) AllowCrossSigningReset(ctx context.Context, localpart string) error {
	return c.post(ctx, "allow_cross_signing_reset", map[string]any{"localpart": localpart})
}

// cut is a name as it is sent: at most n characters, and none that PostgreSQL
// cannot store.
func cut(name string, n int) string {
	name = strings.ReplaceAll(name, "\x00", "")
	if utf8.RuneCountInString(name) <= n {
		return name
	}
	return string([]rune(name)[:n])
}
