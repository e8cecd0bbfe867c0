package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"keymaker/internal/backup"
	"keymaker/internal/secret"
	"keymaker/store"
)

// BackupCommand keeps a SQLite database while servers run on it.
type BackupCommand struct {
	Config     string `help:"The configuration file. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
	File       string `arg:"" help:"The file to make." type:"path"`
	WithSecret bool   `help:"Keep the secret file too, as FILE.secret. The two together are worth as much as the server: whoever has them can sign as it. Without this, keep a copy of the secret file yourself, in another place: no backup is of use without it."`
	Overwrite  bool   `help:"Replace FILE, and FILE.secret, where they are there already."`
}

// Run implements the command.
func (c *BackupCommand) Run(ctx context.Context, streams *Streams) error {
	o, err := backupOptions(c.Config, c.File, streams)
	if err != nil {
		return err
	}
	o.WithSecret, o.Overwrite = c.WithSecret, c.Overwrite
	for what, file := range map[string]string{"database": o.Database, "secret file": o.SecretFile} {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no %s %s: start the server once, or name its configuration with --config", what, file)
		}
	}
	taken, err := backup.Take(ctx, *o)
	switch {
	case errors.Is(err, backup.ErrExists):
		return &ExitError{Code: exitUsage, Err: fmt.Errorf("%w: choose another name, or add --overwrite", err)}
	case errors.Is(err, secret.ErrSealed):
		return fmt.Errorf("secret_file %s is not the one that the database was sealed with, and no backup was made: %w", filepath.Clean(o.SecretFile), err)
	case err != nil:
		return err
	}
	text := fmt.Sprintf("%s: %d bytes, version %d of the tables, all of it read again.\n", c.File, taken.Size, taken.Version)
	if taken.Secret == "" {
		text += fmt.Sprintf("It is of no use without secret_file %s, which is not in it: keep a copy of that file in another place.\n", filepath.Clean(o.SecretFile))
	} else {
		text += fmt.Sprintf("%s: the secret file. Whoever has both can sign as this server: guard them as you guard it.\n", taken.Secret)
	}
	text += "The configuration, and the files that it names, are not in it.\n"
	_, err = fmt.Fprint(streams.Out, text)
	return err
}

// backupOptions name the files of a server; they are an error of usage for one
// that is not on SQLite.
func backupOptions(configFile, file string, streams *Streams) (*backup.Options, error) {
	cfg, err := loadConfig(configFile, streams)
	if err != nil {
		return nil, err
	}
	path, is := store.SQLitePath(cfg.Database.URL)
	if !is {
		return nil, &ExitError{Code: exitUsage, Err: errors.New("the database is PostgreSQL, which has tools of its own: pg_dump and pg_restore, as docs/backup.md shows. Keep secret_file " + filepath.Clean(cfg.SecretFile) + " too")}
	}
	return &backup.Options{Database: path, SecretFile: cfg.SecretFile, File: file}, nil
}
