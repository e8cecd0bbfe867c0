package store

import "context"

// trustedEnds are why a session may have ended and still show that the browser
// is the person's. One that somebody else was thrown out of shows nothing.
var trustedEnds = []EndReason{EndLogout, EndRevoked, EndRPInitiated, EndReplaced, EndRefreshExpired}

// signedInBefore tells whether a session that is about to begin is nothing new:
// its client has had one by an approval in the same browser, or has the device,
// from the address where that was last seen. The device alone proves nothing:
// whoever shares a room with a person knows its id, and a client can ask for any.
func (s *Store) signedInBefore(ctx context.Context, x Session) (bool, error) {
	const client = "COALESCE(client_id, '') = ?"
	var before int64
	if x.Login.BrowserHash != "" {
		err := s.write(ctx).Model(&sessionRow{}).Where("browser_hash = ? AND localpart = ?", []byte(x.Login.BrowserHash), x.Login.Localpart).
			Where(client, x.ClientID).Where("ended_at IS NULL OR end_reason IN ?", trustedEnds).Limit(1).Count(&before).Error
		if err != nil || before > 0 {
			return before > 0, fault("look for an earlier sign-in", err)
		}
	}
	address := addressFrom(ctx)
	if x.DeviceID == "" || address == "" {
		return false, nil
	}
	// A device that a session has had knows its provider.
	err := s.write(ctx).Model(&deviceRow{}).Where("localpart = ? AND device_id = ? AND provider_id IS NOT NULL", x.Login.Localpart, x.DeviceID).
		Where(client, x.ClientID).Where("last_seen_address = ?", address).Limit(1).Count(&before).Error
	return before > 0, fault("look for an earlier sign-in", err)
}

// notifySignIn leaves a mail behind for a session that is about to begin, unless
// it is nothing new.
func (s *Store) notifySignIn(ctx context.Context, x Session) error {
	if !s.notices.Load() {
		return nil
	}
	before, err := s.signedInBefore(ctx, x)
	if err != nil || before {
		return err
	}
	return s.notify(ctx, Notice{Kind: NoticeSignIn, Localpart: x.Login.Localpart, ClientID: x.ClientID, DeviceID: x.DeviceID, ProviderID: x.Login.ProviderID})
}
