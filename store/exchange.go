package store

import (
	"context"
	"time"
)

type exchangeKey struct{}

// Exchange is one request to the token endpoint: what was read for it, so that
// fosite's repeated questions cost one statement in all.
type Exchange struct {
	// Arrived is when the request was received. A request that was on its way
	// while another one took effect is a race of one client, not a replay.
	Arrived time.Time

	client  *Client
	code    *codeRow
	account accountColumns
	session *sessionRow
	access  NewAccessToken // of a refresh, still to be stored
	device  *deviceGrantRow
	// repeated: the answer to the device code was given before.
	repeated bool
	reason   EndReason // why fosite is about to revoke the session
}

func exchangeFrom(ctx context.Context) *Exchange {
	x, _ := ctx.Value(exchangeKey{}).(*Exchange)
	if x == nil {
		return &Exchange{}
	}
	return x
}

// BeginExchange prepares a context for a request to the token endpoint.
func (s *Store) BeginExchange(ctx context.Context) context.Context {
	return context.WithValue(ctx, exchangeKey{}, &Exchange{Arrived: s.clock.Now()})
}

// LoadCode reads an authorization code with its client and user into the
// exchange. An unknown code is no error here: fosite asks again and is told.
func (s *Store) LoadCode(ctx context.Context, codeHash []byte) error {
	var row struct {
		Code  codeRow      `gorm:"embedded"`
		Owner ownerColumns `gorm:"embedded"`
	}
	result := s.read(ctx).Table("authorization_codes AS a").
		Select("a.*, "+selectOwner).
		Joins("JOIN users u ON u.localpart = a.localpart").
		Joins("LEFT JOIN clients c ON c.id = a.client_id").
		Where("a.code_hash = ?", codeHash).Limit(1).Find(&row)
	if result.Error != nil || result.RowsAffected == 0 {
		return fault("read an authorization code", result.Error)
	}
	client, err := s.owner(row.Owner, row.Code.ClientID)
	if err != nil || client == nil {
		return err
	}
	x := exchangeFrom(ctx)
	x.code, x.client, x.account = &row.Code, client, row.Owner.Account
	return nil
}

// LoadRefresh reads the session of a refresh token with its client and user
// into the exchange. An unknown one is no error here.
func (s *Store) LoadRefresh(ctx context.Context, key RefreshKey) error {
	var row sessionWithClient
	result := row.query(s.readByKey(ctx)).Where("s.id = ?", key.SessionID).Limit(1).Find(&row)
	if result.Error != nil || result.RowsAffected == 0 {
		return fault("read a session", result.Error)
	}
	client, err := s.owner(row.Owner, deref(row.Session.ClientID))
	if err != nil {
		return err
	}
	s.usage.apply(&row.Session)
	x := exchangeFrom(ctx)
	x.session, x.client, x.account = &row.Session, client, row.Owner.Account
	return nil
}

// WithClient makes fosite see client where it asks for the one of that id.
func (s *Store) WithClient(ctx context.Context, client *Client) context.Context {
	return context.WithValue(ctx, exchangeKey{}, &Exchange{Arrived: s.clock.Now(), client: client})
}
