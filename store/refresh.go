package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"keymaker/internal/secret"
)

// ErrReused is returned for a genuine refresh token whose successor is in use
// (conformance D-25).
var ErrReused = errors.New("the refresh token was used before")

// hashSize is the size in bytes of the hash of a bearer secret.
const hashSize = 32

// RefreshKey is what a genuine refresh token tells the store: never the token.
type RefreshKey struct {
	SessionID  string
	Generation int64
	Hash       []byte
}

// String is the key as fosite carries it.
func (k RefreshKey) String() string {
	return k.SessionID + "." + strconv.FormatInt(k.Generation, 10) + "." + hex.EncodeToString(k.Hash)
}

// ParseRefreshKey is the reverse of String. It returns ErrNotFound for
// anything else, the empty string of a token that is not ours included.
func ParseRefreshKey(s string) (RefreshKey, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return RefreshKey{}, fmt.Errorf("refresh token: %w", ErrNotFound)
	}
	generation, err1 := strconv.ParseInt(parts[1], 10, 64)
	hash, err2 := hex.DecodeString(parts[2])
	if errors.Join(err1, err2) != nil || len(hash) != hashSize {
		return RefreshKey{}, fmt.Errorf("refresh token: %w", ErrNotFound)
	}
	return RefreshKey{SessionID: parts[0], Generation: generation, Hash: hash}, nil
}

// rotation decides what a presented refresh token is good for, by the state of
// its session when the request arrived (conformance D-23):
//
//   - it is the current one: it rotates;
//   - it is the previous one, and nobody has used what it was exchanged for:
//     the answer was lost, and is given again;
//   - it is an older one, or its successor is in use: ErrReused, with the
//     session's id;
//   - anything else: ErrNotFound.
func (r *sessionRow) rotation(key RefreshKey, arrived time.Time) (Rotation, error) {
	switch {
	case r.EndedAt != nil || r.RefreshHash == nil:
		return Rotation{}, fmt.Errorf("refresh token of an ended session: %w", ErrNotFound)
	case key.Generation == r.Generation && bytes.Equal(key.Hash, r.RefreshHash):
		return Rotation{Seed: r.SuccessorSeed, Generation: r.Generation + 1}, nil
	case key.Generation == r.Generation-1 && bytes.Equal(key.Hash, r.PreviousRefreshHash) && !r.usedBefore(arrived):
		return Rotation{Seed: r.PreviousSeed, Generation: r.Generation, Replay: true, ReplayedAt: fromMilli(r.RotatedAt)}, nil
	case key.Generation < r.Generation:
		return Rotation{}, ErrReused
	}
	return Rotation{}, fmt.Errorf("refresh token: %w", ErrNotFound)
}

// usedBefore tells whether an access token of the current generation had been
// used when a request arrived. What was used while the request was on its way
// is the other half of a race between two processes of one client.
func (r *sessionRow) usedBefore(arrived time.Time) bool {
	return r.GenerationUsedAt != nil && *r.GenerationUsedAt <= arrived.UnixMilli()
}

// Successor is what a refresh token is exchanged for.
type Successor struct {
	RefreshHash []byte
	// RefreshExpiresAt is the end of the refresh token; zero = never.
	RefreshExpiresAt time.Time
	Access           NewAccessToken
}

// Rotate replaces the refresh token that key names by its successor, in the
// generation that follows, and stores the access token: both or neither. Any number
// of callers with the same pair succeed: one rotates, the others find it done. It
// returns ErrNotFound when the session has ended or moved on meanwhile.
func (s *Store) Rotate(ctx context.Context, key RefreshKey, next Successor) error {
	if s.postgres {
		if done, err := s.rotateAtOnce(ctx, key, next); done || err != nil {
			return err
		}
	}
	return s.InTx(ctx, func(ctx context.Context) error {
		if err := s.rotateSession(ctx, key, next); err != nil {
			return err
		}
		return s.AddAccessToken(ctx, next.Access)
	})
}

