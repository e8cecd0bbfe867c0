package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"keymaker/internal/config"
	"keymaker/internal/secret"
	"keymaker/store"
)

// KeysCommand looks after the keys that sign ID tokens, and the secret file
// that seals them. It works on the database itself: servers that run notice
// within seconds.
type KeysCommand struct {
	Config string            `help:"The configuration file. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
	List   KeysListCommand   `cmd:"" help:"List the signing keys, the oldest first."`
	Rotate KeysRotateCommand `cmd:"" help:"Let the next keys sign, or publish them if there are none."`
	Retire KeysRetireCommand `cmd:"" help:"Remove a key before its time. What it signed verifies no more."`
	Reseal KeysResealCommand `cmd:"" help:"Seal the database with another secret file. Every server must then be restarted with it."`
}

// open opens the database for a command, beside servers that may be running. It
// makes no secret file: what one server has sealed no other file opens.
func (c *KeysCommand) open(ctx context.Context, streams *Streams) (*store.Store, *config.Config, error) {
	cfg, err := loadConfig(c.Config, streams)
	if err != nil {
		return nil, nil, err
	}
	key, err := secret.ReadKey(cfg.SecretFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("there is no secret file %s yet: start the server once, or name its configuration with --config", cfg.SecretFile)
	}
	if err != nil {
		return nil, nil, err
	}
	sealer, err := secret.NewSealer(key)
	if err != nil {
		return nil, nil, err
	}
	db, err := openDatabase(ctx, cfg, streams, store.Options{Sealer: sealer})
	return db, cfg, err
}

// run does something with the open database.
func (c *KeysCommand) run(ctx context.Context, streams *Streams, do func(db *store.Store, cfg *config.Config) error) error {
	db, cfg, err := c.open(ctx, streams)
	if err != nil {
		return err
	}
	err = do(db, cfg)
	if errors.Is(err, secret.ErrSealed) {
		err = fmt.Errorf("secret_file %s is not the one that the database was sealed with: %w", filepath.Clean(cfg.SecretFile), err)
	}
	return errors.Join(err, db.Close())
}
