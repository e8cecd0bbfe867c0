package store

import (
	"context"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"gorm.io/gorm"
)

// Outcome says how what an event tells of ended.
type Outcome string

// The outcomes of events.
const (
	OutcomeDone    Outcome = "done"
	OutcomeDenied  Outcome = "denied"  // a person said no
	OutcomeRefused Outcome = "refused" // the server ended what may have been stolen
)

// abuses are the reasons of a session's end for which it was taken for stolen.
var abuses = []string{string(EndCodeReplayed), string(EndRefreshReused)}

// Outcome is how it ended.
func (e Event) Outcome() Outcome {
	switch {
	case e.Action == ActionConsentDenied:
		return OutcomeDenied
	case e.Action == ActionSessionEnded && slices.Contains(abuses, e.Reason):
		return OutcomeRefused
	}
	return OutcomeDone
}

// EventQuery says which events are wanted. What is empty or zero restricts
// nothing.
type EventQuery struct {
	Localpart, ClientID, Action string
	Outcome                     Outcome
	// Since is the earliest time, and Until the first that is too late.
	Since, Until time.Time
	// Limit is how many at most.
	Limit int
}

// FindEvents returns the newest events that are wanted, newest first.
func (s *Store) FindEvents(ctx context.Context, q EventQuery) ([]Event, error) {
	query := s.read(ctx).Order("id DESC") // by time as well, and indexed
	if q.Localpart != "" {
		query = s.read(ctx).Where("localpart = ?", q.Localpart).Order("at DESC, id DESC")
	}
	for column, value := range map[string]string{"client_id": q.ClientID, "action": q.Action} {
		if value != "" {
			query = query.Where(column+" = ?", value)
		}
	}
	switch q.Outcome {
	case OutcomeDenied:
		query = query.Where("action = ?", ActionConsentDenied)
	case OutcomeRefused:
		query = query.Where("action = ? AND reason IN ?", ActionSessionEnded, abuses)
	case OutcomeDone:
		query = query.Where("action <> ? AND NOT (action = ? AND reason IN ?)", ActionConsentDenied, ActionSessionEnded, abuses)
	}
	if !q.Since.IsZero() {
		query = query.Where("id >= ? AND at >= ?", FirstEventID(q.Since), q.Since.UnixMilli())
	}
	if !q.Until.IsZero() {
		query = query.Where("id < ? AND at < ?", FirstEventID(q.Until), q.Until.UnixMilli())
	}
	return readEvents(query.Limit(q.Limit))
}

// EventsAfter returns the events whose id follows another, oldest first, at most
// limit. One whose transaction took long may be missing at first and come before
// those that were there.
func (s *Store) EventsAfter(ctx context.Context, id string, limit int) ([]Event, error) {
	return readEvents(s.read(ctx).Where("id > ?", id).Order("id").Limit(limit))
}

func readEvents(query *gorm.DB) ([]Event, error) {
	var rows []auditRow
	if err := query.Find(&rows).Error; err != nil {
		return nil, fault("read the audit log", err)
	}
	events := make([]Event, 0, len(rows))
	for _, r := range rows {
		events = append(events, Event{ID: r.ID, At: fromMilli(r.At), Action: r.Action, Localpart: deref(r.Localpart), DeviceID: deref(r.DeviceID),
			SessionID: deref(r.SessionID), ClientID: deref(r.ClientID), Actor: r.Actor, Reason: r.Reason})
	}
	return events, nil
}

// FirstEventID is the smallest id of a time: that of every event from then on is
// no smaller.
func FirstEventID(at time.Time) string {
	var id ulid.ULID
	_ = id.SetTime(ulid.Timestamp(at))
	return id.String()
}
