// Package assertion reads the JWTs with which clients authenticate
// (private_key_jwt: RFC 7523 §3, OpenID Connect Core §9), and the public keys
// that they are verified with (conformance B-25, D-61). Whether one was used
// before is for the caller to know.
package assertion

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Type is the one client_assertion_type that is known (RFC 7523 §2.2).
const Type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

const (
	// maxLength is the longest assertion in bytes.
	maxLength = 8 << 10
	// maxID is the longest jti in bytes.
	maxID = 255
	// maxLife is how far an assertion's end may lie ahead: it is remembered until
	// then, and an hour is what client libraries take at most.
	maxLife = time.Hour
	// skew is by how much a client's clock may be wrong.
	skew = 30 * time.Second
)

// algs are the accepted algorithms. There is neither none nor one with a shared
// secret among them, and a key verifies those of its own kind alone.
var algs = []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA}

// Algs returns the accepted algorithms, for the metadata document too.
func Algs() []string {
	names := make([]string, len(algs))
	for i, a := range algs {
		names[i] = string(a)
	}
	return names
}

// Assertion is an assertion that has not been verified.
type Assertion struct {
	// ClientID is who the assertion says it is of.
	ClientID string

	jws    *jose.JSONWebSignature
	claims claims
}

type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	Expires   *date    `json:"exp"`
	NotBefore *date    `json:"nbf"`
	IssuedAt  *date    `json:"iat"`
	ID        string   `json:"jti"`
}

// Parse reads an assertion, to find out whose it claims to be. The error is fit
// for an error_description.
func Parse(raw string) (*Assertion, error) {
	if len(raw) > maxLength {
		return nil, fmt.Errorf("it is longer than %d bytes", maxLength)
	}
	jws, err := jose.ParseSignedCompact(raw, algs)
	if err != nil {
		return nil, fmt.Errorf("it is not a JWT that is signed with one of %v", algs)
	}
	a := &Assertion{jws: jws}
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &a.claims); err != nil {
		return nil, errors.New("its claims cannot be read")
	}
	c := a.claims
	switch {
	case c.Subject == "" || c.Issuer != c.Subject:
		return nil, errors.New("iss and sub must both be the client_id")
	case c.Expires == nil:
		return nil, errors.New("exp is missing")
	case c.ID == "" || len(c.ID) > maxID:
		return nil, fmt.Errorf("jti must have 1 to %d bytes", maxID)
	}
	a.ClientID = c.Subject
	return a, nil
}

// Expected is what a verified assertion is measured against.
type Expected struct {
	// Audiences are the names of this server. An assertion that also names
	// somebody else is refused: they could have it from there.
	Audiences []string
	// Alg is the algorithm that the client registered; "" = any that fits the key.
	Alg string
	Now time.Time
}

// ErrSignature is returned when no key verifies the assertion: the client may
// have others by now.
var ErrSignature = errors.New("no key of the client verifies it")

// Verify checks the signature and the claims. It returns the jti, and until
// when it must be remembered. The error is fit for an error_description.
func (a *Assertion) Verify(keys *Keys, want Expected) (id string, until time.Time, err error) {
	if err := a.verifySignature(keys, want.Alg); err != nil {
		return "", time.Time{}, err
	}
	c := a.claims
	until = c.Expires.time().Add(skew)
	switch {
	case len(c.Audience) == 0 || slices.ContainsFunc(c.Audience, func(s string) bool { return !slices.Contains(want.Audiences, s) }):
		return "", time.Time{}, fmt.Errorf("aud must be %s and nobody else", want.Audiences[0])
	case !want.Now.Before(until):
		return "", time.Time{}, errors.New("it has expired")
	case c.Expires.time().After(want.Now.Add(maxLife + skew)):
		return "", time.Time{}, fmt.Errorf("exp is more than %v ahead", maxLife)
	case c.NotBefore != nil && c.NotBefore.time().After(want.Now.Add(skew)):
		return "", time.Time{}, errors.New("nbf is in the future")
	case c.IssuedAt != nil && c.IssuedAt.time().After(want.Now.Add(skew)):
		return "", time.Time{}, errors.New("iat is in the future")
	}
	return c.ID, until, nil
}

func (a *Assertion) verifySignature(keys *Keys, registered string) error {
	header := a.jws.Signatures[0].Header
	if registered != "" && header.Algorithm != registered {
		return fmt.Errorf("it is not signed with %s, which the client registered", registered)
	}
	alg := jose.SignatureAlgorithm(header.Algorithm)
	for _, k := range keys.set {
		fits := slices.Contains(algsOf(k.Key), alg) && (k.Algorithm == "" || k.Algorithm == header.Algorithm)
		if !fits || header.KeyID != "" && k.KeyID != "" && k.KeyID != header.KeyID {
			continue
		}
		if _, err := a.jws.Verify(k.Key); err == nil {
			return nil
		}
	}
	return ErrSignature
}

// audience is a name or a list of names (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// date is a number of seconds since 1970 (RFC 7519 §2).
type date float64

func (d date) time() time.Time { return time.UnixMilli(int64(float64(d) * 1000)).UTC() }

// UnmarshalJSON implements json.Unmarshaler. It refuses what no date can be.
func (d *date) UnmarshalJSON(data []byte) error {
	const latest = 1 << 40 // the year 36812
	var seconds float64
	if err := json.Unmarshal(data, &seconds); err != nil || seconds < 0 || seconds > latest {
		return errors.New("not a date")
	}
	*d = date(seconds)
	return nil
}
