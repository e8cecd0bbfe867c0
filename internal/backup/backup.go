// Package backup keeps a SQLite database, and the secret file that it is sealed
// with, in files of their own, and brings them back. A backup is a SQLite file
// like any other; the secret file lies beside it where that is asked for.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"keymaker/internal/secret"
	"keymaker/store"
)

// SecretEnding makes the name of the secret file beside a backup.
const SecretEnding = ".secret"

// Why nothing was written.
var (
	// ErrExists: a file would be overwritten.
	ErrExists = errors.New("is there already")
	// ErrNoSecret: there is no secret file that opens the backup.
	ErrNoSecret = errors.New("no secret file opens this backup")
)

// Options say what to keep and where.
type Options struct {
	// Database and SecretFile are the files of the server.
	Database, SecretFile string
	// File is the backup.
	File string
	// WithSecret keeps the secret file too, as File with SecretEnding.
	WithSecret bool
	// Overwrite replaces files that are there.
	Overwrite bool
}

// Taken says what a backup is.
type Taken struct {
	Size    int64 // bytes
	Version int64 // of the tables
	// Secret is the file with the secret, "" without one.
	Secret string
}

// Take makes a backup while servers run, and reads all of it again before it
// gets its name. The error wraps ErrExists, secret.ErrSealed when the secret file
// is not the one of the database, or what store.Examine returns.
func Take(ctx context.Context, o Options) (*Taken, error) {
	if err := o.free(); err != nil {
		return nil, err
	}
	key, sealer, err := open(o.SecretFile)
	if err != nil {
		return nil, err
	}
	partial, err := reserve(o.File)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(partial) }()
	if err := store.BackUp(ctx, o.Database, partial); err != nil {
		return nil, err
	}
	taken := &Taken{}
	if taken.Version, err = check(ctx, partial, sealer); err != nil {
		return nil, err
	}
	info, err := os.Stat(partial)
	if err != nil {
		return nil, fmt.Errorf("look at the backup: %w", err)
	}
	taken.Size = info.Size()
	if o.WithSecret {
		taken.Secret = o.File + SecretEnding
		if err := write(taken.Secret, key, o.Overwrite); err != nil {
			return nil, err
		}
	}
	return taken, publish(partial, o.File, o.Overwrite)
}

// free tells that nothing has the names that a backup would take.
func (o Options) free() error {
	names := []string{o.File}
	if o.WithSecret {
		names = append(names, o.File+SecretEnding)
	}
	for _, name := range names {
		if same(name, o.Database) || same(name, o.SecretFile) {
			return fmt.Errorf("%s is a file of the server itself", name)
		}
		if _, err := os.Lstat(name); !o.Overwrite && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s %w", name, ErrExists), err)
		}
	}
	return nil
}

// same tells whether two names are of one file.
func same(one, other string) bool {
	a, errA := os.Stat(one)
	b, errB := os.Stat(other)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// open reads a secret file.
func open(path string) ([]byte, *secret.Sealer, error) {
	key, err := secret.ReadKey(path)
	if err != nil {
		return nil, nil, err
	}
	sealer, err := secret.NewSealer(key)
	return key, sealer, err
}

// check reads all of a database, and opens what is sealed in it.
func check(ctx context.Context, file string, sealer *secret.Sealer) (int64, error) {
	version, err := store.Examine(ctx, file)
	if err != nil {
		return 0, err
	}
	return version, store.OpensWith(ctx, file, sealer)
}

// reserve makes an empty file beside path, for its owner alone.
func reserve(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return "", fmt.Errorf("make a file: %w", err)
	}
	return f.Name(), f.Close()
}

// write makes a file for its owner alone, whole or not at all.
func write(path string, data []byte, overwrite bool) error {
	partial, err := reserve(path)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(partial) }()
	f, err := os.OpenFile(partial, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return publish(partial, path, overwrite)
}

// publish gives a file its name, which only overwrite takes from another.
func publish(partial, path string, overwrite bool) error {
	if overwrite {
		if err := os.Rename(partial, path); err != nil {
			return fmt.Errorf("name the file: %w", err)
		}
		return store.SyncFile(filepath.Dir(path))
	}
	switch err := os.Link(partial, path); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s %w", path, ErrExists)
	case err != nil:
		return fmt.Errorf("name the file: %w", err)
	}
	return store.SyncFile(filepath.Dir(path))
}
