package signing

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"keymaker/internal/clock"
	"keymaker/store"
)

// Options are what a Ring is made of.
type Options struct {
	Store  *store.Store
	Clock  clock.Clock
	Logger *slog.Logger
	// Rotation is how long a key signs before its successor does; 0 = for ever.
	Rotation time.Duration
}

// Ring holds the signing keys as this server knows them: Turn keeps them up to
// date. It is safe for concurrent use.
type Ring struct {
	store    *store.Store
	clock    clock.Clock
	log      *slog.Logger
	rotation time.Duration

	loading sync.Mutex // an older read must not replace a newer one
	keys    atomic.Pointer[keys]
}

// keys are ready to be used and never changed.
type keys struct {
	version string // tells whether the database has others
	signers map[string]jose.SigningKey
	public  jose.JSONWebKeySet
	jwks    []byte
}

// Open reads the signing keys. A new database is given its first one, for
// ES256: servers that start on it at once end with the same. The error wraps
// secret.ErrSealed when the secret file is not the one the keys were sealed
// with.
func Open(ctx context.Context, o Options) (*Ring, error) {
	r := &Ring{store: o.Store, clock: o.Clock, log: o.Logger, rotation: o.Rotation}
	r.keys.Store(&keys{})
	if err := r.reload(ctx); err != nil {
		return nil, err
	}
	if r.Signs(ES256) {
		return r, nil
	}
	first, err := newKey(ES256)
	if err != nil {
		return nil, err
	}
	first.State, first.NotBefore = store.KeyActive, r.clock.Now()
	if err := r.store.AddSigningKey(ctx, first); err != nil {
		return nil, fmt.Errorf("keep the first signing key: %w", err)
	}
	return r, r.reload(ctx)
}

// reload takes over what the database has, if that is something else.
func (r *Ring) reload(ctx context.Context) error {
	r.loading.Lock()
	defer r.loading.Unlock()
	stored, err := r.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("load the signing keys: %w", err)
	}
	version := versionOf(stored)
	if version == r.keys.Load().version {
		return nil
	}
	fresh, err := prepare(stored)
	if err != nil {
		return err
	}
	fresh.version = version
	r.keys.Store(fresh)
	return nil
}

func versionOf(stored []store.SigningKey) string {
	var b strings.Builder
	for _, k := range stored {
		b.WriteString(k.KID + " " + string(k.State) + "\n")
	}
	return b.String()
}

func prepare(stored []store.SigningKey) (*keys, error) {
	ready := &keys{signers: map[string]jose.SigningKey{}, public: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}}
	for _, k := range stored {
		private, err := open(k)
		if err != nil {
			return nil, err
		}
		ready.public.Keys = append(ready.public.Keys, private.Public())
		if k.State == store.KeyActive {
			ready.signers[k.Alg] = jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Alg), Key: private}
		}
	}
	var err error
	if ready.jwks, err = json.Marshal(ready.public); err != nil {
		return nil, fmt.Errorf("encode the key set: %w", err)
	}
	return ready, nil
}

// JWKS is the public key set (RFC 7517), one JSON document: the keys that sign,
// the ones that will, and those that still verify.
func (r *Ring) JWKS() []byte { return r.keys.Load().jwks }

// Signs tells whether there is a key that signs with an algorithm.
func (r *Ring) Signs(alg string) bool {
	_, ok := r.keys.Load().signers[alg]
	return ok
}

// Sign makes a compact JWS of a payload, whose type (the header typ) keeps it
// from being taken for another. The first key of an algorithm can be seconds old
// and another server's, so one that is missing is looked for.
func (r *Ring) Sign(ctx context.Context, alg string, typ Type, payload []byte) (string, error) {
	if !r.Signs(alg) {
		if err := r.reload(ctx); err != nil {
			return "", err
		}
	}
	key, ok := r.keys.Load().signers[alg]
	if !ok {
		return "", fmt.Errorf("sign with %q: there is no key", alg)
	}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", alg, err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign with %s: %w", alg, err)
	}
	return signed.CompactSerialize()
}
