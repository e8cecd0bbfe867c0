package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ory/fosite"
)

// slowDown is what every poll that comes too early adds to the interval of its
// grant (RFC 8628 §3.5), in milliseconds.
const slowDown = 5_000

// The states of a device grant.
const (
	devicePending  = "pending"
	deviceApproved = "approved"
	deviceDenied   = "denied"
	deviceRedeemed = "redeemed"
)

// Requester is where a device grant was asked for, as the person who approves
// it is told.
type Requester struct {
	Address string
	Agent   string // the User-Agent header
}

// DeviceGrant is a request of a device that waits for a person.
type DeviceGrant struct {
	ClientID    string
	Scope       string
	Requester   Requester
	RequestedAt time.Time
}

type deviceGrantRow struct {
	DeviceCodeHash   []byte
	UserCodeHash     []byte
	SessionID        string
	ClientID         string
	DeviceID         *string
	Scope            string
	RequesterAddress string
	RequesterAgent   string
	PollInterval     int64 // milliseconds
	LastPollAt       *int64
	State            string
	Localpart        *string
	ProviderID       *string
	UpstreamIssuer   *string
	UpstreamSubject  *string
	AuthTime         *int64
	CreatedAt        int64
	ExpiresAt        int64
	RedeemedAt       *int64
}

func (deviceGrantRow) TableName() string { return "device_grants" }

// login is who approved the grant, once somebody has.
func (r *deviceGrantRow) login() Login {
	if r.Localpart == nil || r.AuthTime == nil {
		return Login{}
	}
	return Login{Localpart: *r.Localpart, ProviderID: deref(r.ProviderID), UpstreamIssuer: deref(r.UpstreamIssuer),
		UpstreamSubject: deref(r.UpstreamSubject), AuthTime: fromMilli(*r.AuthTime)}
}

// createDeviceGrant stores a grant that lives until the session's ExpiresAt. It
// returns ErrExists when the user code is taken.
func (s *Store) createDeviceGrant(ctx context.Context, deviceHash, userHash []byte, r fosite.Requester, session *Session) error {
	row := deviceGrantRow{DeviceCodeHash: deviceHash, UserCodeHash: userHash, SessionID: session.ID, ClientID: r.GetClient().GetID(), DeviceID: optional(session.DeviceID),
		Scope: strings.Join(r.GetRequestedScopes(), " "), RequesterAddress: session.Requester.Address, RequesterAgent: session.Requester.Agent,
		PollInterval: session.PollInterval.Milliseconds(), State: devicePending, CreatedAt: s.now(), ExpiresAt: session.ExpiresAt.UnixMilli()}
	return fault("store a device grant", s.write(ctx).Create(&row).Error)
}

// DeviceGrant returns the grant of a user code that waits for an answer.
// ErrNotFound: there is none, it was answered, or its time is over.
func (s *Store) DeviceGrant(ctx context.Context, userHash []byte) (DeviceGrant, error) {
	var row deviceGrantRow
	err := s.read(ctx).Where("user_code_hash = ? AND state = ? AND expires_at > ?", userHash, devicePending, s.now()).Take(&row).Error
	return DeviceGrant{ClientID: row.ClientID, Scope: row.Scope, RequestedAt: fromMilli(row.CreatedAt),
		Requester: Requester{Address: row.RequesterAddress, Agent: row.RequesterAgent}}, fault("read a device grant", err)
}

// DeviceAnswer is what a person has decided about a grant.
type DeviceAnswer struct {
	Login    Login
	Approved bool
	Scope    string // what they were asked about, and what is granted if they approve
}

