package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

// Restored says what a restore has done.
type Restored struct {
	Version int64 // of the tables
	// Kept is the database that was there before, KeptSecret its secret file; ""
	// where there was none, or it stayed.
	Kept, KeptSecret string
	// Secret: the secret file was put in place too.
	Secret bool
}

// Restore puts a backup, and where it is missing the secret file, in the place
// of the server's. It reads all of it first, and leaves everything as it was if
// anything is wrong. What is there already is only replaced with o.Overwrite, and
// then kept under another name. from is the secret file of the backup, "" for the
// one beside it. The error wraps store.ErrLocked while a server runs, ErrExists,
// ErrNoSecret, or what store.Examine returns.
func Restore(ctx context.Context, o Options, from string, now time.Time) (*Restored, error) {
	release, err := store.LockFile(o.Database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = release() }()
	if _, err := os.Lstat(o.Database); !o.Overwrite && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("%s %w", o.Database, ErrExists), err)
	}
	partial, err := o.bring()
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(partial) }()
	done := &Restored{}
	if done.Version, err = store.Examine(ctx, partial); err != nil {
		return nil, err
	}
	key, err := o.keyFor(ctx, partial, from)
	if err != nil {
		return nil, err
	}
	ending := ".before-" + now.UTC().Format("20060102T150405.000Z")
	if key != nil {
		if done.KeptSecret, err = o.placeSecret(key, ending); err != nil {
			return nil, err
		}
		done.Secret = true
	}
	if _, err := os.Lstat(o.Database); err == nil {
		done.Kept = o.Database + ending
	}
	return done, store.PutInPlace(partial, o.Database, o.Database+ending)
}

// bring copies the backup into the folder of the database.
func (o Options) bring() (string, error) {
	if same(o.File, o.Database) {
		return "", fmt.Errorf("%s is the database itself", o.File)
	}
	if info, err := os.Stat(o.File + "-wal"); err == nil && info.Size() > 0 {
		return "", fmt.Errorf("%s has a log beside it: it is a database that was copied while a server ran, and no backup", o.File)
	}
	in, err := os.Open(o.File)
	if err != nil {
		return "", fmt.Errorf("open the backup: %w", err)
	}
	defer func() { _ = in.Close() }()
	partial, err := reserve(o.Database)
	if err != nil {
		return "", err
	}
	out, err := os.OpenFile(partial, os.O_WRONLY, 0)
	if err != nil {
		return "", fmt.Errorf("copy the backup: %w", err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("copy the backup: %w", err), os.Remove(partial))
	}
	return partial, nil
}

// keyFor returns the bytes of the secret file that must be put in place for the
// backup; none where the one that is there opens it.
func (o Options) keyFor(ctx context.Context, file, from string) ([]byte, error) {
	named := from != ""
	if !named {
		from = o.File + SecretEnding
	}
	present := true
	switch err := opens(ctx, o.SecretFile, file); {
	case err == nil:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		present = false
	case !errors.Is(err, secret.ErrSealed):
		return nil, err
	}
	switch err := opens(ctx, from, file); {
	case errors.Is(err, secret.ErrSealed), !named && errors.Is(err, fs.ErrNotExist):
		return nil, ErrNoSecret
	case err != nil:
		return nil, err
	}
	if present && !o.Overwrite {
		return nil, fmt.Errorf("%s %w, and belongs to another database", o.SecretFile, ErrExists)
	}
	return secret.ReadKey(from)
}

// opens tells whether a secret file opens what is sealed in a database.
func opens(ctx context.Context, secretFile, database string) error {
	_, sealer, err := open(secretFile)
	if err != nil {
		return err
	}
	return store.OpensWith(ctx, database, sealer)
}

// placeSecret makes the secret file. The one that was there gets another name,
// which it returns.
func (o Options) placeSecret(key []byte, ending string) (kept string, err error) {
	switch err := os.Link(o.SecretFile, o.SecretFile+ending); {
	case err == nil:
		kept = o.SecretFile + ending
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("keep the secret file of before: %w", err)
	}
	return kept, write(o.SecretFile, key, true)
}
