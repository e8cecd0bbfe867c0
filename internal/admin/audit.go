package admin

import (
	"context"
	"slices"
	"strings"
	"time"

	"keymaker/store"
)

// Event is an event of the audit log.
type Event struct {
	At        time.Time `json:"at"`
	Action    string    `json:"action"`
	Outcome   string    `json:"outcome"`
	UserID    string    `json:"user_id,omitempty"`
	DeviceID  string    `json:"device_id,omitempty"`
	SessionID string    `json:"session_id,omitempty"`
	ClientID  string    `json:"client_id,omitempty"`
	Actor     string    `json:"actor"`
	Reason    string    `json:"reason,omitempty"`
}

// EventOf is how an event is shown, of users with ids of that store.
func EventOf(e store.Event, users interface{ UserID(localpart string) string }) Event {
	shown := Event{At: e.At, Action: e.Action, Outcome: string(e.Outcome()), DeviceID: e.DeviceID, SessionID: e.SessionID, ClientID: e.ClientID, Actor: e.Actor, Reason: e.Reason}
	if e.Localpart != "" {
		shown.UserID = users.UserID(e.Localpart)
	}
	return shown
}

// AuditQuestion says which events to list.
type AuditQuestion struct {
	// User is to whom they happened; "" for everybody.
	User string `json:"user,omitempty"`
	// Client, Action and Outcome are those of the events; "" for all. Since is the
	// earliest time and Until the first that is too late; zero for any.
	Client  string    `json:"client,omitempty"`
	Action  string    `json:"action,omitempty"`
	Outcome string    `json:"outcome,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Limit   int       `json:"limit"`
}

// Outcomes are those that an event can have.
var Outcomes = []string{string(store.OutcomeDone), string(store.OutcomeDenied), string(store.OutcomeRefused)}

// ListAudit lists what happened, the newest first.
var ListAudit = operation("list-audit", (*Service).listAudit)

func (s *Service) listAudit(ctx context.Context, q AuditQuestion) ([]Event, error) {
	if _, err := (Page{Limit: q.Limit}).fetch(); err != nil {
		return nil, err
	}
	if q.Outcome != "" && !slices.Contains(Outcomes, q.Outcome) {
		return nil, wrong("--outcome %s: it must be one of %s", Printable(q.Outcome), strings.Join(Outcomes, ", "))
	}
	localpart, err := s.anyUser(ctx, q.User)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.FindEvents(ctx, store.EventQuery{Localpart: localpart, ClientID: q.Client, Action: q.Action, Outcome: store.Outcome(q.Outcome),
		Since: q.Since, Until: q.Until, Limit: q.Limit})
	events := make([]Event, 0, len(found))
	for _, e := range found {
		events = append(events, EventOf(e, s.Store))
	}
	return events, err
}