// rotateSession takes rotationValues.
const rotateSession = `UPDATE sessions SET generation = generation + 1, generation_used_at = NULL,
		previous_refresh_hash = refresh_hash, refresh_hash = ?, previous_seed = successor_seed, successor_seed = ?,
		rotated_at = ?, refresh_expires_at = ?, address = COALESCE(NULLIF(?, ''), address)
	WHERE id = ? AND generation = ? AND refresh_hash = ? AND ended_at IS NULL`

func (s *Store) rotateSession(ctx context.Context, key RefreshKey, next Successor) error {
	result := s.write(ctx).Exec(rotateSession, s.rotationValues(ctx, key, next)...)
	if result.Error != nil || result.RowsAffected == 1 {
		return fault("rotate a refresh token", result.Error)
	}
	// The update above met no row: it was done before. Taking the row's lock
	// orders this answer before or after an end of the session, never amid it.
	return one("repeat a rotation", s.write(ctx).Exec(`UPDATE sessions SET rotated_at = rotated_at
		WHERE id = ? AND generation = ? AND refresh_hash = ? AND previous_refresh_hash = ? AND ended_at IS NULL`,
		key.SessionID, key.Generation+1, next.RefreshHash, key.Hash), ErrNotFound)
}

func (s *Store) rotationValues(ctx context.Context, key RefreshKey, next Successor) []any {
	return []any{next.RefreshHash, secret.Bytes(seedSize), s.now(), milli(next.RefreshExpiresAt), addressFrom(ctx), key.SessionID, key.Generation, key.Hash}
}

// rotateAtOnce is the statement that rotates and stores the access token, which
// PostgreSQL is asked once for, and four times with a transaction around two.
const rotateAtOnce = `WITH rotated AS (` + rotateSession + ` RETURNING id)
	INSERT INTO access_tokens (token_hash, session_id, generation, issued_at, expires_at)
	SELECT ?::BYTEA, id, ?::BIGINT, ?::BIGINT, ?::BIGINT FROM rotated ON CONFLICT DO NOTHING`

// rotateAtOnce tells whether it has rotated. If not, the rotation was done before, or
// the session is another one by now.
func (s *Store) rotateAtOnce(ctx context.Context, key RefreshKey, next Successor) (done bool, err error) {
	a := next.Access
	values := append(s.rotationValues(ctx, key, next), a.Hash, a.Generation, a.IssuedAt.UnixMilli(), milli(a.ExpiresAt))
	result := s.write(ctx).Exec(rotateAtOnce, values...)
	return result.RowsAffected == 1, fault("rotate a refresh token", result.Error)
}

// Presented returns the session of a refresh token of one kind, with what its
// exchange will give. Errors are ErrNotFound; ErrReused, after which the
// session has ended; or wrap ErrUnavailable.
func (s *Store) Presented(ctx context.Context, key RefreshKey, kind SessionKind) (*Session, error) {
	ctx = s.BeginExchange(ctx)
	if err := s.LoadRefresh(ctx, key); err != nil {
		return nil, err
	}
	x := exchangeFrom(ctx)
	if x.session == nil || x.session.Kind != string(kind) {
		return nil, fmt.Errorf("refresh token: %w", ErrNotFound)
	}
	session, err := s.presented(x, key)
	if errors.Is(err, ErrReused) {
		end := End{Reason: EndRefreshReused, Actor: ActorServer, KeepDevice: true}
		return nil, errors.Join(err, s.EndSession(ctx, x.session.ID, end))
	}
	return session, err
}

// presented is the session in an exchange and the rotation of its token. With
// ErrReused the session is returned too.
func (s *Store) presented(x *Exchange, key RefreshKey) (*Session, error) {
	rotation, err := x.session.rotation(key, x.Arrived)
	if err != nil && !errors.Is(err, ErrReused) {
		return nil, err
	}
	session := s.session(x.session, x.account)
	session.Rotation, session.Presented = rotation, key
	if x.session.RefreshExpiresAt != nil {
		session.RefreshExpiresAt = fromMilli(*x.session.RefreshExpiresAt)
	}
	return session, err
}
