package handlers

import (
	"encoding/json"
	"net/http"
)

// writeJSON answers with a JSON document that nothing may keep (the
// checklist's NOSTORE).
func writeJSON(w http.ResponseWriter, status int, body any) {
	doc, err := json.Marshal(body)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	noStore(w)
	writeDocument(w, status, doc)
}

// writeDocument answers with a document that is ready, and leaves caching to
// the caller.
func writeDocument(w http.ResponseWriter, status int, doc []byte) {
	writeTyped(w, status, "application/json", doc)
}

func writeTyped(w http.ResponseWriter, status int, contentType string, doc []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(doc)
}

// noStore forbids to keep an answer, in the words of the endpoint if it has its
// own.
func noStore(w http.ResponseWriter) {
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.Header().Set("Pragma", "no-cache")
}
