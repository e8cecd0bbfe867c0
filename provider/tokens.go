package provider

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/oauth2"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
	"keymaker/store"
)

// Prefixes of the tokens, by which a secret scanner and a person tell them
// apart from each other and from another server's (conformance D-70).
const (
	prefixCode          = "kmc_"
	prefixDeviceCode    = "kmd_"
	prefixAccess        = "kma_"
	prefixClient        = "kmo_" // an access token of the client's own
	prefixRefresh       = "kmr_"
	prefixLegacyRefresh = "kml_"
	prefixLoginToken    = "kms_"
)

// Sizes in bytes of the parts of a refresh token.
const (
	sizeSession    = 16
	sizeGeneration = 4
	sizeSecret     = 32
	sizeMAC        = 16
	sizeRefresh    = sizeSession + sizeGeneration + sizeSecret + sizeMAC
)

const (
	// codeTTL is the life of an authorization code (conformance C-25).
	codeTTL = time.Minute
	// accessGrace is how much longer an access token works than its client is
	// told, for clocks and networks: a token that is refused early makes
	// clients log out (conformance D-2E).
	accessGrace = 30 * time.Second
	// replayLife is what must be left of an access token's life for a repeated
	// answer to hold the same one.
	replayLife = time.Minute
)

var encoding = base64.RawURLEncoding

// tokens is fosite's token strategy: opaque tokens of which only hashes are
// stored.
//
// The successor of a refresh token is derived from the token itself, from a
// seed that its session holds until the next rotation, and from the server's
// token secret. So the same answer can be given again when it was lost
// (conformance D-24), though no token is kept in a form that can be read.
type tokens struct {
	key        []byte
	clock      clock.Clock
	accessTTL  time.Duration
	refreshTTL time.Duration // 0 = never expires
	idleOnly   bool
}

var _ oauth2.CoreStrategy = (*tokens)(nil)

// GenerateAuthorizeCode implements oauth2.AuthorizeCodeStrategy.
func (t *tokens) GenerateAuthorizeCode(_ context.Context, r fosite.Requester) (code, signature string, err error) {
	session, err := sessionOf(r)
	if err != nil {
		return "", "", err
	}
	session.ExpiresAt = t.clock.Now().Add(codeTTL)
	code = prefixCode + secret.Token()
	return code, string(secret.Hash(code)), nil
}

// AuthorizeCodeSignature implements oauth2.AuthorizeCodeStrategy.
func (t *tokens) AuthorizeCodeSignature(_ context.Context, code string) string {
	return string(secret.Hash(code))
}

// ValidateAuthorizeCode implements oauth2.AuthorizeCodeStrategy. The store has
// looked at the code's age already.
func (t *tokens) ValidateAuthorizeCode(context.Context, fosite.Requester, string) error { return nil }

// GenerateAccessToken implements oauth2.AccessTokenStrategy.
func (t *tokens) GenerateAccessToken(_ context.Context, r fosite.Requester) (token, signature string, err error) {
	session, err := sessionOf(r)
	if err != nil {
		return "", "", err
	}
	if session.Kind == store.OfClient {
		body := secret.Token()
		session.IssuedAt = t.clock.Now()
		session.ExpiresAt = session.IssuedAt.Add(t.accessTTL + accessGrace)
		token = prefixClient + body + checksum(body)
		return token, string(secret.Hash(token)), nil
	}
	var body string
	body, session.IssuedAt = t.successor(r.GetRequestForm().Get("refresh_token"), session.Rotation)
	if code := r.GetRequestForm().Get("device_code"); code != "" {
		body = encoding.EncodeToString(t.deriveDevice("access", code))
		if session.Rotation.Replay {
			session.IssuedAt = session.Rotation.ReplayedAt
		}
	}
	session.ExpiresAt = session.IssuedAt.Add(t.accessTTL + accessGrace)
	token = prefixAccess + body + checksum(body)
	return token, string(secret.Hash(token)), nil
}

