package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"keymaker/internal/secret"
)

const (
	// uiaLife is how long a client may wait for a person's approval without
	// asking again: each time it asks in the second half begins it anew.
	uiaLife = time.Hour
	// resetLife is how long an approval waits for the client.
	resetLife = 10 * time.Minute

	purposeUIA = "uia session"
)

// UIASession is a client that waits for a person's approval.
type UIASession struct {
	SessionID string
	Kind      SessionKind
	DeviceID  string
	ClientID  string
	// Login is the sign-in that the session began with.
	Login Login
}

type uiaSessionRow struct {
	SessionID string
	IDHash    []byte
	IDSealed  []byte
	CreatedAt int64
	ExpiresAt int64
}

func (uiaSessionRow) TableName() string { return "uia_sessions" }

// BeginUIA returns the id under which a live session of a user waits for an
// approval: the same one for as long as it keeps asking (conformance J-07). The
// id permits nothing. ErrNotFound: there is no such session.
func (s *Store) BeginUIA(ctx context.Context, localpart, sessionID string) (id string, err error) {
	var row uiaSessionRow
	result := s.read(ctx).Where("session_id = ? AND expires_at > ?", sessionID, s.clock.Now().Add(uiaLife/2).UnixMilli()).Limit(1).Find(&row)
	if result.Error != nil {
		return "", fault("read a UIA session", result.Error)
	}
	if result.RowsAffected == 0 {
		if row, err = s.beginUIA(ctx, localpart, sessionID); err != nil {
			return "", err
		}
	}
	plain, err := s.sealer.Open(purposeUIA, sessionID, row.IDSealed)
	if err != nil {
		return "", fmt.Errorf("UIA session: %w: %w", ErrUnavailable, err)
	}
	return string(plain), nil
}

// beginUIA makes a row, or lets the one that lives live on.
func (s *Store) beginUIA(ctx context.Context, localpart, sessionID string) (row uiaSessionRow, err error) {
	id := secret.Token()
	sealed, err := s.sealer.Seal(purposeUIA, sessionID, []byte(id))
	if err != nil {
		return row, fmt.Errorf("begin a UIA session: %w", err)
	}
	expires := s.clock.Now().Add(uiaLife).UnixMilli()
	err = s.InTx(ctx, func(ctx context.Context) error {
		if err := s.ownSession(ctx, localpart, sessionID); err != nil {
			return err
		}
		over := s.write(ctx).Where("session_id = ? AND expires_at <= ?", sessionID, s.now()).Delete(&uiaSessionRow{})
		if over.Error != nil {
			return fault("begin a UIA session", over.Error)
		}
		n := uiaSessionRow{SessionID: sessionID, IDHash: secret.Hash(id), IDSealed: sealed, CreatedAt: s.now(), ExpiresAt: expires}
		err := s.write(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "session_id"}},
			DoUpdates: clause.AssignmentColumns([]string{"expires_at"})}).Create(&n).Error
		if err != nil {
			return fault("begin a UIA session", err)
		}
		return fault("begin a UIA session", s.write(ctx).Where("session_id = ?", sessionID).Take(&row).Error)
	})
	return row, err
}

// ownSession is ErrNotFound unless the session is a live one of the user.
func (s *Store) ownSession(ctx context.Context, localpart, sessionID string) error {
	var row sessionRow
	err := s.write(ctx).Where("id = ? AND localpart = ? AND ended_at IS NULL", sessionID, localpart).Take(&row).Error
	return fault("read a session", err)
}

// UIASession returns who waits under an id, or ErrNotFound: the session has
// ended, or has not asked for an hour.
func (s *Store) UIASession(ctx context.Context, id string) (UIASession, error) {
	var row sessionRow
	err := s.read(ctx).Where("ended_at IS NULL AND id = (SELECT session_id FROM uia_sessions WHERE id_hash = ? AND expires_at > ?)", secret.Hash(id), s.now()).
		Take(&row).Error
	return UIASession{SessionID: row.ID, Kind: SessionKind(row.Kind), DeviceID: deref(row.DeviceID), ClientID: deref(row.ClientID), Login: row.Login.login()},
		fault("read a UIA session", err)
}

type resetApprovalRow struct {
	SessionID  string
	Localpart  string
	ApprovedAt int64
	ExpiresAt  int64
}

func (resetApprovalRow) TableName() string { return "reset_approvals" }

