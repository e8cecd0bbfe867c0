package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"keymaker/internal/config"
	"keymaker/provider"
	"keymaker/store"
)

// TokenInfo is what the server knows of a token. The token is not in it.
type TokenInfo struct {
	Kind string `json:"kind"` // "" for what is no token of this server
	Live bool   `json:"live"`
	// Why says why the token is not accepted, or what limits one that is; "" for
	// nothing.
	Why       string     `json:"why,omitempty"`
	UserID    string     `json:"user_id,omitempty"`
	DeviceID  string     `json:"device_id,omitempty"`
	ClientID  string     `json:"client_id,omitempty"`
	SessionID string     `json:"session_id,omitempty"`
	Scope     string     `json:"scope,omitempty"`
	IssuedAt  *time.Time `json:"issued_at,omitempty"`
	// ExpiresAt is nil for a token that never expires, or of which it is not
	// known.
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// TokenQuestion is a token to look at.
type TokenQuestion struct {
	Token string `json:"token"`
}

// ShowToken says what a token is good for. Looking is no use of it.
var ShowToken = operation("show-token", (*Service).showToken)

func (s *Service) showToken(ctx context.Context, q TokenQuestion) (TokenInfo, error) {
	written := provider.ReadToken(q.Token)
	info := TokenInfo{Kind: string(written.Kind)}
	if written.Kind == "" {
		info.Why = "it is no token of this server"
		return info, nil
	}
	if !written.Whole {
		info.Why = "it was cut or mistyped"
		return info, nil
	}
	look := map[provider.TokenKind]func(*Service, context.Context, provider.WrittenToken, *TokenInfo) error{
		provider.KindAccess: (*Service).lookAtAccess, provider.KindClientAccess: (*Service).lookAtClientAccess,
		provider.KindRefresh: (*Service).lookAtRefresh, provider.KindLegacyRefresh: (*Service).lookAtRefresh,
		provider.KindCode: (*Service).lookAtGrant, provider.KindDeviceCode: (*Service).lookAtGrant, provider.KindLoginToken: (*Service).lookAtGrant,
	}[written.Kind]
	err := look(s, ctx, written, &info)
	if errors.Is(err, store.ErrNotFound) {
		info.Why = "it was never issued, or has been over for so long that it is forgotten"
		return info, nil
	}
	return info, err
}

func (s *Service) lookAtAccess(ctx context.Context, w provider.WrittenToken, info *TokenInfo) error {
	session, err := s.Store.AccessToken(ctx, w.Hash)
	if err != nil {
		return err
	}
	info.of(s.Config, session)
	info.IssuedAt, info.ExpiresAt = unlessZero(session.IssuedAt), unlessZero(session.ExpiresAt)
	return s.judge(ctx, session, info)
}

func (s *Service) lookAtClientAccess(ctx context.Context, w provider.WrittenToken, info *TokenInfo) error {
	t, err := s.Store.ClientToken(ctx, w.Hash)
	if err != nil {
		return err
	}
	info.ClientID, info.Scope, info.IssuedAt, info.ExpiresAt, info.Live = t.ClientID, t.Scope, &t.IssuedAt, &t.ExpiresAt, true
	return nil
}

func (s *Service) lookAtRefresh(ctx context.Context, w provider.WrittenToken, info *TokenInfo) error {
	standing, issued, err := s.Store.RefreshRecord(ctx, w.SessionID, w.Hash)
	if err != nil {
		return err
	}
	if standing == store.RefreshUnknown {
		info.Why = "it is neither the current refresh token of the session that it names nor the one before: it was exchanged long ago, or made up"
		return nil
	}
	session, err := s.Store.SessionOf(ctx, w.SessionID)
	if err != nil {
		return err
	}
	record, err := s.Store.SessionRecord(ctx, w.SessionID)
	if err != nil {
		return err
	}
	user, err := s.Store.User(ctx, session.Login.Localpart)
	if err != nil {
		return err
	}
	session.Account = user.Account
	session.ExpiresAt = record.RefreshExpiresAt
	if session.ClientID != "" {
		_, err := s.Store.Client(ctx, session.ClientID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		session.ClientGone = err != nil
	}
	info.of(s.Config, session)
	info.IssuedAt, info.ExpiresAt = unlessZero(issued), unlessZero(session.ExpiresAt)
	if standing == store.RefreshReplaced {
		info.Why = "it was exchanged, and its successor is in use"
		return nil
	}
	if err := s.judge(ctx, session, info); err != nil {
		return err
	}
	if standing == store.RefreshPrevious && info.Live && info.Why == "" {
		info.Why = "it was exchanged, and works until the answer to that has been used"
	}
	return nil
}

// of says whose token it is, and what it may.
func (i *TokenInfo) of(c *config.Config, session *store.Session) {
	i.UserID, i.DeviceID, i.ClientID, i.SessionID, i.Scope = session.UserID, session.DeviceID, session.ClientID, session.ID, provider.Held(c, session).String()
}

// judge says whether a token of a session is accepted.
func (s *Service) judge(ctx context.Context, session *store.Session, info *TokenInfo) error {
	switch {
	case session.Ended:
		reason, by, at, err := s.Store.EndedSession(ctx, session.ID)
		if err != nil {
			return err
		}
		info.Why = fmt.Sprintf("its session was ended at %s by %s: %s", at.UTC().Format(time.RFC3339), by, reason)
	case session.Account.Deactivated:
		info.Why = "the account is deactivated"
	case session.ClientGone:
		info.Why = "its client is not configured any more"
	case !session.ExpiresAt.IsZero() && !s.Clock.Now().Before(session.ExpiresAt):
		info.Why = "it has expired"
	case session.Account.Locked:
		info.Why = "the account is locked: it works again once that is over"
	case session.Account.Suspended:
		info.Live, info.Why = true, "the account is suspended: it can read, and change nothing that others see"
	default:
		info.Live = true
	}
	return nil
}

func (s *Service) lookAtGrant(ctx context.Context, w provider.WrittenToken, info *TokenInfo) error {
	record, err := map[provider.TokenKind]func(*store.Store, context.Context, []byte) (store.GrantRecord, error){
		provider.KindCode: (*store.Store).CodeRecord, provider.KindDeviceCode: (*store.Store).DeviceGrantRecord, provider.KindLoginToken: (*store.Store).LoginTokenRecord,
	}[w.Kind](s.Store, ctx, w.Hash)
	if err != nil {
		return err
	}
	if record.Localpart != "" {
		info.UserID = s.Store.UserID(record.Localpart)
	}
	info.DeviceID, info.ClientID, info.Scope = record.DeviceID, record.ClientID, record.Scope
	info.IssuedAt, info.ExpiresAt = &record.IssuedAt, &record.ExpiresAt
	switch {
	case record.State == store.GrantRedeemed:
		info.SessionID, info.Why = record.SessionID, "it has been exchanged"
	case record.State == store.GrantDenied:
		info.Why = "the person has denied it"
	case !s.Clock.Now().Before(record.ExpiresAt):
		info.Why = "it has expired"
	case record.State == store.GrantPending:
		info.Live, info.Why = true, "nobody has approved it yet"
	default:
		info.Live = true
	}
	return nil
}
