package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"keymaker/internal/secret"
	"keymaker/internal/telemetry"
	"keymaker/provider/errtext"
)

type requestKey struct{}

// request is what is known of a request beside what it holds itself. It is the
// request's context as well.
type request struct {
	context.Context
	id string
	// asked is the path that was sent, and path that of the route; "" as long as it
	// has met none.
	asked, path string
	// locales are the languages that a client asked for (ui_locales).
	locales string
	// again is where what the person is doing begins once more; "" where nothing is
	// known to be on its way.
	again string
	// method is the method for the log: one that exists.
	method string
	// route counts the answer.
	route *telemetry.Route
	// outcome is what became of the person on the way, in one word; "" for what
	// they came for.
	outcome string
}

// Value implements context.Context.
func (r *request) Value(key any) any {
	if key == (requestKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// logged is the path for the log, where it may name nobody and hold no secret:
// that of the route, or of what no route knows the harmless parts.
func (r *request) logged() string {
	if r.path == "" {
		return harmless(r.asked)
	}
	return r.path
}

// passage is a request and its answer: what every request needs beside its
// handler, in one piece of memory.
type passage struct {
	request
	answer statusRecorder
	header [1]string // the value of X-Request-Id
}

// identify gives every request an id, which the answer, the log and the error
// pages share, and logs it: without its query, for a query can hold codes and
// states.
func (s *Server) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &passage{
			request: request{Context: r.Context(), id: secret.Letters(12), asked: r.URL.Path, method: knownMethod(r.Method), route: s.strays},
			answer:  statusRecorder{ResponseWriter: w, status: http.StatusOK},
		}
		p.header[0] = p.id
		w.Header()["X-Request-Id"] = p.header[:]
		if s.Tracer.On() && !health[r.URL.Path] {
			ctx, span := s.Tracer.Request(r, p.method, p.id, func() bool { return s.fromProxy(r) })
			p.Context = ctx
			defer func() { span.Answered(p.method, p.path, p.answer.status) }()
		}
		start := time.Now() //nolint:forbidigo // a duration, not a point in time
		next.ServeHTTP(&p.answer, r.WithContext(p))
		p.route.Answered(p.answer.status)
		if !s.Logger.Enabled(p, slog.LevelDebug) {
			return
		}
		s.Logger.LogAttrs(p, slog.LevelDebug, "request", slog.String("request", p.id), slog.String("method", p.method),
			slog.String("path", p.logged()), slog.Int("status", p.answer.status), slog.Duration("took", time.Since(start)))
	})
}

// health are the paths that are asked all the time and are not traced.
var health = map[string]bool{"/livez": true, "/readyz": true}

// about is what identify knows of the request.
func about(r *http.Request) *request {
	if known, ok := r.Context().Value(requestKey{}).(*request); ok {
		return known
	}
	return &request{}
}

// requestID is the id that identify gave the request.
func requestID(r *http.Request) string { return about(r).id }

// pattern is what stands for a variable's grammar in the path of a route.
var pattern = regexp.MustCompile(`:[^}]*}`)

// at notes the route that a request has met.
func (s *Server) at(path string, next http.Handler) http.Handler {
	path = pattern.ReplaceAllString(path, "}")
	route := s.Metrics.Route(path)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known := about(r)
		known.path, known.route = path, route
		next.ServeHTTP(w, r)
	})
}

// word is a part of a path that can be the name of an endpoint.
var word = regexp.MustCompile(`^[a-z0-9._-]{0,24}$`)

// harmless is a path in which nothing stands that is not a name of an endpoint.
func harmless(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if !word.MatchString(p) {
			parts[i] = "*"
		}
	}
	return strings.Join(parts[:min(len(parts), 10)], "/")
}

// knownMethod is a method, if it is one of HTTP's own.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "*"
}

// closeChunked ends the connection after a request whose body came in chunks. It
// may have had a length as well, which net/http drops: a proxy that goes by that
// would take for the body what comes next here as a request (RFC 9112 §6.1).
func closeChunked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// recoverPanics turns a panic into a 500, and logs where it happened.
func (s *Server) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				s.Logger.ErrorContext(r.Context(), "panic", "request", requestID(r), telemetry.Panic(p), "stack", string(debug.Stack()))
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
	switch {
	case errors.Is(err, errBusy):
		level = slog.LevelDebug // the log says it once for many
	case status >= http.StatusInternalServerError:
		level = slog.LevelError
	}
	s.Logger.LogAttrs(r.Context(), level, "request refused", slog.String("request", requestID(r)), slog.String("method", about(r).method),
		slog.String("path", about(r).logged()), slog.Int("status", status), slog.String("error", errtext.WithoutValues(err.Error())))
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
