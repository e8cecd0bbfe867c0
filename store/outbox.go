package store

import (
	"context"
	"encoding/json"
	"time"
)

// JobHomeserver is the kind of the jobs that tell a homeserver which is another
// program what has changed. Their payload is a HomeserverChange, and those about
// one user are in one lane.
const JobHomeserver = "homeserver"

// HomeserverLane is the lane of what the homeserver is told about a user.
func HomeserverLane(localpart string) string { return JobHomeserver + " " + localpart }

// Change is what the homeserver is to learn.
type Change string

// The changes. Those of a user's fields are made of what the fields hold when
// the homeserver is told.
const (
	ChangeUserCreated  Change = "user_created"
	ChangeDisplayName  Change = "display_name"
	ChangeEmail        Change = "email"
	ChangeLocked       Change = "locked" // or not any more
	ChangeDeactivated  Change = "deactivated"
	ChangeReactivated  Change = "reactivated"
	ChangeDevices      Change = "devices" // the whole list
	ChangeDevicesGone  Change = "devices_gone"
	ChangeDeviceName   Change = "device_name"
	ChangeResetAllowed Change = "cross_signing_reset_allowed"
)

// HomeserverChange says what has changed, not how it is now: whoever tells the
// homeserver looks that up, so that it may be told late, or twice.
type HomeserverChange struct {
	Change    Change   `json:"change"`
	Localpart string   `json:"localpart"`
	DeviceIDs []string `json:"device_ids,omitempty"`
	// Erase: the homeserver is to forget a deactivated user as well.
	Erase bool `json:"erase,omitempty"`
	// Until is when it is too late to tell, in milliseconds; 0 for never.
	Until int64 `json:"until,omitempty"`
}

// tellHomeserver leaves a job behind for a homeserver that is another program,
// in the transaction of ctx.
func (s *Store) tellHomeserver(ctx context.Context, c HomeserverChange) error {
	if !s.outbox {
		return nil
	}
	_, err := s.AddJob(ctx, NewJob{Kind: JobHomeserver, Lane: HomeserverLane(c.Localpart), Payload: c, Prompt: true})
	return err
}

// tellDevicesGone tells of devices of a user that are there no more.
func (s *Store) tellDevicesGone(ctx context.Context, localpart string, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	return s.tellHomeserver(ctx, HomeserverChange{Change: ChangeDevicesGone, Localpart: localpart, DeviceIDs: ids})
}

// SyncDevices has the homeserver told of all devices of a user, whatever it
// knows of them. ErrNotFound: there is no such user.
func (s *Store) SyncDevices(ctx context.Context, localpart string) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.User(ctx, localpart); err != nil {
			return err
		}
		return s.tellHomeserver(ctx, HomeserverChange{Change: ChangeDevices, Localpart: localpart})
	})
}

// allowReset has the homeserver let a user replace the cross-signing keys, for
// as long as the person's approval is good.
func (s *Store) allowReset(ctx context.Context, localpart string, until time.Time) error {
	return s.tellHomeserver(ctx, HomeserverChange{Change: ChangeResetAllowed, Localpart: localpart, Until: until.UnixMilli()})
}

// ResetRefused tells whether the homeserver was last told that a user may replace
// the cross-signing keys since then, and would not have it: the job was given up.
func (s *Store) ResetRefused(ctx context.Context, localpart string, since time.Time) (bool, error) {
	var rows []jobRow
	err := s.write(ctx).Where("lane = ? AND created_at >= ?", HomeserverLane(localpart), since.UnixMilli()).Order("position DESC").Limit(resetsLookedAt).Find(&rows).Error
	if err != nil {
		return false, fault("look into a lane", err)
	}
	for _, r := range rows {
		var c HomeserverChange
		if json.Unmarshal([]byte(r.Payload), &c) == nil && c.Change == ChangeResetAllowed {
			return r.State == JobFailed, nil
		}
	}
	return false, nil
}

// resetsLookedAt is how many changes of a user are looked through for the last
// approval of a reset, which a person has given just now.
const resetsLookedAt = 100
