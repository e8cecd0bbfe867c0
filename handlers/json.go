package handlers

import (
	"encoding/json"
	"net/http"
	"strconv"
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
	w.Header()["Content-Type"] = typeJSON
	writeReady(w, status, doc)
}

func writeTyped(w http.ResponseWriter, status int, contentType string, doc []byte) {
	w.Header()["Content-Type"] = []string{contentType}
	writeReady(w, status, doc)
}

// writeReady says how long the answer is: net/http sends one that is longer than
// 2 KiB in chunks otherwise, which costs both sides more than all that is done
// here for it.
func writeReady(w http.ResponseWriter, status int, doc []byte) {
	h := w.Header()
	h["X-Content-Type-Options"] = noSniff
	h["Content-Length"] = []string{strconv.Itoa(len(doc))}
	w.WriteHeader(status)
	_, _ = w.Write(doc)
}

// The values of headers that many answers share, and none changes.
var (
	typeJSON = []string{"application/json"}
	noSniff  = []string{"nosniff"}
	storeNo  = []string{"no-store"}
	cacheNo  = []string{"no-cache"}
)

// noStore forbids to keep an answer, in the words of the endpoint if it has its
// own.
func noStore(w http.ResponseWriter) {
	h := w.Header()
	if h.Get("Cache-Control") == "" {
		h["Cache-Control"] = storeNo
	}
	h["Pragma"] = cacheNo
}
