package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/oauth2"
)

// What can go wrong with an identity provider, for the page and for the log.
// No error of this package contains a token, a code, a secret or the value of
// a claim.
var (
	// ErrUnavailable: the provider cannot be reached in time, is broken, or
	// answers with what cannot be read.
	ErrUnavailable = errors.New("identity provider unavailable")
	// ErrRejected: the provider answered with an error of its own. Every such
	// error is a *ProviderError.
	ErrRejected = errors.New("identity provider refused")
	// ErrUnverified: what the provider, or whoever plays it, says does not hold
	// (signature, issuer, audience, expiry, nonce, subject).
	ErrUnverified = errors.New("identity provider's answer does not verify")
	// ErrStale: the provider did not prove that the person signed in recently
	// enough.
	ErrStale = errors.New("identity provider did not prove a recent sign-in")
)

// ProviderError is an OAuth error that the provider returned (RFC 6749
// §4.1.2.1, §5.2).
type ProviderError struct {
	// Code is the error code, or "unreadable" when it was none.
	Code string
	// Description is the provider's text, cut to 300 characters of one line. It
	// came through the browser or from the provider: it is to be escaped, and it
	// may name the person, so it is not part of Error.
	Description string
}

// Error names the code alone.
func (e *ProviderError) Error() string { return ErrRejected.Error() + ": " + e.Code }

// Is makes every ProviderError an ErrRejected.
func (e *ProviderError) Is(target error) bool { return target == ErrRejected }

const (
	maxCode        = 64  // bytes
	maxDescription = 300 // characters
)

func newProviderError(code, description string) *ProviderError {
	strange := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-.", r)
	}
	if len(code) > maxCode || strings.ContainsFunc(code, strange) {
		code = "unreadable"
	}
	line := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(description, ""))
	runes := []rune(strings.TrimSpace(line))
	return &ProviderError{Code: code, Description: string(runes[:min(len(runes), maxDescription)])}
}

// unavailable says what could not be done. err must be safe to log.
func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}

// unverified says what does not hold.
func unverified(what string) error { return fmt.Errorf("%w: %s", ErrUnverified, what) }

// cause is what went wrong on the way, without the address, for a redirect may
// have put anything into that.
func cause(err error) error {
	var transport *url.Error
	for errors.As(err, &transport) {
		err = transport.Err
	}
	return err
}

// wrap says what was being done when err, if there is one, happened.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// fault sorts an error of an HTTP exchange. The libraries put whole answers
// into theirs, so only the text of those that are known not to is kept.
func fault(doing string, err error) error {
	var transport *url.Error
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &transport):
		return unavailable(doing, cause(err))
	case errors.As(err, &refused) && refused.ErrorCode != "":
		return fmt.Errorf("%s: %w", doing, newProviderError(refused.ErrorCode, refused.ErrorDescription))
	case errors.As(err, &refused):
		return unavailable(doing, errors.New("answered "+refused.Response.Status))
	}
	return unavailable(doing, errUnreadable)
}

var errUnreadable = errors.New("the answer cannot be read")
