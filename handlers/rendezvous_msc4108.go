package handlers

import (
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"keymaker/store"
)

// The rendezvous of MSC4108 as of 2024: the payload is the body, in plain text,
// and an entity tag says which one a client has seen (conformance G-30).
const (
	msc4108Path = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous"
	msc4108Life = 10 * time.Minute
)

// createMSC4108 begins a session.
func (s *Server) createMSC4108(w http.ResponseWriter, r *http.Request) {
	if err := s.limitAddress(r); err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	payload, err := readPlain(w, r)
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	id, begun, err := s.beginRendezvous(r, store.MSC4108, payload, msc4108Life)
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	tag(w, begun)
	writeJSON(w, http.StatusCreated, map[string]string{"url": strings.TrimSuffix(s.Config.Issuer(), "/") + msc4108Path + "/" + id})
}

// readMSC4108 answers with the payload, if it is not the one that the client
// has.
func (s *Server) readMSC4108(w http.ResponseWriter, r *http.Request) {
	session, ok := s.readRendezvous(w, r, store.MSC4108)
	if !ok {
		return
	}
	tag(w, session)
	noStore(w)
	if seen(r.Header.Values("If-None-Match"), session) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	// js-sdk compares the whole header.
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(session.Payload)
}

// writeMSC4108 replaces the payload that the client has seen.
func (s *Server) writeMSC4108(w http.ResponseWriter, r *http.Request) {
	current, err := s.replaceMSC4108(w, r)
	if err == nil || conflicted(err) {
		tag(w, current)
	}
	switch {
	case conflicted(err):
		e := mxError(http.StatusPreconditionFailed, "M_UNKNOWN", "The payload has changed: read it first.")
		e.MSC4108 = "M_CONCURRENT_WRITE"
		s.matrixFailure(w, r, e)
	case err != nil:
		s.matrixFailure(w, r, err)
	default:
		noStore(w)
		w.WriteHeader(http.StatusAccepted)
	}
}

func (s *Server) replaceMSC4108(w http.ResponseWriter, r *http.Request) (store.Rendezvous, error) {
	id, err := variable(r, "id")
	if err != nil {
		return store.Rendezvous{}, err
	}
	sequence, err := expected(r.Header.Values("If-Match"))
	if err != nil {
		return store.Rendezvous{}, err
	}
	payload, err := readPlain(w, r)
	if err != nil {
		return store.Rendezvous{}, err
	}
	return s.Matrix.WriteRendezvous(r.Context(), store.MSC4108, id, store.RendezvousWrite{Sequence: sequence, Payload: payload})
}

// endMSC4108 cancels a session.
func (s *Server) endMSC4108(w http.ResponseWriter, r *http.Request) {
	if s.endRendezvous(w, r, store.MSC4108) {
		noStore(w)
		w.WriteHeader(http.StatusNoContent)
	}
}

// readPlain reads a payload that is the body.
func readPlain(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Header.Get("Content-Type") == "":
		return nil, mxError(http.StatusBadRequest, "M_MISSING_PARAM", "The Content-Type is missing.")
	case r.ContentLength < 0:
		return nil, mxError(http.StatusBadRequest, "M_MISSING_PARAM", "The Content-Length is missing.")
	case err != nil || kind != "text/plain":
		return nil, mxError(http.StatusBadRequest, "M_INVALID_PARAM", "The Content-Type must be text/plain.")
	case r.ContentLength > maxPayload:
		return nil, errTooLarge
	}
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
	if err != nil {
		return nil, bodyError(err)
	}
	return payload, nil
}

// tag sets the headers that MSC4108 asks of every answer about a payload. A
// proxy that compressed it would weaken the entity tag.
func tag(w http.ResponseWriter, session store.Rendezvous) {
	h := w.Header()
	h.Set("ETag", entityTag(session))
	h.Set("Expires", session.ExpiresAt.UTC().Format(http.TimeFormat))
	h.Set("Last-Modified", session.ChangedAt.UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "no-store, no-transform")
}

func entityTag(session store.Rendezvous) string {
	return `"` + strconv.FormatInt(session.Sequence, 10) + `"`
}

// strongTag is one strong entity tag (RFC 9110 §8.8.3).
var strongTag = regexp.MustCompile(`^"[\x21\x23-\x7e\x80-\xff]*"$`)

// expected is the sequence that If-Match names: exactly one strong entity tag,
// as MSC4108 wants it. One that is none of ours matches nothing.
func expected(header []string) (int64, error) {
	switch {
	case len(header) == 0:
		return 0, mxError(http.StatusBadRequest, "M_MISSING_PARAM", "The If-Match header is missing.")
	case len(header) > 1 || !strongTag.MatchString(header[0]):
		return 0, mxError(http.StatusBadRequest, "M_INVALID_PARAM", "The If-Match header must be one strong entity tag.")
	}
	return sequenceOf(strings.Trim(header[0], `"`)), nil
}

// seen tells whether If-None-Match names the payload (RFC 9110 §13.1.2).
func seen(header []string, session store.Rendezvous) bool {
	for name := range strings.SplitSeq(strings.Join(header, ","), ",") {
		name = strings.TrimPrefix(strings.TrimSpace(name), "W/")
		if name == "*" || name == entityTag(session) {
			return true
		}
	}
	return false
}

// sequenceOf reads a sequence as this server writes it. Anything else is 0,
// which no session has.
func sequenceOf(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return 0
	}
	return n
}
