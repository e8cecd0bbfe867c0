package handlers

import (
	"errors"
	"io"
	"net/http"
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

// readUpload reads a picture out of what a user sends. Some of what is too large
// is read as well, for a browser shows no answer that comes before it has sent
// all.
func readUpload(r *http.Request, file io.Reader) (store.NewPicture, error) {
	content, err := io.ReadAll(io.LimitReader(file, picture.MaxFile+1))
	switch {
	case err != nil:
		return store.NewPicture{}, bodyError(err)
	case len(content) > picture.MaxFile:
		_, _ = io.CopyN(io.Discard, file, maxDiscarded)
		return store.NewPicture{}, errTooLarge
	}
	p, err := picture.Read(r.Context(), content)
	if errors.Is(err, picture.ErrTooLarge) {
		err = errTooLarge
	}
	return store.NewPicture{ContentType: p.ContentType, Content: p.Content}, err
}
