package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// LockFile keeps servers, and whatever else needs a SQLite file for itself, from
// it until release. It returns ErrLocked while one of them has it, by whatever
// name: a link leads to the same lock.
func LockFile(path string) (release func() error, err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return lockFile(path + ".lock")
}

// lockFile takes an advisory lock that ends with the process, so that a crash
// leaves nothing behind to clear. It returns ErrLocked when another process
// holds it. The file stays: removing it would let two processes lock two files
// of one name.
func lockFile(path string) (release func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w (%s is held)", ErrLocked, path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f.Close, nil
}
