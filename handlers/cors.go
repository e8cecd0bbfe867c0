package handlers

import "net/http"

// cors lets web clients of every origin call an endpoint (conformance A.4,
// CS-API "Web Browser Clients"). It answers a preflight itself, whatever the
// endpoint is, and marks every answer, errors included: without the header a
// web client cannot read why it was refused. Credentials are never
// allowed: no endpoint behind it reads a cookie.
func cors(next http.Handler) http.Handler { return corsWith(next, corsHeaders, nil) }

// etagCORS is cors for an endpoint that speaks in entity tags.
func etagCORS(next http.Handler) http.Handler { return corsWith(next, etagHeaders, etagExposed) }

// The values of the headers, of which no answer makes its own.
var (
	corsOrigin  = []string{"*"}
	corsMethods = []string{"GET, POST, PUT, DELETE, OPTIONS"}
	corsHeaders = []string{"X-Requested-With, Content-Type, Authorization"}
	etagHeaders = []string{corsHeaders[0] + ", If-Match, If-None-Match"}
	etagExposed = []string{"ETag"}
)

func corsWith(next http.Handler, headers, exposed []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Access-Control-Allow-Origin"] = corsOrigin
		h["Access-Control-Allow-Methods"] = corsMethods
		h["Access-Control-Allow-Headers"] = headers
		if exposed != nil {
			h["Access-Control-Expose-Headers"] = exposed
		}
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
