package command

import (
	"context"
	"errors"
	"fmt"

	"keymaker/internal/config"
	"keymaker/internal/secret"
	"keymaker/store"
)

// KeysResealCommand seals the database with another secret file.
type KeysResealCommand struct {
	NewSecretFile string `required:"" help:"The file with the new 32 random bytes. It is made if it is missing." placeholder:"FILE" type:"path"`
}

// Run implements the command.
func (c *KeysResealCommand) Run(ctx context.Context, streams *Streams, parent *KeysCommand) error {
	return parent.run(ctx, streams, func(db *store.Store, cfg *config.Config) error {
		old, err := secret.ReadKey(cfg.SecretFile)
		if err != nil {
			return err
		}
		// Checked before a new file is made for nothing.
		if _, err := db.SigningKeys(ctx); err != nil {
			return err
		}
		key, err := secret.ReadOrCreateKey(c.NewSecretFile)
		if err != nil {
			return err
		}
		if secret.Equal(string(key), string(old)) {
			return &ExitError{Code: exitUsage, Err: errors.New("the new secret file has the same bytes as the old one")}
		}
		sealer, err := secret.NewSealer(key)
		if err != nil {
			return err
		}
		count, err := db.Reseal(ctx, sealer)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(streams.Out, "%d values are sealed with %s now. Restart every server with it as secret_file (%s opens nothing any more, but the backups of before).\n",
			count, c.NewSecretFile, cfg.SecretFile)
		return err
	})
}
