package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// file is one to be written, for its owner alone.
type file struct {
	path string
	data []byte
}

// Write writes everything or nothing, and overwrites nothing: the error is
// ErrExists when one of the names is taken. The folder is made when it is
// missing.
func (p *Plan) Write() (err error) {
	if err := p.free(); err != nil {
		return err
	}
	var made []string // what to remove if this fails
	defer func() {
		for i := len(made) - 1; err != nil && i >= 0; i-- {
			err = errors.Join(err, os.Remove(made[i]))
		}
	}()
	switch err := os.Mkdir(p.folder, 0o700); {
	case err == nil:
		made = append(made, p.folder)
	case !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("make the folder: %w", err)
	}
	for _, f := range p.files {
		if err := f.write(); err != nil {
			return err
		}
		made = append(made, f.path)
	}
	return nil
}

// free tells that nothing has one of the names. A database of before counts too:
// it would be opened with a secret that is not its own.
func (p *Plan) free() error {
	for _, path := range []string{p.ConfigFile, p.SealFile, p.ClientSecretFile, p.HomeserverSecretFile, filepath.Join(p.folder, databaseName)} {
		if err := free(path); path != "" && err != nil {
			return err
		}
	}
	return nil
}

// free tells that nothing has the name, not even a link to nowhere.
func free(path string) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return fmt.Errorf("%s: %w", path, ErrExists)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// write makes the file whole: others see all of it or none, and of two setups at
// once one fails.
func (f file) write() error {
	tmp, err := os.CreateTemp(filepath.Dir(f.path), ".keymaker-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(f.data)
	if err := errors.Join(err, tmp.Chmod(0o600), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	switch err := os.Link(tmp.Name(), f.path); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w", f.path, ErrExists)
	case err != nil:
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	return nil
}
