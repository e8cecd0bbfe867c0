package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"keymaker/internal/backup"
	"keymaker/internal/clock"
	"keymaker/store"
)

// RestoreCommand brings a backup back, while no server runs.
type RestoreCommand struct {
	Config     string `help:"The configuration file. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
	File       string `arg:"" help:"The backup." type:"existingfile"`
	SecretFile string `help:"The secret file of the backup, where it is neither in its place nor beside the backup as FILE.secret." placeholder:"FILE" type:"path"`
	Overwrite  bool   `help:"Replace a database, and a secret file, that are there. They are kept under another name."`
}

// Run implements the command.
func (c *RestoreCommand) Run(ctx context.Context, streams *Streams) error {
	o, err := backupOptions(c.Config, c.File, streams)
	if err != nil {
		return err
	}
	o.Overwrite = c.Overwrite
	done, err := backup.Restore(ctx, *o, c.SecretFile, clock.System{}.Now())
	switch {
	case errors.Is(err, store.ErrLocked):
		return fmt.Errorf("%w: stop it first", err)
	case errors.Is(err, backup.ErrExists):
		return &ExitError{Code: exitUsage, Err: fmt.Errorf("%w: add --overwrite to replace it; it is kept under another name", err)}
	case errors.Is(err, backup.ErrNoSecret):
		return fmt.Errorf("%w: put the one that the server had then at secret_file %s, or name it with --secret-file", err, filepath.Clean(o.SecretFile))
	case errors.Is(err, store.ErrNewerDatabase):
		return fmt.Errorf("%w: restore it with the version that made it, or a newer one", err)
	case err != nil:
		return err
	}
	text := fmt.Sprintf("%s is what %s holds, version %d of the tables.\n", o.Database, c.File, done.Version)
	if done.Secret {
		text += fmt.Sprintf("%s is the secret file of the backup.\n", filepath.Clean(o.SecretFile))
	}
	for _, kept := range []string{done.Kept, done.KeptSecret} {
		if kept != "" {
			text += fmt.Sprintf("What was there before is %s now.\n", kept)
		}
	}
	text += "Start the server. Whoever has refreshed or signed in after the backup was made signs in again, and what was revoked after it counts again: see docs/backup.md.\n"
	_, err = fmt.Fprint(streams.Out, text)
	return err
}
