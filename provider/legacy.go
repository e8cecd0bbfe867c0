package provider

import (
	"context"
	"errors"
	"fmt"
	"time"

	"keymaker/internal/secret"
	"keymaker/provider/scope"
	"keymaker/store"
)

// ErrDeactivated is returned for a user who has left for good.
var ErrDeactivated = errors.New("the user is deactivated")

// ErrLocked is returned for a user whose account an administrator has locked.
var ErrLocked = errors.New("the user is locked")

// LegacyLogin is a POST /login with m.login.token (conformance I-09).
type LegacyLogin struct {
	Token      string
	DeviceID   string // "" = make one
	DeviceName string
	Refresh    bool // the client can refresh
}

// LegacyTokens is what a legacy client gets.
type LegacyTokens struct {
	UserID       string
	DeviceID     string
	AccessToken  string
	RefreshToken string        // "" for a client that cannot refresh
	ExpiresIn    time.Duration // 0 = never
	// Replayed: it is the answer to a refresh that was given before.
	Replayed bool
}

// LoginWithToken exchanges a login token for a session. The token is used up
// only once the device exists on the homeserver. A device that exists is
// taken over, and what it held before is over (I-0B). Errors are
// store.ErrNotFound for a token that is unknown, used or expired, ErrLocked,
// ErrDeactivated, or wrap store.ErrUnavailable.
func (p *Provider) LoginWithToken(ctx context.Context, l LegacyLogin) (*LegacyTokens, error) {
	login, err := p.store.LoginToken(ctx, l.Token)
	if err != nil {
		return nil, err
	}
	if err := p.mayLogIn(ctx, login.Localpart); err != nil {
		return nil, err
	}
	session := store.Session{ID: store.NewID(p.clock.Now()), DeviceID: l.DeviceID, Kind: store.Legacy, Login: login}
	if session.DeviceID == "" {
		session.DeviceID = scope.NewDevice()
	}
	session.Scope = scope.Legacy(session.DeviceID)
	name := cut(l.DeviceName, nameLength)
	if err := p.provision(ctx, login.Localpart, session.DeviceID, name); err != nil {
		return nil, err
	}
	var out *LegacyTokens
	err = p.store.InTx(ctx, func(ctx context.Context) error {
		if err := p.store.TakeLoginToken(ctx, l.Token); err != nil {
			return err
		}
		var err error
		out, err = p.startLegacy(ctx, session, name, l.Refresh)
		return err
	})
	return out, err
}

// mayLogIn is nil for a user who may begin a session. A suspended user may
// (conformance C-67).
func (p *Provider) mayLogIn(ctx context.Context, localpart string) error {
	user, err := p.store.User(ctx, localpart)
	switch {
	case err != nil:
		return err
	case user.Account.Deactivated:
		return ErrDeactivated
	case user.Account.Locked:
		return ErrLocked
	}
	return nil
}

// startLegacy begins a legacy session in the caller's transaction.
func (p *Provider) startLegacy(ctx context.Context, session store.Session, deviceName string, refresh bool) (*LegacyTokens, error) {
	n := store.NewSession{Session: session, DeviceName: deviceName}
	out := &LegacyTokens{UserID: p.store.UserID(session.Login.Localpart), DeviceID: session.DeviceID}
	access := p.legacyAccess(session.ID, 1, secret.Token(), p.clock.Now(), refresh)
	out.AccessToken = access.token
	if refresh {
		token, key, err := p.tokens.refreshToken(prefixLegacyRefresh, session.ID, 1, secret.Bytes(sizeSecret))
		if err != nil {
			return nil, err
		}
		n.RefreshHash, n.RefreshExpiresAt = key.Hash, p.tokens.refreshEnd(time.Time{})
		out.RefreshToken, out.ExpiresIn = token, p.tokens.accessTTL
	}
	if err := p.store.StartSession(ctx, n); err != nil {
		return nil, err
	}
	return out, p.store.AddAccessToken(ctx, access.row)
}

type legacyAccess struct {
	token string
	row   store.NewAccessToken
}

func (p *Provider) legacyAccess(session string, generation int64, body string, issued time.Time, expires bool) legacyAccess {
	token := prefixAccess + body + checksum(body)
	row := store.NewAccessToken{Hash: secret.Hash(token), SessionID: session, Generation: generation, IssuedAt: issued}
	if expires {
		row.ExpiresAt = issued.Add(p.tokens.accessTTL + accessGrace)
	}
	return legacyAccess{token: token, row: row}
}

// RefreshLegacy is POST /refresh (conformance I-0D). The rule for a lost answer
// is that of the token endpoint. Errors are ErrUnknownToken for a token that is
// unknown, expired, reused or of an OAuth client, ErrLocked for one that works
// again once its user is unlocked (K-03), or wrap store.ErrUnavailable.
func (p *Provider) RefreshLegacy(ctx context.Context, token string) (*LegacyTokens, error) {
	key, ok := p.tokens.parseRefresh(prefixLegacyRefresh, token)
	if !ok {
		return nil, ErrUnknownToken
	}
	session, err := p.store.Presented(ctx, key, store.Legacy)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrReused):
		return nil, fmt.Errorf("%w: %w", ErrUnknownToken, err)
	case err != nil:
		return nil, err
	case session.Account.Deactivated:
		return nil, fmt.Errorf("%w: %w", ErrUnknownToken, ErrDeactivated)
	case !session.RefreshExpiresAt.IsZero() && !p.clock.Now().Before(session.RefreshExpiresAt):
		return nil, fmt.Errorf("%w: %w", ErrUnknownToken, errRefreshExpired)
	case session.Account.Locked:
		return nil, ErrLocked
	}
	return p.rotateLegacy(ctx, token, session)
}

func (p *Provider) rotateLegacy(ctx context.Context, presented string, session *store.Session) (*LegacyTokens, error) {
	rotation := session.Rotation
	next, key, err := p.tokens.refreshToken(prefixLegacyRefresh, session.ID, rotation.Generation, p.tokens.derive("refresh", presented, rotation))
	if err != nil {
		return nil, err
	}
	body, issued := p.tokens.successor(presented, rotation)
	access := p.legacyAccess(session.ID, rotation.Generation, body, issued, true)
	err = p.store.Rotate(ctx, session.Presented,
		store.Successor{RefreshHash: key.Hash, RefreshExpiresAt: p.tokens.refreshEnd(session.RefreshExpiresAt), Access: access.row})
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrUnknownToken
	}
	return &LegacyTokens{UserID: session.UserID, DeviceID: session.DeviceID, AccessToken: access.token, RefreshToken: next,
		ExpiresIn: access.row.ExpiresAt.Add(-accessGrace).Sub(p.clock.Now()), Replayed: rotation.Replay}, err
}

// Logout ends the caller's session and its device, or with all every session of
// the user (conformance I-0E).
func (p *Provider) Logout(ctx context.Context, c *Caller, all bool) error {
	end := store.End{Reason: store.EndLogout, Actor: store.ActorUser}
	if all {
		return p.store.EndAllSessions(ctx, c.Session.Login.Localpart, end)
	}
	return p.store.EndSession(ctx, c.Session.ID, end)
}
