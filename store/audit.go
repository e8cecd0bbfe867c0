package store

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/oklog/ulid/v2"

	"keymaker/internal/secret"
)

// EndReason says why a session ended. It is stored with the session and in the
// audit log.
type EndReason string

// The reasons for which sessions end.
const (
	EndLogout         EndReason = "logout"           // the legacy API's logout
	EndRevoked        EndReason = "token_revoked"    // RFC 7009
	EndRPInitiated    EndReason = "rp_initiated"     // OpenID Connect RP-Initiated Logout
	EndReplaced       EndReason = "device_replaced"  // a new login took the device
	EndCodeReplayed   EndReason = "code_replayed"    // conformance D-18
	EndRefreshReused  EndReason = "refresh_reused"   // conformance D-25
	EndRefreshExpired EndReason = "refresh_expired"  // idle for longer than refresh_token_ttl
	EndUserRequest    EndReason = "ended_by_user"    // on the account page
	EndDeactivated    EndReason = "user_deactivated" // conformance H-07
	EndAdminRequest   EndReason = "ended_by_admin"   // by an administrator
)

// Event is one line of the audit log. It holds names and ids, never a secret.
type Event struct {
	ID        string // given by Record; sorts by time
	At        time.Time
	Action    string
	Localpart string
	DeviceID  string
	SessionID string
	ClientID  string
	Actor     string
	Reason    string
}

// Actions of the audit log.
const (
	ActionSessionStarted = "session_started"
	ActionSessionEnded   = "session_ended"
	ActionUserCreated    = "user_created"
	// ActionUserAdopted: a user whom the homeserver had is known here from now on.
	ActionUserAdopted  = "user_adopted"
	ActionUserLinked   = "user_linked"
	ActionUserUnlinked = "user_unlinked"
	ActionConsentGiven = "consent_given"
	// ActionConsentRemembered: a request was answered by an earlier approval.
	ActionConsentRemembered = "consent_remembered"
	ActionConsentDenied     = "consent_denied"
	ActionDeviceRenamed     = "device_renamed"
	// ActionDeviceRemoved: a device went that had no session any more.
	ActionDeviceRemoved = "device_removed"
	// ActionDisplayNameChanged: by the person, an administrator, or the identity
	// provider that the reason names.
	ActionDisplayNameChanged = "display_name_changed"
	// ActionPictureChanged: the same with the picture, which may be gone since.
	ActionPictureChanged = "picture_changed"
	// ActionBrowserSignedOut: a person signed out on the pages. The client, if
	// any, is the one that sent them.
	ActionBrowserSignedOut = "browser_signed_out"
	// ActionKeysSet: a user has cross-signing keys for the first time, and
	// ActionKeysReplaced: other ones than before.
	ActionKeysSet      = "cross_signing_keys_set"
	ActionKeysReplaced = "cross_signing_keys_replaced"

	// ActionResetApproved: a session may replace the cross-signing keys.
	ActionResetApproved = "reset_approved"

	ActionUserLocked      = "user_locked"
	ActionUserUnlocked    = "user_unlocked"
	ActionUserSuspended   = "user_suspended"
	ActionUserUnsuspended = "user_unsuspended"
	ActionUserDeactivated = "user_deactivated"
	ActionUserErased      = "user_erased"
	ActionUserReactivated = "user_reactivated"
	// ActionAdminMarked: the identity provider that the reason names says that the
	// user administers the homeserver, and ActionAdminUnmarked: no longer.
	ActionAdminMarked   = "admin_marked"
	ActionAdminUnmarked = "admin_unmarked"
)

// Actors of the audit log.
const (
	ActorUser   = "user"
	ActorClient = "client"
	ActorServer = "server"
	ActorAdmin  = "admin"
)

type auditRow struct {
	ID        string
	At        int64
	Action    string
	Localpart *string
	DeviceID  *string
	SessionID *string
	ClientID  *string
	Actor     string
	Reason    string
}

func (auditRow) TableName() string { return "audit_events" }

// Record writes an audit event; inside a transaction it shares its fate.
func (s *Store) Record(ctx context.Context, e Event) error {
	now := s.clock.Now()
	row := auditRow{ID: s.eventID(now), At: now.UnixMilli(), Action: e.Action, Localpart: optional(e.Localpart), DeviceID: optional(e.DeviceID),
		SessionID: optional(e.SessionID), ClientID: optional(e.ClientID), Actor: e.Actor, Reason: e.Reason}
	return fault("write an audit event", s.write(ctx).Create(&row).Error)
}

// AuditEvents returns the newest events of a user, or with "" of everybody,
// newest first, at most limit.
func (s *Store) AuditEvents(ctx context.Context, localpart string, limit int) ([]Event, error) {
	return s.FindEvents(ctx, EventQuery{Localpart: localpart, Limit: limit})
}

// eventID is an id that also sorts what this server does within a millisecond:
// one transaction often ends a session and starts the next.
func (s *Store) eventID(now time.Time) string {
	return newID(now, binary.BigEndian.AppendUint32(nil, s.events.Add(1)))
}

// NewID returns a unique id (a ULID, 26 characters) that sorts by time, so that
// new rows land at the end of their index.
func NewID(now time.Time) string { return newID(now, nil) }

func newID(now time.Time, order []byte) string {
	var id ulid.ULID
	_ = id.SetTime(ulid.Timestamp(now))
	_ = id.SetEntropy(append(order, secret.Bytes(10-len(order))...))
	return id.String()
}