// DecideDevice notes a person's answer to a grant, once: afterwards, and when
// its time is over, it returns ErrConflict.
func (s *Store) DecideDevice(ctx context.Context, userHash []byte, a DeviceAnswer) error {
	l, state := a.Login, deviceDenied
	if a.Approved {
		state = deviceApproved
	}
	result := s.write(ctx).Model(&deviceGrantRow{}).
		Where("user_code_hash = ? AND state = ? AND expires_at > ?", userHash, devicePending, s.now()).
		Updates(map[string]any{"state": state, "scope": a.Scope, "localpart": l.Localpart, "provider_id": l.ProviderID, "upstream_issuer": l.UpstreamIssuer,
			"upstream_subject": l.UpstreamSubject, "auth_time": l.AuthTime.UnixMilli()})
	return one("decide about a device grant", result, ErrConflict)
}

const purposeUserCode = "user code"

// BeginDevice stores that this browser has entered a user code, be there a
// grant for it or not, and returns an unguessable id. The code is sealed.
func (s *Store) BeginDevice(ctx context.Context, browser, userCode string, expires time.Time) (id string, err error) {
	sealed, err := s.sealer.Seal(purposeUserCode, "", []byte(userCode))
	if err != nil {
		return "", fmt.Errorf("store a user code: %w", err)
	}
	params, err := json.Marshal(sealed)
	if err != nil {
		return "", fmt.Errorf("store a user code: %w", err)
	}
	return s.Begin(ctx, browser, AuthorizationRequest{Kind: RequestDevice, Params: params, ExpiresAt: expires})
}

// EnteredCode returns the user code that this browser has entered, and who has
// signed in for it; nil before. Errors are those of Request. A code that was
// sealed with another secret file is not found: it is entered again.
func (s *Store) EnteredCode(ctx context.Context, browser, id string) (userCode string, login *Login, err error) {
	request, err := s.Request(ctx, browser, id)
	if err != nil {
		return "", nil, err
	}
	var sealed []byte
	if request.Kind != RequestDevice || json.Unmarshal(request.Params, &sealed) != nil {
		return "", nil, fmt.Errorf("user code: %w", ErrNotFound)
	}
	plain, err := s.sealer.Open(purposeUserCode, "", sealed)
	if err != nil {
		return "", nil, fmt.Errorf("user code: %w: %w", ErrNotFound, err)
	}
	return string(plain), request.Login, nil
}

// tooEarly notes a poll of a grant that is pending, and tells whether it came
// before the interval was over. Of polls at the same time one comes first.
func (s *Store) tooEarly(ctx context.Context, hash []byte) (bool, error) {
	now := s.now()
	result := s.write(ctx).Exec(`UPDATE device_grants SET last_poll_at = ?
		WHERE device_code_hash = ? AND (last_poll_at IS NULL OR last_poll_at + poll_interval <= ?)`, now, hash, now)
	if result.Error != nil || result.RowsAffected == 1 {
		return false, fault("note a poll", result.Error)
	}
	err := s.write(ctx).Exec(`UPDATE device_grants SET last_poll_at = ?, poll_interval = poll_interval + ? WHERE device_code_hash = ?`,
		now, slowDown, hash).Error
	return true, fault("slow a poll down", err)
}

// redeemDevice uses up an approved grant. It returns false when another poll
// has: then the answer may be given again as long as nobody has refreshed or
// ended the session, and is ErrConflict otherwise.
func (s *Store) redeemDevice(ctx context.Context, g *deviceGrantRow) (first bool, err error) {
	result := s.write(ctx).Model(&deviceGrantRow{}).Where("device_code_hash = ? AND state = ?", g.DeviceCodeHash, deviceApproved).
		Updates(map[string]any{"state": deviceRedeemed, "redeemed_at": s.now()})
	if result.Error != nil || result.RowsAffected == 1 {
		return true, fault("redeem a device grant", result.Error)
	}
	// Taking the row's lock orders this answer before or after an end of the
	// session, never amid it.
	return false, one("repeat a device grant", s.write(ctx).Exec(`UPDATE sessions SET rotated_at = rotated_at
		WHERE id = ? AND generation = ? AND ended_at IS NULL`, g.SessionID, firstGeneration), ErrConflict)
}
