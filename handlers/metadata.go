package handlers

import (
	"fmt"
	"net/http"

	"keymaker/provider/signing"
)

// discoveryCache lets clients and proxies keep what rarely changes, and get
// what does within minutes (conformance A-05).
const discoveryCache = "public, max-age=600, s-maxage=3600, stale-while-revalidate=600"

// The values of the headers, of which no answer makes its own.
var (
	metadataCache = []string{discoveryCache}
	jwksCache     = []string{fmt.Sprintf("public, max-age=%d", int(signing.CacheTime.Seconds()))}
)

// metadata serves the discovery document, from memory: clients fetch it before
// every refresh (conformance ).
func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Cache-Control"] = metadataCache
	writeDocument(w, http.StatusOK, s.Provider.Metadata())
}

// authIssuer serves the issuer alone, for clients of the first MSC2965
// (conformance ).
func (s *Server) authIssuer(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"issuer": s.Provider.Issuer()})
}

// jwks serves the public keys (conformance F-33, F-34).
func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Cache-Control"] = jwksCache
	writeDocument(w, http.StatusOK, s.Provider.JWKS())
}
