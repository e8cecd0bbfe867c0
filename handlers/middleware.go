package handlers

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"keymaker/internal/secret"
)

type requestKey struct{}

// identify gives every request an id, which the answer, the log and the error
// pages share, and logs it: the path without its query, for a query can hold
// codes and states.
func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := secret.Letters(12)
		w.Header().Set("X-Request-Id", id)
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		start := time.Now() //nolint:forbidigo // a duration, not a point in time
		next.ServeHTTP(recorder, r.WithContext(context.WithValue(r.Context(), requestKey{}, id)))
		s.Logger.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("request", id), slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Int("status", recorder.status), slog.Duration("took", time.Since(start)))
	})
}

// requestID is the id that identify gave the request.
func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestKey{}).(string)
	return id
}

// recoverPanics turns a panic into a 500, and logs where it happened.
func (s *Server) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				s.Logger.ErrorContext(r.Context(), "panic", "request", requestID(r), "panic", p, "stack", string(debug.Stack()))
				http.Error(w, "", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// logFailure notes why a request was refused: an outage as an error, what a
// client did wrong for those who look for it.
func (s *Server) logFailure(r *http.Request, status int, err error) {
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	s.Logger.LogAttrs(r.Context(), level, "request refused", slog.String("request", requestID(r)), slog.String("method", r.Method),
		slog.String("path", r.URL.Path), slog.Int("status", status), slog.Any("error", err))
}

// statusRecorder remembers the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
