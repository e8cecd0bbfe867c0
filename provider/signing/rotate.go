package signing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"keymaker/internal/clock"
	"keymaker/store"
)

// What an administrator is told.
var (
	// ErrNoKeys: no server has been started on this database yet.
	ErrNoKeys = errors.New("there is no signing key yet: the first start of the server makes it")
	// ErrSigns: the key cannot be removed.
	ErrSigns = errors.New("this key signs: rotate first")
)

// Rotated is what Rotate did for an algorithm.
type Rotated struct {
	// Key is the successor.
	Key store.SigningKey
	// Before is the key that signed until now.
	Before store.SigningKey
	// Signs tells whether the successor signs now. Otherwise it is published,
	// and may sign from Key.NotBefore on.
	Signs bool
	// Until is when the key of before is removed; zero if Signs is false.
	Until time.Time
}

// Rotate lets the successor of every key sign, if it has been published for so
// long that every server and every client knows it, or if force is set. Where
// there is no successor it is published now.
func Rotate(ctx context.Context, db *store.Store, c clock.Clock, force bool) ([]Rotated, error) {
	made := map[string]store.SigningKey{}
	for _, alg := range algorithms {
		fresh, err := newKey(alg)
		if err != nil {
			return nil, err
		}
		fresh.State = store.KeyNext
		made[alg] = fresh
	}
	var all []Rotated
	l := &ledger{store: db, clock: c, actor: store.ActorAdmin}
	err := db.ChangeSigningKeys(ctx, func(ctx context.Context, stored []store.SigningKey) error {
		for _, alg := range algorithms {
			active, next := find(stored, alg)
			if active == nil {
				continue
			}
			rotated, err := l.rotate(ctx, *active, next, made[alg], force)
			if err != nil {
				return err
			}
			all = append(all, rotated)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("rotate the signing keys: %w", err)
	}
	if len(all) == 0 {
		return nil, ErrNoKeys
	}
	return all, nil
}

func (l *ledger) rotate(ctx context.Context, active store.SigningKey, next *store.SigningKey, made store.SigningKey, force bool) (Rotated, error) {
	if next == nil {
		published, err := l.publish(ctx, made)
		if err != nil {
			return Rotated{}, err
		}
		next = &published
	}
	r := Rotated{Key: *next, Before: active}
	now := l.clock.Now()
	if !force && now.Before(next.NotBefore) {
		return r, nil
	}
	r.Signs, r.Until = true, now.Add(retirement)
	return r, l.activate(ctx, *next)
}

// Retire removes a key that does not sign, before its time: what it signed
// verifies no more. ErrSigns: it does. The error wraps store.ErrNotFound when
// there is no such key.
func Retire(ctx context.Context, db *store.Store, c clock.Clock, kid string) error {
	l := &ledger{store: db, clock: c, actor: store.ActorAdmin}
	return db.ChangeSigningKeys(ctx, func(ctx context.Context, stored []store.SigningKey) error {
		for _, k := range stored {
			switch {
			case k.KID != kid:
			case k.State == store.KeyActive:
				return ErrSigns
			default:
				return l.remove(ctx, k)
			}
		}
		return fmt.Errorf("signing key %s: %w", kid, store.ErrNotFound)
	})
}
