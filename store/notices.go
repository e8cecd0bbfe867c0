package store

import (
	"context"
	"encoding/json"
	"fmt"
)

// JobNotice is the kind of the jobs that tell a person by mail what happened to
// their account. Their payload is a Notice, and those of one user are in one
// lane.
const JobNotice = "notice"

// NoticeKind says what a person is told.
type NoticeKind string

// The kinds of notices.
const (
	NoticeSignIn        NoticeKind = "sign_in"        // where nobody has signed in before
	NoticeResetApproved NoticeKind = "reset_approved" // the cross-signing keys may be replaced
	NoticeKeysReplaced  NoticeKind = "keys_replaced"  // they have been (conformance J-23)
	NoticeLinked        NoticeKind = "linked"         // another account leads to this one
	NoticeUnlinked      NoticeKind = "unlinked"       // an account leads there no more
	NoticeDeactivated   NoticeKind = "deactivated"
)

// Notice says what happened, in ids alone: administrators see it. What is
// personal is sealed beside it.
type Notice struct {
	Kind      NoticeKind `json:"kind"`
	Localpart string     `json:"localpart"`
	// ClientID, DeviceID and ProviderID are "" where none was part of it.
	ClientID   string `json:"client_id,omitempty"`
	DeviceID   string `json:"device_id,omitempty"`
	ProviderID string `json:"provider_id,omitempty"`
}

// Recipient is whom a notice goes to, as it was when what it tells of happened.
type Recipient struct {
	Email    string // verified; "" for nobody
	Language string // as BCP 47 has it; "" where it is not known
	Address  string // the IP address from which it was done; "" where it is not known
}

// notify leaves a mail behind for a user, in the transaction of ctx. Of a user
// without an address nothing is written.
func (s *Store) notify(ctx context.Context, n Notice) error {
	if !s.notices.Load() {
		return nil
	}
	to, err := s.recipient(ctx, n.Localpart)
	if err != nil || to.Email == "" {
		return err
	}
	job := NewJob{Kind: JobNotice, Lane: JobNotice + " " + n.Localpart, Payload: n}
	if s.sealer != nil { // an administrator's command has none, and leaves the address in its place
		to.Address = addressFrom(ctx)
		if job.Secret, err = json.Marshal(to); err != nil {
			return fmt.Errorf("seal a recipient: %w", err)
		}
	}
	_, err = s.AddJob(ctx, job)
	return err
}

// recipient is whom the notices of a user go to.
func (s *Store) recipient(ctx context.Context, localpart string) (Recipient, error) {
	var to Recipient
	err := s.write(ctx).Model(&userRow{}).Select("email, language").Where("localpart = ?", localpart).Limit(1).Find(&to).Error
	return to, fault("read the address of a user", err)
}

// ReadNotice returns what a job of the kind JobNotice is to tell, and whom. The
// errors are those of JobSecret, or say that the payload is none.
func (s *Store) ReadNotice(ctx context.Context, j Job) (n Notice, to Recipient, err error) {
	if err := json.Unmarshal(j.Payload, &n); err != nil {
		return n, to, fmt.Errorf("read the payload: %w", err)
	}
	sealed, err := s.JobSecret(j)
	if err != nil {
		return n, to, err
	}
	if sealed == nil {
		to, err = s.recipient(ctx, n.Localpart)
		return n, to, err
	}
	if err := json.Unmarshal(sealed, &to); err != nil {
		return n, to, fmt.Errorf("read the recipient: %w", err)
	}
	return n, to, nil
}

// KeepLanguage remembers the language that a person is shown at a sign-in, for
// the mails that tell them of changes.
func (s *Store) KeepLanguage(ctx context.Context, localpart, language string) error {
	if !s.notices.Load() {
		return nil
	}
	return fault("keep the language of a user", s.write(ctx).Model(&userRow{}).
		Where("localpart = ? AND deactivated_at IS NULL AND language <> ?", localpart, language).Update("language", language).Error)
}
