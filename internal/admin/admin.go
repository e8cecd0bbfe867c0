// Package admin is what an administrator can look at and change: each operation
// is a question and an answer that JSON can carry, so that it is the same at the
// command line on the database and in a server that is asked for it.
package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/store"
)

// Service does the operations on a database.
type Service struct {
	Store  *store.Store
	Config *config.Config
	Clock  clock.Clock
	// Reload reads the configuration again; nil where no server does it.
	Reload func(ctx context.Context) error
}

// Error says what is wrong with a question. Its text is for the administrator
// and names what they wrote: whoever shows it on a terminal makes that harmless.
type Error struct {
	// Usage is set where the question could never be answered as it is.
	Usage bool   `json:"usage"`
	Text  string `json:"error"`
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

func wrong(format string, args ...any) error {
	return &Error{Usage: true, Text: fmt.Sprintf(format, args...)}
}

func refused(format string, args ...any) error {
	return &Error{Text: fmt.Sprintf(format, args...)}
}

// Page says which part of a list is wanted.
type Page struct {
	// Limit is how many at most: 1 to MaxLimit.
	Limit int `json:"limit"`
	// After is the Next of the part before; "" for the first part.
	After string `json:"after,omitempty"`
}

// MaxLimit is the longest part of a list that is answered at once.
const MaxLimit = 10_000

// fetch is one more than the limit, which tells whether there is a next part.
func (p Page) fetch() (int, error) {
	if p.Limit < 1 || p.Limit > MaxLimit {
		return 0, wrong("--limit %d: it must be from 1 to %d", p.Limit, MaxLimit)
	}
	return p.Limit + 1, nil
}

// part cuts a list to the limit. next names its last entry if there are more.
func part[T any](p Page, all []T, name func(T) string) (cut []T, next string) {
	if len(all) <= p.Limit {
		return all, ""
	}
	return all[:p.Limit], name(all[p.Limit-1])
}

// localpart is the localpart of a user of this server, by that name alone or by
// the Matrix user ID.
func (s *Service) localpart(user string) (string, error) {
	localpart, server, ok := config.SplitUser(user)
	if !ok {
		return "", wrong("%s is no user: write alice or @alice:%s", Printable(user), s.Config.ServerName)
	}
	if strings.HasPrefix(user, "@") && server != s.Config.ServerName {
		return "", wrong("%s is no user of this server, whose name is %s", Printable(user), s.Config.ServerName)
	}
	return localpart, nil
}

// user is a user who exists.
func (s *Service) user(ctx context.Context, name string) (store.User, error) {
	localpart, err := s.localpart(name)
	if err != nil {
		return store.User{}, err
	}
	user, err := s.Store.User(ctx, localpart)
	return user, s.knownUser(localpart, err)
}

// anyUser is the localpart of a user who exists, or "" where none is named.
func (s *Service) anyUser(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	user, err := s.user(ctx, name)
	return user.Localpart, err
}

// knownUser names the user in an error that says that there is none.
func (s *Service) knownUser(localpart string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return refused("there is no user %s", Printable(s.Store.UserID(localpart)))
	}
	return err
}