// successor is the secret part of the access token that a refresh token is
// exchanged for, and when it was issued. For a login, which presents none, it
// is random, and so it is where the first answer is no longer worth repeating.
func (t *tokens) successor(presented string, r store.Rotation) (body string, issued time.Time) {
	issued = t.clock.Now()
	if presented == "" || !t.repeatable(r) {
		return secret.Token(), issued
	}
	if r.Replay {
		issued = r.ReplayedAt
	}
	return encoding.EncodeToString(t.derive("access", presented, r)), issued
}

// repeatable tells whether the access token of a rotation is the derived one:
// always for the first answer, and for a repeated one while enough of the
// token's life is left to be worth having.
func (t *tokens) repeatable(r store.Rotation) bool {
	if !r.Replay {
		return true
	}
	left := r.ReplayedAt.Add(t.accessTTL).Sub(t.clock.Now())
	return left >= min(replayLife, t.accessTTL/2)
}

// AccessTokenSignature implements oauth2.AccessTokenStrategy. It is empty for
// what cannot be an access token of this server.
func (t *tokens) AccessTokenSignature(_ context.Context, token string) string {
	if hash := accessHash(token); hash != nil {
		return string(hash)
	}
	return ""
}

// accessHash is the hash of an access token, or nil for anything else.
func accessHash(token string) []byte {
	if !isToken(prefixAccess, token) {
		return nil
	}
	return secret.Hash(token)
}

// isToken tells whether a text is written as an access token of that prefix.
func isToken(prefix, token string) bool {
	body, ok := strings.CutPrefix(token, prefix)
	size := encoding.EncodedLen(sizeSecret)
	return ok && len(body) == size+8 && checksum(body[:size]) == body[size:]
}

// ValidateAccessToken implements oauth2.AccessTokenStrategy. What it returns
// tells the ways apart in which a token does not work.
func (t *tokens) ValidateAccessToken(_ context.Context, r fosite.Requester, _ string) error {
	session, err := sessionOf(r)
	switch {
	case err != nil:
		return err
	case session.Ended || session.ClientGone:
		return fosite.ErrInactiveToken
	case !session.ExpiresAt.IsZero() && !t.clock.Now().Before(session.ExpiresAt):
		return fosite.ErrTokenExpired
	}
	return nil
}

// GenerateRefreshToken implements oauth2.RefreshTokenStrategy.
func (t *tokens) GenerateRefreshToken(_ context.Context, r fosite.Requester) (token, signature string, err error) {
	session, err := sessionOf(r)
	if err != nil {
		return "", "", err
	}
	body := secret.Bytes(sizeSecret)
	if presented := r.GetRequestForm().Get("refresh_token"); presented != "" {
		body = t.derive("refresh", presented, session.Rotation)
	}
	if code := r.GetRequestForm().Get("device_code"); code != "" {
		body = t.deriveDevice("refresh", code)
	}
	token, key, err := t.refreshToken(prefixRefresh, session.ID, session.Rotation.Generation, body)
	if err != nil {
		return "", "", err
	}
	session.FirstRefresh = key.String()
	session.RefreshExpiresAt = t.refreshEnd(session.RefreshExpiresAt)
	return token, key.String(), nil
}

// refreshEnd is when a refresh token expires that is issued now; zero = never.
func (t *tokens) refreshEnd(previous time.Time) time.Time {
	switch {
	case t.refreshTTL == 0:
		return time.Time{}
	case !t.idleOnly && !previous.IsZero():
		return previous
	}
	return t.clock.Now().Add(t.refreshTTL)
}

// RefreshTokenSignature implements oauth2.RefreshTokenStrategy. It is empty for
// what this server did not make.
func (t *tokens) RefreshTokenSignature(_ context.Context, token string) string {
	key, ok := t.parseRefresh(prefixRefresh, token)
	if !ok {
		return ""
	}
	return key.String()
}

// ValidateRefreshToken implements oauth2.RefreshTokenStrategy.
func (t *tokens) ValidateRefreshToken(_ context.Context, r fosite.Requester, _ string) error {
	session, err := sessionOf(r)
	if err != nil {
		return err
	}
	if !session.RefreshExpiresAt.IsZero() && !t.clock.Now().Before(session.RefreshExpiresAt) {
		return fosite.ErrTokenExpired
	}
	return nil
}

