package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"keymaker/provider/registration"
	"keymaker/store"
)

// Session is a session, live or ended.
type Session struct {
	ID       string `json:"session_id"`
	Kind     string `json:"kind"`
	UserID   string `json:"user_id"`
	DeviceID string `json:"device_id,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	// Provider is the one that has authenticated it.
	Provider    string    `json:"provider"`
	Scope       string    `json:"scope"`
	StartedAt   time.Time `json:"started_at"`
	RefreshedAt time.Time `json:"refreshed_at"`
	// Ended is nil for a session that lives.
	Ended *Ended `json:"ended,omitempty"`
}

// Ended says when, why and by whom a session was ended.
type Ended struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
}

func (s *Service) session(l store.LiveSession) Session {
	return Session{ID: l.ID, Kind: string(l.Kind), UserID: s.Store.UserID(l.Login.Localpart), DeviceID: l.DeviceID, ClientID: l.ClientID,
		Provider: l.Login.ProviderID, Scope: l.Scope, StartedAt: l.StartedAt, RefreshedAt: l.RefreshedAt}
}

func (s *Service) record(r store.SessionRecord) Session {
	shown := s.session(r.LiveSession)
	if !r.EndedAt.IsZero() {
		shown.Ended = &Ended{At: r.EndedAt, Reason: string(r.EndReason), By: r.EndedBy}
	}
	return shown
}

// Sessions are a part of the list of sessions.
type Sessions struct {
	Sessions []Session `json:"sessions"`
	// Next is the After of the next part; "" at the end.
	Next string `json:"next,omitempty"`
}

// SessionsQuestion says which sessions to list.
type SessionsQuestion struct {
	Page

	// User, Provider and Client are whose they are; "" for everybody's.
	User     string `json:"user,omitempty"`
	Provider string `json:"provider,omitempty"`
	Client   string `json:"client,omitempty"`
	// Ended lists those that have ended, too.
	Ended bool `json:"ended,omitempty"`
}

// ListSessions lists sessions, the newest first.
var ListSessions = operation("list-sessions", (*Service).listSessions)

func (s *Service) listSessions(ctx context.Context, q SessionsQuestion) (Sessions, error) {
	limit, err := q.fetch()
	if err != nil {
		return Sessions{}, err
	}
	page := store.SessionPage{ClientID: q.Client, Ended: q.Ended, Before: q.After, Limit: limit}
	if page.Localpart, err = s.anyUser(ctx, q.User); err != nil {
		return Sessions{}, err
	}
	if page.ProviderID, err = s.providerID(ctx, q.Provider); err != nil {
		return Sessions{}, err
	}
	found, err := s.Store.ListSessions(ctx, page)
	if err != nil {
		return Sessions{}, err
	}
	list := Sessions{Sessions: []Session{}}
	for _, r := range found {
		list.Sessions = append(list.Sessions, s.record(r))
	}
	list.Sessions, list.Next = part(q.Page, list.Sessions, func(x Session) string { return x.ID })
	return list, nil
}

// SessionDetails is all that is known of a session.
type SessionDetails struct {
	Session

	DeviceName string `json:"device_name,omitempty"`
	ClientName string `json:"client_name,omitempty"`
	// Issuer and Subject name the account at the provider, and SignedInAt is
	// when the person signed in there.
	Issuer     string    `json:"issuer"`
	Subject    string    `json:"subject"`
	SignedInAt time.Time `json:"signed_in_at"`
	// LastUsedAt is exact to ten minutes; LastAddress is "" where it is not
	// known.
	LastUsedAt  time.Time `json:"last_used_at"`
	LastAddress string    `json:"last_address,omitempty"`
	// Refreshes counts the rotations of the refresh token, and RefreshExpiresAt
	// is its end; nil = never, or there is none.
	Refreshes        int64      `json:"refreshes"`
	HasRefreshToken  bool       `json:"has_refresh_token"`
	RefreshExpiresAt *time.Time `json:"refresh_expires_at,omitempty"`
}

// ShowSession shows a session by its id, live or ended.
var ShowSession = operation("show-session", (*Service).showSession)

func (s *Service) showSession(ctx context.Context, id string) (SessionDetails, error) {
	r, err := s.Store.SessionRecord(ctx, id)
	if err != nil {
		return SessionDetails{}, knownSession(id, err)
	}
	used, address := r.LastUse()
	shown := SessionDetails{Session: s.record(r), DeviceName: r.DeviceName, Issuer: r.Login.UpstreamIssuer, Subject: r.Login.UpstreamSubject,
		SignedInAt: r.Login.AuthTime, LastUsedAt: used, LastAddress: address, Refreshes: r.Generation - 1, HasRefreshToken: r.HasRefresh,
		RefreshExpiresAt: unlessZero(r.RefreshExpiresAt)}
	if r.ClientID == "" {
		return shown, nil
	}
	client, err := s.Store.Client(ctx, r.ClientID)
	if errors.Is(err, store.ErrNotFound) {
		return shown, nil
	}
	if err != nil {
		return SessionDetails{}, err
	}
	var metadata registration.Metadata
	if err := json.Unmarshal(client.Metadata, &metadata); err != nil {
		return SessionDetails{}, fmt.Errorf("read the client %s: %w", r.ClientID, err)
	}
	shown.ClientName = metadata.ClientName
	return shown, nil
}

// knownSession names the session in an error that says that there is none.
func knownSession(id string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return refused("there is no session %s", Printable(id))
	}
	return err
}

func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
