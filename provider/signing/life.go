package signing

import (
	"context"
	"fmt"
	"time"

	"keymaker/internal/clock"
	"keymaker/store"
)

const (
	// TokenTTL is how long an ID token may be accepted as proof of the sign-in.
	TokenTTL = time.Hour
	// ReloadInterval is how late a server may notice what another process did
	// to the keys.
	ReloadInterval = 10 * time.Second
	// CacheTime is how long a client may keep the key set.
	CacheTime = 15 * time.Minute

	// margin covers a reload that failed a few times, and clocks that differ.
	margin = 10 * time.Minute
	// settle is how long after it was published a key is known to every server
	// and every client. None signs before.
	settle = ReloadInterval + CacheTime + margin
	// lead is how long before its time the successor is published: some clients
	// fetch the key set less often than they should.
	lead = 24 * time.Hour
	// retirement is how long a key stays published after it signed last.
	retirement = TokenTTL + ReloadInterval + margin
)

// due is what is to be done at some time. Nothing in it is true any more once
// the keys have changed.
type due struct {
	publish  []store.SigningKey // algorithm and state; the key is still to be made
	activate []store.SigningKey
	remove   []store.SigningKey
}

func (d due) nothing() bool { return len(d.publish)+len(d.activate)+len(d.remove) == 0 }

// plan tells what is due. The first key of an algorithm signs at once: no
// client can have registered for that algorithm before.
func plan(stored []store.SigningKey, rotation time.Duration, now time.Time) due {
	var d due
	for _, alg := range algorithms {
		active, next := find(stored, alg)
		switch {
		case active == nil:
			d.publish = append(d.publish, store.SigningKey{Alg: alg, State: store.KeyActive})
		case rotation == 0:
		case next == nil && !now.Before(active.NotBefore.Add(rotation-lead)):
			d.publish = append(d.publish, store.SigningKey{Alg: alg, State: store.KeyNext})
		case next != nil && !now.Before(active.NotBefore.Add(rotation)) && !now.Before(next.NotBefore):
			d.activate = append(d.activate, *next)
		}
	}
	for _, k := range stored {
		if k.State == store.KeyRetiring && !now.Before(k.RetireAfter) {
			d.remove = append(d.remove, k)
		}
	}
	return d
}

// find returns the key of an algorithm that signs and the one that will; nil
// for none.
func find(stored []store.SigningKey, alg string) (active, next *store.SigningKey) {
	for i := range stored {
		switch k := &stored[i]; {
		case k.Alg != alg:
		case k.State == store.KeyActive:
			active = k
		case k.State == store.KeyNext:
			next = k
		}
	}
	return active, next
}

// Turn does what is due (a successor to publish, one to let sign, an old key to
// remove) and takes over what other processes did. The server calls it every
// ReloadInterval. It makes the first RSA key too: that takes too long for the
// start. What fails is due again at the next turn.
func (r *Ring) Turn(ctx context.Context) error {
	stored, err := r.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("load the signing keys: %w", err)
	}
	if d := plan(stored, r.rotation, r.clock.Now()); !d.nothing() {
		if err := r.do(ctx, d); err != nil {
			return err
		}
	}
	return r.reload(ctx)
}

// do makes the keys that are missing, which takes time, and then decides once
// more, alone: another server may have been faster.
func (r *Ring) do(ctx context.Context, d due) error {
	made := map[string]store.SigningKey{}
	for _, p := range d.publish {
		fresh, err := newKey(p.Alg)
		if err != nil {
			return err
		}
		made[p.Alg] = fresh
	}
	l := ledger{store: r.store, clock: r.clock, actor: store.ActorServer}
	err := r.store.ChangeSigningKeys(ctx, func(ctx context.Context, stored []store.SigningKey) error {
		now := r.clock.Now()
		d := plan(stored, r.rotation, now)
		for _, p := range d.publish {
			if fresh, ok := made[p.Alg]; ok {
				fresh.State = p.State
				if _, err := l.publish(ctx, fresh); err != nil {
					return err
				}
			}
		}
		for _, k := range d.activate {
			if err := l.activate(ctx, k); err != nil {
				return err
			}
		}
		for _, k := range d.remove {
			if err := l.remove(ctx, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("rotate the signing keys: %w", err)
	}
	for _, e := range l.done {
		r.log.InfoContext(ctx, "signing keys changed", "action", e.Action, "key", e.Reason)
	}
	return nil
}

// ledger changes keys and writes who did it, all in the caller's transaction.
type ledger struct {
	store *store.Store
	clock clock.Clock
	actor string
	done  []store.Event
}

// publish stores a key that was made, and returns it with its times.
func (l *ledger) publish(ctx context.Context, k store.SigningKey) (store.SigningKey, error) {
	k.Published = l.clock.Now()
	k.NotBefore = k.Published
	if k.State == store.KeyNext {
		k.NotBefore = k.Published.Add(settle)
	}
	if err := l.store.AddSigningKey(ctx, k); err != nil {
		return k, err
	}
	return k, l.record(ctx, store.ActionKeyPublished, k)
}

// activate lets a key sign in the place of the one that does.
func (l *ledger) activate(ctx context.Context, k store.SigningKey) error {
	if err := l.store.ActivateSigningKey(ctx, k, l.clock.Now().Add(retirement)); err != nil {
		return err
	}
	return l.record(ctx, store.ActionKeyActivated, k)
}

func (l *ledger) remove(ctx context.Context, k store.SigningKey) error {
	if err := l.store.RemoveSigningKey(ctx, k.KID); err != nil {
		return err
	}
	return l.record(ctx, store.ActionKeyRemoved, k)
}

func (l *ledger) record(ctx context.Context, action string, k store.SigningKey) error {
	e := store.Event{Action: action, Actor: l.actor, Reason: k.Alg + " " + k.KID}
	l.done = append(l.done, e)
	return l.store.Record(ctx, e)
}
