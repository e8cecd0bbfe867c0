package handlers

import "net/http"

// cors lets web clients of every origin call an endpoint (conformance A.4,
// CS-API "Web Browser Clients"). It answers a preflight itself, whatever the
// endpoint is, and marks every answer, errors included: without the header a
// web client cannot read why it was refused. Credentials are never
// allowed: no endpoint behind it reads a cookie.
func cors(next http.Handler) http.Handler {
	return corsWith(next, func(http.Header) {})
}

// etagCORS is cors for an endpoint that speaks in entity tags.
func etagCORS(next http.Handler) http.Handler {
	return corsWith(next, func(h http.Header) {
		h.Set("Access-Control-Allow-Headers", h.Get("Access-Control-Allow-Headers")+", If-Match, If-None-Match")
		h.Set("Access-Control-Expose-Headers", "ETag")
	})
}

func corsWith(next http.Handler, more func(http.Header)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS")
		h.Set("Access-Control-Allow-Headers", "X-Requested-With, Content-Type, Authorization")
		more(h)
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
