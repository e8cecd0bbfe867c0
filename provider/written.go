package provider

import (
	"strings"

	"github.com/oklog/ulid/v2"

	"keymaker/internal/secret"
)

// TokenKind is what a token is written as.
type TokenKind string

// The kinds of token that this server makes.
const (
	KindAccess        TokenKind = "access_token"
	KindClientAccess  TokenKind = "client_access_token" // of the client's own
	KindRefresh       TokenKind = "refresh_token"
	KindLegacyRefresh TokenKind = "legacy_refresh_token"
	KindCode          TokenKind = "authorization_code"
	KindDeviceCode    TokenKind = "device_code"
	KindLoginToken    TokenKind = "login_token"
)

var kinds = map[string]TokenKind{
	prefixAccess: KindAccess, prefixClient: KindClientAccess, prefixRefresh: KindRefresh, prefixLegacyRefresh: KindLegacyRefresh,
	prefixCode: KindCode, prefixDeviceCode: KindDeviceCode, prefixLoginToken: KindLoginToken,
}

// WrittenToken is what the text of a token tells by itself. Whether this server
// has made it is for the database to say.
type WrittenToken struct {
	Kind TokenKind // "" for what is no token of this server
	// Whole is false for a token that was cut or mistyped.
	Whole bool
	Hash  []byte
	// SessionID is the session that a refresh token names.
	SessionID string
}

// ReadToken takes a token apart.
func ReadToken(token string) WrittenToken {
	for prefix, kind := range kinds {
		body, ok := strings.CutPrefix(token, prefix)
		if !ok {
			continue
		}
		written := WrittenToken{Kind: kind, Hash: secret.Hash(token)}
		switch kind {
		case KindAccess, KindClientAccess:
			written.Whole = isToken(prefix, token)
		case KindRefresh, KindLegacyRefresh:
			var raw []byte
			if raw, written.Whole = decode(body, sizeRefresh); written.Whole {
				written.SessionID = ulid.ULID(raw[:sizeSession]).String()
			}
		default:
			_, written.Whole = decode(body, sizeSecret)
		}
		return written
	}
	return WrittenToken{}
}
