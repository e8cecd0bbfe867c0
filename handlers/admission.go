package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"keymaker/internal/admission"
	"keymaker/store"
)

// What may be worked on at a time, so that a server which is asked for more than
// it can do goes on doing what it can. What keeps a session going has places of
// its own, and its writes go before the others' (store.Urgent): a crowd that signs
// in, a homeserver or an identity provider that hangs, does not hold it up.
const (
	sessionPlaces = 128
	otherPlaces   = 256
	// maxQueued is how many requests wait for a place at most, and queueTime how
	// long each of them does. What waits longer has been given up by its client.
	maxQueued = 256
	queueTime = 500 * time.Millisecond
	// shedInterval is how often the log says that requests are turned away.
	shedInterval = 10 * time.Second
)

// errBusy is what a request is answered for which there is no place: come again.
var errBusy = fmt.Errorf("%w: %w", admission.ErrFull, store.ErrUnavailable)

// admissions are where requests are worked on.
type admissions struct {
	sessions, others *admission.Places
	shed             atomic.Int64 // since the log last said so
	said             atomic.Int64 // when that was, in milliseconds
}

func newAdmissions() *admissions {
	return &admissions{sessions: admission.New(sessionPlaces, maxQueued, queueTime), others: admission.New(otherPlaces, maxQueued, queueTime)}
}

// enter waits for a place, and returns what gives it back, and the context for
// the work there. The error is errBusy; now and then the log says how many got it.
func (s *Server) enter(ctx context.Context, in *admission.Places) (working context.Context, leave func(), err error) {
	if leave, err = in.Enter(ctx); err == nil {
		if in == s.admission.sessions {
			ctx = store.Urgent(ctx)
		}
		return ctx, leave, nil
	}
	s.admission.shed.Add(1)
	s.Metrics.Limited("busy")
	now, last := s.Clock.Now().UnixMilli(), s.admission.said.Load()
	if now-last > shedInterval.Milliseconds() && s.admission.said.CompareAndSwap(last, now) {
		s.Logger.WarnContext(ctx, "more is asked than can be answered: requests are turned away", "requests", s.admission.shed.Swap(0))
	}
	return nil, nil, errBusy
}

// sessionPaths keep a session going, or end it. A refresh is the token endpoint's,
// which finds its place itself once it has read what is asked.
var sessionPaths = map[string]bool{
	oidc + "/introspect": true, "/oauth2/introspect": true, oidc + "/revoke": true, oidc + "/userinfo": true,
	client + "/refresh": true, client + "/logout": true, client + "/logout/all": true, client + "/account/whoami": true,
}

// placeless are the paths that need no place, beside those of fromMemory: what
// tells how the server is, what finds its place itself, and where files are sent,
// which have a limit of their own.
var placeless = map[string]bool{
	"/livez": true, "/readyz": true, tokenRoute: true, uploadRoute: true, accountPicturePath: true,
}

// fromMemory are the paths of documents that are the same for everybody: nothing
// is stored or counted of whoever reads them.
var fromMemory = map[string]bool{discoveryPath: true, serverMetadataPath: true, oidc + "/jwks": true, wellKnownClientPath: true}

// admitted puts a handler of a route behind a place to work.
func (s *Server) admitted(r route, next http.HandlerFunc) http.HandlerFunc {
	if r.kind == asset || placeless[r.path] || fromMemory[r.path] {
		return next
	}
	in := s.admission.others
	if sessionPaths[r.path] {
		in = s.admission.sessions
	}
	return func(w http.ResponseWriter, req *http.Request) {
		if err := readAhead(req); err != nil {
			s.refused(w, req, r.kind, err)
			return
		}
		ctx, leave, err := s.enter(req.Context(), in)
		if err != nil {
			s.refused(w, req, r.kind, err)
			return
		}
		defer leave()
		next(w, req.WithContext(ctx))
	}
}

// refused answers in the way of a kind of route.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, k kind, err error) {
	switch k {
	case matrixAPI, etagAPI:
		s.matrixFailure(w, r, err)
	case page, entry:
		s.trouble(w, r, err)
	default:
		s.oauthFailure(w, r, err)
	}
}

// readAhead reads the body before the request has a place, for a client may send
// it as slowly as it likes. What is longer than any form or JSON of ours is left
// to the endpoint, which refuses it.
func readAhead(r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	const most = max(maxForm, maxJSON) + 1 // so that the endpoint sees that it is too long
	var read bytes.Buffer
	if r.ContentLength > 0 {
		read.Grow(int(min(r.ContentLength, most)) + bytes.MinRead)
	}
	if _, err := io.CopyN(&read, r.Body, most); err != nil && !errors.Is(err, io.EOF) {
		return bodyError(err)
	}
	r.Body = ahead{io.MultiReader(&read, r.Body), r.Body}
	return nil
}

// ahead is a body of which a part has been read already.
type ahead struct {
	io.Reader
	io.Closer
}
