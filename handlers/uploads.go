package handlers

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"keymaker/internal/picture"
	"keymaker/store"
)

const (
	// maxUploads is how many files this process takes at a time: so many are in
	// memory, of picture.MaxFile each.
	maxUploads = 8
	// maxDiscarded is how much more than that is read of one, in bytes.
	maxDiscarded = 32 << 20
	// uploadPause is when to come again where there are as many.
	uploadPause = 2 * time.Second
)

// uploads are the users who are sending a file, one at a time each.
type uploads struct {
	mu   sync.Mutex
	busy map[string]bool
}

// begin notes that a user is sending a file, until end is called. It is a
// tooManyError while they are sending another one, or too many others are.
func (u *uploads) begin(localpart string) (end func(), err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.busy[localpart] || len(u.busy) >= maxUploads {
		return nil, tooManyError{wait: uploadPause}
	}
	if u.busy == nil {
		u.busy = map[string]bool{}
	}
	u.busy[localpart] = true
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.busy, localpart)
	}, nil
}

// readFile reads a file that a user sends. Some of what is too large is read as
// well, for a browser shows no answer that comes before it has sent all.
func readFile(from io.Reader) ([]byte, error) {
	file, err := io.ReadAll(io.LimitReader(from, picture.MaxFile+1))
	switch {
	case err != nil:
		return nil, bodyError(err)
	case len(file) > picture.MaxFile:
		_, _ = io.CopyN(io.Discard, from, maxDiscarded)
		return nil, errTooLarge
	}
	return file, nil
}

// readPicture makes a picture of a file. The error is errTooLarge for one that is
// too large, or that of picture.Read.
func readPicture(ctx context.Context, file []byte) (store.NewPicture, error) {
	p, err := picture.Read(ctx, file)
	if errors.Is(err, picture.ErrTooLarge) {
		err = errTooLarge
	}
	return store.NewPicture{ContentType: p.ContentType, Content: p.Content}, err
}
