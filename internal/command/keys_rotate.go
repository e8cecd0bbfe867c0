package command

import (
	"context"
	"errors"
	"fmt"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/provider/signing"
	"keymaker/store"
)

// KeysRotateCommand lets the next keys sign.
type KeysRotateCommand struct {
	Now bool `help:"Also a key that was published too shortly ago. Clients that keep the key set may refuse ID tokens for a quarter of an hour."`
}

// Run implements the command.
func (c *KeysRotateCommand) Run(ctx context.Context, streams *Streams, parent *KeysCommand) error {
	return parent.run(ctx, streams, func(db *store.Store, _ *config.Config) error {
		all, err := signing.Rotate(ctx, db, clock.System{}, c.Now)
		if err != nil {
			return err
		}
		for _, r := range all {
			if _, err := fmt.Fprintln(streams.Out, tellRotated(r)); err != nil {
				return err
			}
		}
		return nil
	})
}

func tellRotated(r signing.Rotated) string {
	if r.Signs {
		return fmt.Sprintf("%s: %s signs from now on. %s stays published until %s.", r.Key.Alg, r.Key.KID, r.Before.KID, moment(r.Until))
	}
	return fmt.Sprintf("%s: %s is published and does not sign yet: not every client knows it before %s. Rotate again then, or with --now.",
		r.Key.Alg, r.Key.KID, moment(r.Key.NotBefore))
}

// KeysRetireCommand removes a key that does not sign.
type KeysRetireCommand struct {
	Key string `arg:"" help:"The key, as it is listed."`
	Yes bool   `help:"Confirm it."`
}

// Run implements the command.
func (c *KeysRetireCommand) Run(ctx context.Context, streams *Streams, parent *KeysCommand) error {
	if !c.Yes {
		return &ExitError{Code: exitUsage, Err: errors.New("ID tokens that the key has signed verify no more once it is removed; confirm that with --yes")}
	}
	return parent.run(ctx, streams, func(db *store.Store, _ *config.Config) error {
		err := signing.Retire(ctx, db, clock.System{}, c.Key)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no key %q: `keymaker keys list` shows those that there are", c.Key)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(streams.Out, "The key is removed. Servers stop publishing it within seconds, and clients forget it within a quarter of an hour.")
		return err
	})
}