// ApproveReset lets a session replace the cross-signing keys of its user, once
// and within ten minutes (MSC4312), and uses the proof up that permits it: that
// of a fresh sign-in as the very account at the provider that the session began
// with. ErrNotFound: there is no such proof, or no such session.
func (s *Store) ApproveReset(ctx context.Context, k ProofKey, x UIASession) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		proof, err := s.TakeProof(ctx, k)
		if err != nil {
			return err
		}
		if k.Detail != x.SessionID || proof.ProviderID != x.Login.ProviderID || proof.UpstreamIssuer != x.Login.UpstreamIssuer ||
			proof.UpstreamSubject != x.Login.UpstreamSubject {
			return fmt.Errorf("approve a reset: the proof is for something else: %w", ErrNotFound)
		}
		if err := s.ownSession(ctx, k.Localpart, x.SessionID); err != nil {
			return err
		}
		_, err = s.approveReset(ctx, Event{Localpart: k.Localpart, DeviceID: x.DeviceID, SessionID: x.SessionID, ClientID: x.ClientID, Actor: ActorUser,
			Reason: proof.ProviderID})
		return err
	})
}

// AllowReset is ApproveReset without a proof, by an administrator who knows who
// the person is, and returns until when the keys can be replaced. It is for the
// session of an OIDC device alone. ErrNotFound: the user has no such session
// that lives; ErrConflict: the account is locked or deactivated.
func (s *Store) AllowReset(ctx context.Context, localpart, sessionID string) (until time.Time, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		user, err := s.User(ctx, localpart)
		if err != nil {
			return err
		}
		if user.Account.Locked || user.Account.Deactivated {
			return fmt.Errorf("allow a reset: %w", ErrConflict)
		}
		var row sessionRow
		err = s.write(ctx).Where("id = ? AND localpart = ? AND kind = ? AND device_id IS NOT NULL AND ended_at IS NULL", sessionID, localpart, string(OAuth)).Take(&row).Error
		if err != nil {
			return fault("allow a reset", err)
		}
		until, err = s.approveReset(ctx, Event{Localpart: localpart, DeviceID: deref(row.DeviceID), SessionID: row.ID, ClientID: deref(row.ClientID), Actor: ActorAdmin,
			Reason: row.Login.ProviderID})
		return err
	})
	return until, err
}

// approveReset gives the session of an event an approval, in place of one that
// it may have, and records who approved.
func (s *Store) approveReset(ctx context.Context, e Event) (until time.Time, err error) {
	until = s.clock.Now().Add(resetLife)
	row := resetApprovalRow{SessionID: e.SessionID, Localpart: e.Localpart, ApprovedAt: s.now(), ExpiresAt: until.UnixMilli()}
	err = s.write(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "session_id"}},
		DoUpdates: clause.AssignmentColumns([]string{"approved_at", "expires_at"})}).Create(&row).Error
	if err != nil {
		return until, fault("approve a reset", err)
	}
	if err := s.allowReset(ctx, e.Localpart, until); err != nil {
		return until, err
	}
	if err := s.notify(ctx, Notice{Kind: NoticeResetApproved, Localpart: e.Localpart, ClientID: e.ClientID, DeviceID: e.DeviceID, ProviderID: e.Reason}); err != nil {
		return until, err
	}
	e.Action = ActionResetApproved
	return until, s.Record(ctx, e)
}

// ResetApproved tells whether a session may replace the cross-signing keys of
// its user. It permits nothing: that is for TakeResetApproval.
func (s *Store) ResetApproved(ctx context.Context, localpart, sessionID string) (bool, error) {
	var count int64
	err := s.read(ctx).Model(&resetApprovalRow{}).Where("session_id = ? AND localpart = ? AND expires_at > ?", sessionID, localpart, s.now()).Count(&count).Error
	return count > 0, fault("read an approval", err)
}

// TakeResetApproval uses an approval up, in the transaction that replaces the
// keys. ErrNotFound: the user has not approved that this session does it, or the
// approval was used, or is older than ten minutes.
func (s *Store) TakeResetApproval(ctx context.Context, localpart, sessionID string) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if err := s.ownSession(ctx, localpart, sessionID); err != nil {
			return err
		}
		result := s.write(ctx).Where("session_id = ? AND localpart = ? AND expires_at > ?", sessionID, localpart, s.now()).Delete(&resetApprovalRow{})
		if err := one("take an approval", result, ErrNotFound); err != nil {
			return err
		}
		return fault("end a UIA session", s.write(ctx).Where("session_id = ?", sessionID).Delete(&uiaSessionRow{}).Error)
	})
}
