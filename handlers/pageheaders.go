package handlers

import (
	"net/http"

	"keymaker/templates"
)

// pageHeaders are the headers of everything that a person sees, redirects
// included (conformance L-08 to L-10, L-28).
func (s *Server) pageHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", templates.Policy())
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		noStore(w)
		if s.cookies.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// sameOriginReferrer is for pages with a form. Under no-referrer a browser sends
// the form with "Origin: null", and one that does not know Sec-Fetch-Site would
// be taken for another site. No other site gets to see a referrer either way.
func sameOriginReferrer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
