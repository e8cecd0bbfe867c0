package store

import (
	"context"
	"fmt"
	"time"
)

const (
	// sweepBatch is how many rows one statement removes: few enough that no
	// request waits long behind it.
	sweepBatch = 500
	// keepExpired is how long an expired access token is still known, so that
	// its client is told to refresh instead of to log out (conformance K-01).
	keepExpired = 24 * time.Hour
	// keepCodes is how long a used code is still recognised as a replay, and a
	// device is told that its code has expired.
	keepCodes = 24 * time.Hour
	// keepEnded is how long an ended session can be asked about.
	keepEnded = 30 * 24 * time.Hour
	// keepUnusedClients is how long a registration that nobody uses stays, and
	// keepIdleClients one with credentials that was used for a token of the
	// client's own: registering again, it would be another client.
	keepUnusedClients = 24 * time.Hour
	keepIdleClients   = 30 * 24 * time.Hour
	// keepDone is how long a job that is done can be looked at, and keepFailed
	// how long one that was given up.
	keepDone   = 24 * time.Hour
	keepFailed = 30 * 24 * time.Hour
	// keepUnsent is how long a mail is kept that no server sends any more.
	keepUnsent = 7 * 24 * time.Hour
	// keepUnusedPictures is how long a picture is kept that no user has.
	keepUnusedPictures = 24 * time.Hour
)

// Sweep ends the sessions whose refresh token has expired and removes what has
// expired, in small batches, and returns how many rows went. It never touches a
// client that has a live session, a remembered consent, a code or a request on
// its way (conformance B-42), nor one whose session has ended but is remembered:
// its device may not have heard of it, and some clients log out only when a
// refresh is an invalid_grant, not when they are an unknown client (D-2B).
func (s *Store) Sweep(ctx context.Context) (int64, error) {
	ctx = atLength(ctx)
	if err := s.endExpired(ctx); err != nil {
		return 0, err
	}
	now := s.clock.Now()
	before := func(d time.Duration) int64 { return now.Add(-d).UnixMilli() }
	steps := []struct {
		table, key, where string
		arg               int64
	}{
		{"pushed_requests", "uri_hash", "expires_at < ?", before(0)},
		{"upstream_logins", "state_hash", "expires_at < ?", before(0)},
		{"authorization_requests", "id_hash", "expires_at < ?", before(0)},
		{"pending_links", "id_hash", "expires_at < ?", before(0)},
		{"login_tokens", "token_hash", "expires_at < ?", before(0)},
		{"browser_sessions", "id_hash", "expires_at < ?", before(0)},
		{"proofs", "localpart", "expires_at < ?", before(0)},
		{"uia_sessions", "session_id", "expires_at < ?", before(0)},
		{"reset_approvals", "session_id", "expires_at < ?", before(0)},
		{"rendezvous_sessions", "id_hash", "expires_at < ?", before(0)},
		{"authorization_codes", "code_hash", "expires_at < ?", before(keepCodes)},
		{"device_grants", "device_code_hash", "expires_at < ?", before(keepCodes)},
		{"access_tokens", "token_hash", "expires_at < ?", before(keepExpired)},
		{"client_tokens", "token_hash", "expires_at < ?", before(0)},
		{"client_assertions", "id_hash", "expires_at < ?", before(0)},
		{"rate_limits", "key_hash", "full_at < ?", now.UnixMicro()},
		{"sessions", "id", "ended_at < ?", before(keepEnded)},
		{"jobs", "id", "state = 'done' AND finished_at < ?", before(keepDone)},
		{"jobs", "id", "state = 'failed' AND finished_at < ?", before(keepFailed)},
		{"jobs", "id", "state = 'waiting' AND kind = '" + JobNotice + "' AND created_at < ?", before(keepUnsent)},
		{"pictures", "id", "used_at IS NULL AND created_at < ?", before(keepUnusedPictures)},
		{"consents", "client_id", "approved_at <= ?", before(consentLife)},
		{"clients", "id", fmt.Sprintf(`last_used_at < ? AND (metadata_hash IS NOT NULL OR last_used_at = created_at OR last_used_at < %d)
			AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.client_id = clients.id AND s.ended_at IS NULL)
			AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.client_id = clients.id AND s.ended_at IS NOT NULL)
			AND NOT EXISTS (SELECT 1 FROM authorization_codes a WHERE a.client_id = clients.id)
			AND NOT EXISTS (SELECT 1 FROM device_grants g WHERE g.client_id = clients.id)
			AND NOT EXISTS (SELECT 1 FROM consents o WHERE o.client_id = clients.id)
			AND NOT EXISTS (SELECT 1 FROM pushed_requests p WHERE p.client_id = clients.id)
			AND NOT EXISTS (SELECT 1 FROM authorization_requests r WHERE r.client_id = clients.id)`, before(keepIdleClients)), before(keepUnusedClients)},
	}
	var total int64
	for _, step := range steps {
		for {
			// The condition is asked twice: PostgreSQL asks the outer one again of a
			// row that it had to wait for, a client that just registered anew.
			statement := fmt.Sprintf("DELETE FROM %[1]s WHERE %[2]s IN (SELECT %[2]s FROM %[1]s WHERE %[3]s LIMIT %[4]d) AND %[3]s",
				step.table, step.key, step.where, sweepBatch)
			result := s.write(ctx).Exec(statement, step.arg, step.arg)
			if result.Error != nil {
				return total, fault("sweep "+step.table, result.Error)
			}
			total += result.RowsAffected
			if result.RowsAffected < sweepBatch {
				break
			}
		}
	}
	return total, nil
}

// endExpired ends sessions that could not be refreshed for a day, when their
// last access token has expired too, so that it is known of them as well when
// and why they ended. Their devices stay: a person who comes back after a long
// time may still have its encryption keys.
func (s *Store) endExpired(ctx context.Context) error {
	limit := s.clock.Now().Add(-keepExpired).UnixMilli()
	for {
		var ids []string
		err := s.read(ctx).Model(&sessionRow{}).Where("ended_at IS NULL AND refresh_expires_at <= ?", limit).
			Order("refresh_expires_at").Limit(sweepBatch).Pluck("id", &ids).Error
		if err != nil {
			return fault("look for expired sessions", err)
		}
		for _, id := range ids {
			// The time is asked for again: the session may be refreshed just now.
			err := s.endSessions(ctx, End{Reason: EndRefreshExpired, Actor: ActorServer, KeepDevice: true},
				"id = ? AND refresh_expires_at <= ?", id, limit)
			if err != nil {
				return err
			}
		}
		if len(ids) < sweepBatch {
			return nil
		}
	}
}
