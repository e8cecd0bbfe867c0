package fakesynapse

import (
	"encoding/json"
	"net/http"
)

// answer is what a request gets.
type answer struct {
	status int
	body   any
}

// done answers that there is nothing to say.
func done(status int) *answer { return &answer{status, map[string]any{}} }

// problem is Matrix's error.
func problem(status int, errcode, text string) *answer {
	return &answer{status, map[string]any{"errcode": errcode, "error": text}}
}

func notFound(text string) *answer { return problem(http.StatusNotFound, "M_NOT_FOUND", text) }

func unrecognized(status int) *answer {
	return problem(status, "M_UNRECOGNIZED", "Unrecognized request")
}

func (a *answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Server", "Synapse/"+version)
	w.WriteHeader(a.status)
	if a.status != http.StatusNoContent {
		_ = json.NewEncoder(w).Encode(a.body)
	}
}
