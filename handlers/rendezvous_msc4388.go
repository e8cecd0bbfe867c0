package handlers

import (
	"bytes"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"keymaker/store"
)

// The rendezvous of MSC4388: payload and sequence token travel in JSON
// (conformance G-31).
const (
	msc4388Path = "/_matrix/client/unstable/io.element.msc4388/rendezvous"
	// msc4388Life is the longest that the proposal recommends.
	msc4388Life = 5 * time.Minute
)

// msc4388Session is a session as a client sees it.
type msc4388Session struct {
	ID            string  `json:"id,omitempty"`
	Data          *string `json:"data,omitempty"`
	SequenceToken string  `json:"sequence_token"`
	ExpiresInMS   int64   `json:"expires_in_ms,omitempty"` // milliseconds
}

// msc4388Body is what a client sends.
type msc4388Body struct {
	Data          *string `json:"data"`
	SequenceToken *string `json:"sequence_token"`
}

// discoverMSC4388 tells a client that it may begin a session, as everybody may.
func (s *Server) discoverMSC4388(w http.ResponseWriter, r *http.Request) {
	if err := s.anybody(r); err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]bool{"create_available": true})
}

// anybody accepts a request without an access token, and not with a bad one: a
// client that has one learns that it must refresh it.
func (s *Server) anybody(r *http.Request) error {
	if _, ok := bearer(r); !ok {
		return nil
	}
	_, err := s.member(r)
	return err
}

// createMSC4388 begins a session.
func (s *Server) createMSC4388(w http.ResponseWriter, r *http.Request) {
	if err := s.limitAddress(r); err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	if err := s.anybody(r); err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	var body msc4388Body
	if err := readDataMSC4388(w, r, &body); err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	id, begun, err := s.beginRendezvous(r, store.MSC4388, []byte(*body.Data), msc4388Life)
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, msc4388Session{ID: id, SequenceToken: sequenceToken(begun), ExpiresInMS: s.remaining(begun)})
}

// readMSC4388 answers with the payload.
func (s *Server) readMSC4388(w http.ResponseWriter, r *http.Request) {
	session, ok := s.readRendezvous(w, r, store.MSC4388)
	if !ok {
		return
	}
	data := string(session.Payload)
	writeJSON(w, http.StatusOK, msc4388Session{Data: &data, SequenceToken: sequenceToken(session), ExpiresInMS: s.remaining(session)})
}

// writeMSC4388 replaces the payload that the client has seen. A client whose
// answer was lost may send the same again: under the same transaction id, or
// without one, as drafts until July 2026 had it, the same data.
func (s *Server) writeMSC4388(w http.ResponseWriter, r *http.Request) {
	current, err := s.replaceMSC4388(w, r)
	switch {
	case conflicted(err):
		s.matrixFailure(w, r, mxError(http.StatusConflict, "IO_ELEMENT_MSC4388_CONCURRENT_WRITE", "The payload has changed: read it first."))
	case err != nil:
		s.matrixFailure(w, r, err)
	default:
		writeJSON(w, http.StatusOK, msc4388Session{SequenceToken: sequenceToken(current)})
	}
}

// transactionID is the grammar of opaque identifiers.
var transactionID = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,255}$`)

func (s *Server) replaceMSC4388(w http.ResponseWriter, r *http.Request) (store.Rendezvous, error) {
	id, err := variable(r, "id")
	if err != nil {
		return store.Rendezvous{}, err
	}
	transaction, named := mux.Vars(r)["transaction"]
	if named && !transactionID.MatchString(transaction) {
		return store.Rendezvous{}, mxError(http.StatusBadRequest, "M_INVALID_PARAM", "The transaction id is no opaque identifier.")
	}
	var body msc4388Body
	if err := readDataMSC4388(w, r, &body); err != nil {
		return store.Rendezvous{}, err
	}
	if body.SequenceToken == nil {
		return store.Rendezvous{}, mxError(http.StatusBadRequest, "M_MISSING_PARAM", "The sequence_token is missing.")
	}
	write := store.RendezvousWrite{Sequence: sequenceOf(*body.SequenceToken), Payload: []byte(*body.Data), Transaction: transaction}
	current, err := s.Matrix.WriteRendezvous(r.Context(), store.MSC4388, id, write)
	if conflicted(err) && !named && bytes.Equal(current.Payload, write.Payload) {
		return current, nil
	}
	return current, err
}

// endMSC4388 cancels a session.
func (s *Server) endMSC4388(w http.ResponseWriter, r *http.Request) {
	if s.endRendezvous(w, r, store.MSC4388) {
		writeJSON(w, http.StatusOK, struct{}{})
	}
}

// readDataMSC4388 reads a body with data.
func readDataMSC4388(w http.ResponseWriter, r *http.Request, body *msc4388Body) error {
	if err := readJSON(w, r, body); err != nil {
		return err
	}
	switch {
	case body.Data == nil:
		return mxError(http.StatusBadRequest, "M_MISSING_PARAM", "The data is missing.")
	case len(*body.Data) > maxPayload:
		return errTooLarge
	}
	return nil
}

func sequenceToken(session store.Rendezvous) string {
	return strconv.FormatInt(session.Sequence, 10)
}

// remaining is how long a session lives on, in milliseconds.
func (s *Server) remaining(session store.Rendezvous) int64 {
	return max(1, session.ExpiresAt.Sub(s.Clock.Now()).Milliseconds())
}
