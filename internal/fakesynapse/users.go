package fakesynapse

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxUserID      = 255
	maxDisplayName = 256
	maxAvatarURL   = 1000
	// resetPeriod is how long cross-signing keys may be replaced.
	resetPeriod = 10 * time.Minute
)

// account is a user. A nil name or URL is none.
type account struct {
	displayName, avatarURL                 *string
	emails                                 []string
	locked, suspended, deactivated, erased bool
	devices                                map[string]string
	dehydrated                             string
	crossSigning                           bool
	resetUntil                             time.Time
}

func userID(localpart string) string { return "@" + localpart + ":" + ServerName }

func (s *Synapse) queryUser(in input) *answer {
	u := s.users[in.localpart()]
	return &answer{http.StatusOK, map[string]any{
		"user_id": userID(in.localpart()), "display_name": u.displayName, "avatar_url": u.avatarURL,
		"is_suspended": u.suspended, "is_deactivated": u.deactivated,
	}}
}

func (s *Synapse) isLocalpartAvailable(in input) *answer {
	if refused := s.checkName(in.localpart()); refused != nil {
		return refused
	}
	return done(http.StatusOK)
}

// checkName says why nobody new may have a name. The order matters where more
// than one thing is wrong.
func (s *Synapse) checkName(name string) *answer {
	refuse := func(errcode, text string) *answer { return problem(http.StatusBadRequest, errcode, text) }
	const invalid = "M_INVALID_USERNAME"
	switch {
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789=_-./+") != "":
		return refuse(invalid, "User ID can only contain characters a-z, 0-9, or '=_-./+'")
	case name == "":
		return refuse(invalid, "User ID cannot be empty")
	case name[0] == '_':
		return refuse(invalid, "User ID may not begin with _")
	case slices.ContainsFunc(s.reserved, func(prefix string) bool { return strings.HasPrefix(name, prefix) }):
		return refuse("M_EXCLUSIVE", "This user ID is reserved by an application service.")
	case len(userID(name)) > maxUserID:
		return refuse(invalid, fmt.Sprintf("User ID may not be longer than %d characters", maxUserID))
	}
	for taken := range s.users {
		if strings.EqualFold(taken, name) {
			return refuse("M_USER_IN_USE", "User ID already taken.")
		}
	}
	if strings.Trim(name, "0123456789") == "" {
		return refuse(invalid, "Numeric user IDs are reserved for guest users.")
	}
	return nil
}

// provisionUser does one thing after the other: what is wrong with a later one
// does not undo the earlier ones.
func (s *Synapse) provisionUser(in input) *answer {
	name := in.localpart()
	status, apply := http.StatusOK, s.changeUser
	if s.users[name] == nil {
		status, apply = http.StatusCreated, s.createUser
	}
	if refused := apply(name, in); refused != nil {
		return refused
	}
	u := s.users[name]
	if locked, ok := in.flag("locked"); ok {
		u.locked = locked
	}
	if url, ok := setting(in, "avatar_url"); ok {
		if utf8.RuneCountInString(url) > maxAvatarURL {
			return problem(http.StatusBadRequest, "M_UNKNOWN", fmt.Sprintf("Avatar URL is too long (max %d)", maxAvatarURL))
		}
		u.avatarURL = notEmpty(url)
	}
	return done(status)
}

// createUser names a new user after their localpart, unless it is told a name;
// it does not look at unset_displayname, nor at the length of the name.
func (s *Synapse) createUser(name string, in input) *answer {
	if refused := s.checkName(name); refused != nil {
		return refused
	}
	displayName, ok := in.text("set_displayname")
	if !ok {
		displayName = name
	}
	s.users[name] = &account{displayName: notEmpty(displayName), devices: map[string]string{}}
	emails, _ := in.list("set_emails")
	return s.bind(name, emails)
}

func (s *Synapse) changeUser(name string, in input) *answer {
	if displayName, ok := setting(in, "displayname"); ok {
		if refused := s.users[name].rename(displayName); refused != nil {
			return refused
		}
	}
	emails, ok := in.list("set_emails")
	if unset, _ := in.flag("unset_emails"); !ok && !unset {
		return nil
	}
	u := s.users[name]
	add := slices.DeleteFunc(slices.Clone(emails), func(e string) bool { return slices.Contains(u.emails, e) })
	u.emails = slices.DeleteFunc(u.emails, func(e string) bool { return !slices.Contains(emails, e) })
	return s.bind(name, add)
}

// setting is what a set_ or an unset_ key says of a text: "" takes it away.
func setting(in input, key string) (value string, ok bool) {
	if unset, _ := in.flag("unset_" + key); unset {
		return "", true
	}
	return in.text("set_" + key)
}

func notEmpty(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// bind gives a user addresses, also those of others.
func (s *Synapse) bind(name string, emails []string) *answer {
	for _, email := range emails {
		local, domain, ok := strings.Cut(strings.TrimSpace(email), "@")
		if !ok || strings.Contains(domain, "@") {
			return problem(http.StatusBadRequest, "M_UNKNOWN", "Unable to parse email address")
		}
		email = strings.ToLower(local) + "@" + strings.ToLower(domain)
		for _, u := range s.users {
			u.emails = slices.DeleteFunc(u.emails, func(e string) bool { return e == email })
		}
		s.users[name].emails = append(s.users[name].emails, email)
	}
	return nil
}

// rename sets a name, or takes it with "".
func (u *account) rename(name string) *answer {
	if utf8.RuneCountInString(name) > maxDisplayName {
		return problem(http.StatusBadRequest, "M_UNKNOWN", fmt.Sprintf("Displayname is too long (max %d)", maxDisplayName))
	}
	u.displayName = nil
	if name != "" {
		name = strings.TrimSpace(name)
		u.displayName = &name // "" when it was space alone
	}
	return nil
}

func (s *Synapse) deleteUser(in input) *answer {
	u := s.users[in.localpart()]
	u.emails, u.devices, u.dehydrated, u.deactivated = nil, map[string]string{}, "", true
	if erase, _ := in.flag("erase"); erase {
		u.displayName, u.avatarURL, u.erased = nil, nil, true
	}
	return done(http.StatusOK)
}

func (s *Synapse) reactivateUser(in input) *answer {
	u := s.users[in.localpart()]
	u.deactivated, u.erased = false, false
	return done(http.StatusOK)
}

func (s *Synapse) setDisplayName(in input) *answer {
	name, _ := in.text("displayname")
	if refused := s.users[in.localpart()].rename(name); refused != nil {
		return refused
	}
	return done(http.StatusOK)
}

func (s *Synapse) unsetDisplayName(in input) *answer {
	s.users[in.localpart()].displayName = nil
	return done(http.StatusOK)
}

// allowCrossSigningReset does nothing for a user without keys.
func (s *Synapse) allowCrossSigningReset(in input) *answer {
	if u := s.users[in.localpart()]; u.crossSigning {
		u.resetUntil = s.clock.Now().Add(resetPeriod)
	}
	return done(http.StatusOK)
}
