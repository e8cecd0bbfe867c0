package provider

import (
	"context"
	"strings"
	"unicode"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/rfc8628"

	"keymaker/internal/secret"
	"keymaker/store"
)

const (
	// userCodeAlphabet makes no words, and nothing that is mistaken for
	// something else (RFC 8628 §6.1, conformance G-12).
	userCodeAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength   = 8
)

// deviceCodes is fosite's strategy of device and user codes.
type deviceCodes struct {
	key   []byte
	store *store.Store
}

var _ rfc8628.RFC8628CodeStrategy = deviceCodes{}

// ShouldRateLimit implements rfc8628.DeviceRateLimitStrategy. It is the first
// that fosite asks, and so refuses what fosite would take for pending.
func (d deviceCodes) ShouldRateLimit(ctx context.Context, _ string) (bool, error) {
	return d.store.Poll(ctx)
}

// DeviceCodeSignature implements rfc8628.DeviceCodeStrategy.
func (d deviceCodes) DeviceCodeSignature(_ context.Context, code string) (string, error) {
	return string(secret.Hash(code)), nil
}

// GenerateDeviceCode implements rfc8628.DeviceCodeStrategy.
func (d deviceCodes) GenerateDeviceCode(context.Context) (code, signature string, err error) {
	code = prefixDeviceCode + secret.Token()
	return code, string(secret.Hash(code)), nil
}

// ValidateDeviceCode implements rfc8628.DeviceCodeStrategy. Poll has looked at
// the code's age already.
func (d deviceCodes) ValidateDeviceCode(context.Context, fosite.DeviceRequester, string) error {
	return nil
}

// UserCodeSignature implements rfc8628.UserCodeStrategy. A user code is short
// enough to be guessed from its hash, so the hash is keyed.
func (d deviceCodes) UserCodeSignature(_ context.Context, code string) (string, error) {
	return string(secret.MAC(d.key, []byte("user code"), []byte(code))), nil
}

// GenerateUserCode implements rfc8628.UserCodeStrategy: 34 bit, for twenty
// minutes, on a page that lets few be tried (conformance G-11).
func (d deviceCodes) GenerateUserCode(ctx context.Context) (code, signature string, err error) {
	var b strings.Builder
	const fair = 256 / len(userCodeAlphabet) * len(userCodeAlphabet)
	for b.Len() < userCodeLength {
		if c := int(secret.Bytes(1)[0]); c < fair {
			b.WriteByte(userCodeAlphabet[c%len(userCodeAlphabet)])
		}
	}
	signature, err = d.UserCodeSignature(ctx, b.String())
	return b.String(), signature, err
}

// ValidateUserCode implements rfc8628.UserCodeStrategy.
func (d deviceCodes) ValidateUserCode(context.Context, fosite.DeviceRequester, string) error {
	return nil
}

// FormatUserCode is a user code as a person reads it: BCDF-GHJK.
func FormatUserCode(code string) string {
	if len(code) != userCodeLength {
		return code
	}
	return code[:userCodeLength/2] + "-" + code[userCodeLength/2:]
}

// ParseUserCode reads what a person typed: in any case, with spaces and dashes
// wherever they like (conformance G-12). What cannot be a user code is
// ErrUserCode.
func ParseUserCode(typed string) (code string, err error) {
	code = strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) || unicode.Is(unicode.Pd, c) {
			return -1
		}
		return unicode.ToUpper(c)
	}, typed)
	if len(code) != userCodeLength || strings.Trim(code, userCodeAlphabet) != "" {
		return "", ErrUserCode
	}
	return code, nil
}
