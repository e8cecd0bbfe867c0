package telemetry

import (
	"encoding/json"
	"net/http"
)

// Check is one thing that a server needs to work. Err is nil if it is there.
type Check struct {
	Name string
	Err  error
}

// health is how a server answers those who ask whether it can work.
type health struct {
	Status string            `json:"status"` // ok, unavailable
	Checks map[string]string `json:"checks,omitempty"`
}

// WriteHealth answers whether a server can work: 200, or 503 with what is
// missing. Only where administrators alone ask does detail say why.
func WriteHealth(w http.ResponseWriter, checks []Check, detail bool) {
	h, status := health{Status: "ok", Checks: map[string]string{}}, http.StatusOK
	for _, c := range checks {
		h.Checks[c.Name] = "ok"
		if c.Err != nil {
			h.Status, status = "unavailable", http.StatusServiceUnavailable
			h.Checks[c.Name] = "failed"
			if detail {
				h.Checks[c.Name] = c.Err.Error()
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(h) // whoever asked is gone, perhaps
}
