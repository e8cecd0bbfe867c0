package admin

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
)

const (
	path      = "/admin/v1/"
	jsonMedia = "application/json"
	// maxQuestion is in bytes; a token or ten claims fit in.
	maxQuestion = 64 << 10
)

// Handler answers operations, each a POST of its question to /admin/v1/NAME, with
// JSON both ways. It asks nobody who they are: it is for a socket that only
// administrators can open.
func (s *Service) Handler(log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+path+"{operation}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		// A page in a browser cannot send this without being asked first.
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != jsonMedia {
			answerError(w, http.StatusUnsupportedMediaType, &Error{Usage: true, Text: "the question must be " + jsonMedia})
			return
		}
		question, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuestion))
		if err != nil {
			answerError(w, http.StatusRequestEntityTooLarge, &Error{Usage: true, Text: "the question is too long"})
			return
		}
		answer, err := s.call(r.Context(), r.PathValue("operation"), question)
		var known *Error
		switch {
		case errors.As(err, &known) && known.Usage:
			answerError(w, http.StatusBadRequest, known)
		case errors.As(err, &known):
			answerError(w, http.StatusConflict, known)
		case err != nil:
			log.ErrorContext(r.Context(), "do what an administrator asks", "operation", r.PathValue("operation"), "error", err)
			answerError(w, http.StatusServiceUnavailable, &Error{Text: "the server cannot do it now: its log says why"})
		default:
			w.Header().Set("Content-Type", jsonMedia)
			_, _ = w.Write(answer) // whoever asked is gone, perhaps
		}
	})
	return mux
}

func answerError(w http.ResponseWriter, status int, e *Error) {
	w.Header().Set("Content-Type", jsonMedia)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(e) // whoever asked is gone, perhaps
}
