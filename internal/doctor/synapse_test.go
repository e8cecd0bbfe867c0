package doctor_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"

	"keymaker/internal/doctor"
	"keymaker/internal/secret"
	"keymaker/internal/synapsetest"
)

func TestMain(m *testing.M) { os.Exit(synapsetest.Run(m, "the secrets of both sides")) }

// A real Synapse answers as the one of the other tests does.
func TestWithSynapseAWrongSecretIsNamed(t *testing.T) {
	if !synapsetest.Wanted() {
		return
	}
	theirs := ""
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/.well-known/openid-configuration":
			object(200, fmt.Sprintf(`{"issuer":%q,"account_management_uri":%q}`, issuer, issuer+"/account"))(w, r)
		case r.Header.Get("Authorization") == "Bearer "+theirs:
			object(200, `{"active":false}`)(w, r)
		default:
			object(401, `{"error":"access_denied"}`)(w, r)
		}
	}))
	t.Cleanup(own.Close)
	delegating := synapsetest.Start(t, synapsetest.Options{Endpoint: own.URL, Secret: shared})
	alone := synapsetest.Start(t, synapsetest.Options{})
	for _, tt := range []struct {
		name, url    string
		ours, theirs string
		finds        []string
	}{
		{"the same secret", delegating.URL, shared, shared, nil},
		{"another one here", delegating.URL, "another", shared, []string{"secret.to_homeserver"}},
		{"another one there", delegating.URL, shared, "another", []string{"secret.from_homeserver"}},
		// It knows the tokens that it has given out itself, and so answers as one that
		// has asked.
		{"no delegation", alone.URL, shared, shared, []string{"secret.to_homeserver", "homeserver.issuer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			theirs = tt.theirs
			w.config.Homeserver.Endpoint, w.config.Homeserver.Secret = tt.url, secret.Text(tt.ours)
			var failed []string
			for _, r := range w.examine(t) {
				if r.State == doctor.Failed {
					failed = append(failed, r.Check)
				}
			}
			if !slices.Equal(failed, tt.finds) {
				t.Errorf("failed are %v, want %v", failed, tt.finds)
			}
		})
	}
}