// refreshToken makes a refresh token around a secret. It names its session and
// its generation, and a MAC shows that this server made it: an old one is
// recognised without a row for it, and a made-up one ends nobody's session.
func (t *tokens) refreshToken(prefix, sessionID string, generation int64, body []byte) (string, store.RefreshKey, error) {
	id, err := ulid.ParseStrict(sessionID)
	if err != nil || generation < 0 || generation > 1<<32-1 {
		return "", store.RefreshKey{}, fmt.Errorf("refresh token of session %s, generation %d: %w", sessionID, generation, store.ErrUnavailable)
	}
	raw := make([]byte, 0, sizeRefresh)
	raw = append(raw, id[:]...)
	raw = binary.BigEndian.AppendUint32(raw, uint32(generation))
	raw = append(raw, body...)
	raw = append(raw, t.refreshMAC(prefix, raw)...)
	token := prefix + encoding.EncodeToString(raw)
	return token, store.RefreshKey{SessionID: sessionID, Generation: generation, Hash: secret.Hash(token)}, nil
}

// decode reads base64url of exactly so many bytes. What says the same in other
// characters is none: the decoder passes over the ends of lines.
func decode(text string, size int) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	raw, err := encoding.Strict().DecodeString(text)
	return raw, err == nil && len(raw) == size
}

// parseRefresh takes a refresh token apart. It is false for what this server
// did not make.
func (t *tokens) parseRefresh(prefix, token string) (store.RefreshKey, bool) {
	text, ok := strings.CutPrefix(token, prefix)
	if !ok {
		return store.RefreshKey{}, false
	}
	raw, ok := decode(text, sizeRefresh)
	if !ok {
		return store.RefreshKey{}, false
	}
	signed, mac := raw[:sizeRefresh-sizeMAC], raw[sizeRefresh-sizeMAC:]
	if !secret.Equal(string(mac), string(t.refreshMAC(prefix, signed))) {
		return store.RefreshKey{}, false
	}
	return store.RefreshKey{
		SessionID:  ulid.ULID(raw[:sizeSession]).String(),
		Generation: int64(binary.BigEndian.Uint32(raw[sizeSession:])),
		Hash:       secret.Hash(token),
	}, true
}

func (t *tokens) refreshMAC(prefix string, signed []byte) []byte {
	return secret.MAC(t.key, []byte("refresh token"), []byte(prefix), signed)[:sizeMAC]
}

// derive is the secret part of what a refresh token is exchanged for.
func (t *tokens) derive(what, presented string, r store.Rotation) []byte {
	return secret.MAC(t.key, []byte("successor"), []byte(what), []byte(presented), r.Seed)
}

// deriveDevice is the secret part of what a device code is exchanged for: the
// same for every poll, so that a lost answer can be given again (conformance
// G-28).
func (t *tokens) deriveDevice(what, code string) []byte {
	return secret.MAC(t.key, []byte("device grant"), []byte(what), []byte(code))
}

// AccessToken writes 32 secret bytes as an access token of a person's session.
func AccessToken(body []byte) string {
	text := encoding.EncodeToString(body)
	return prefixAccess + text + checksum(text)
}

// RefreshToken writes 32 secret bytes as the first refresh token of a session, as a
// server does that has this token secret.
func RefreshToken(tokenSecret []byte, sessionID string, body []byte) (string, error) {
	token, _, err := (&tokens{key: tokenSecret}).refreshToken(prefixRefresh, sessionID, 1, body)
	return token, err
}

// checksum lets a mistyped or cut token be told from a real one without asking
// the database: CRC-32, eight hexadecimal digits.
func checksum(body string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
}

func sessionOf(r fosite.Requester) (*store.Session, error) {
	session, ok := r.GetSession().(*store.Session)
	if !ok {
		return nil, fmt.Errorf("a request without a session of ours: %w", store.ErrUnavailable)
	}
	return session, nil
}
