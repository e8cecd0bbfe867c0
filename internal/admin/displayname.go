package admin

import (
	"context"

	"keymaker/store"
	"keymaker/upstream"
)

// DisplayNameQuestion says what a user is to be called.
type DisplayNameQuestion struct {
	User string `json:"user"`
	// Name is "" for none.
	Name string `json:"name"`
}

// DisplayName is what a user is called.
type DisplayName struct {
	UserID      string `json:"user_id"`
	DisplayName string `json:"display_name"`
	// Changed is false where it was so already.
	Changed bool `json:"changed"`
}

// SetDisplayName changes the name by which others know a user.
var SetDisplayName = operation("set-displayname", (*Service).setDisplayName)

func (s *Service) setDisplayName(ctx context.Context, q DisplayNameQuestion) (DisplayName, error) {
	user, err := s.user(ctx, q.User)
	if err != nil {
		return DisplayName{}, err
	}
	answer := DisplayName{UserID: s.Store.UserID(user.Localpart), DisplayName: q.Name}
	if upstream.CleanDisplayName(q.Name) != q.Name {
		return DisplayName{}, wrong("%s can be no display name: it must be on one line, have at most %d characters, all of them visible, and no space around it",
			Printable(q.Name), upstream.MaxDisplayName)
	}
	if user.Account.Deactivated {
		return DisplayName{}, refused("the account %s is deactivated", Printable(answer.UserID))
	}
	answer.Changed, err = s.Store.SetDisplayName(ctx, user.Localpart, q.Name, store.ActorAdmin)
	return answer, s.knownUser(user.Localpart, err)
}
