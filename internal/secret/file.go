package secret

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ReadKey reads the master key from path. The file holds KeySize raw bytes.
func ReadKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the secret file: %w", err)
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("secret file %s has %d bytes, want %d random bytes", path, len(key), KeySize)
	}
	return key, nil
}

// ReadOrCreateKey reads the master key from path, and creates it (mode 0600)
// when there is no such file. Two processes that create it at once end with
// the same key: the file appears whole, by a link that only one can make.
func ReadOrCreateKey(path string) ([]byte, error) {
	key, err := ReadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".secret-*")
	if err != nil {
		return nil, fmt.Errorf("create the secret file: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(Bytes(KeySize))
	err = errors.Join(err, tmp.Chmod(0o600), tmp.Sync(), tmp.Close())
	if err != nil {
		return nil, fmt.Errorf("write the secret file: %w", err)
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create the secret file: %w", err)
	}
	return ReadKey(path)
}
