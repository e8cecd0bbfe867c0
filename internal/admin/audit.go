package admin

import (
	"context"
	"time"
)

// Event is an event of the audit log.
type Event struct {
	At        time.Time `json:"at"`
	Action    string    `json:"action"`
	UserID    string    `json:"user_id,omitempty"`
	DeviceID  string    `json:"device_id,omitempty"`
	SessionID string    `json:"session_id,omitempty"`
	ClientID  string    `json:"client_id,omitempty"`
	Actor     string    `json:"actor"`
	Reason    string    `json:"reason,omitempty"`
}

// AuditQuestion says which events to list.
type AuditQuestion struct {
	// User is to whom they happened; "" for everybody.
	User  string `json:"user,omitempty"`
	Limit int    `json:"limit"`
}

// ListAudit lists what happened, the newest first.
var ListAudit = operation("list-audit", (*Service).listAudit)

func (s *Service) listAudit(ctx context.Context, q AuditQuestion) ([]Event, error) {
	if _, err := (Page{Limit: q.Limit}).fetch(); err != nil {
		return nil, err
	}
	localpart, err := s.anyUser(ctx, q.User)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.AuditEvents(ctx, localpart, q.Limit)
	events := make([]Event, 0, len(found))
	for _, e := range found {
		event := Event{At: e.At, Action: e.Action, DeviceID: e.DeviceID, SessionID: e.SessionID, ClientID: e.ClientID, Actor: e.Actor, Reason: e.Reason}
		if e.Localpart != "" {
			event.UserID = s.Store.UserID(e.Localpart)
		}
		events = append(events, event)
	}
	return events, err
}
