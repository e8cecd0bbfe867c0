package synapsetest_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"keymaker/internal/synapsetest"
)

func TestMain(m *testing.M) { os.Exit(synapsetest.Run(m, "starts and stops")) }

// get is the status of an answer, and its JSON.
func get(t *testing.T, url, token string) (status int, body map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = response.Body.Close() }()
	_ = json.NewDecoder(response.Body).Decode(&body)
	return response.StatusCode, body
}

func TestSynapse(t *testing.T) {
	if !synapsetest.Wanted() {
		return
	}
	t.Run("delegates when it is told to, and is back after a stop", func(t *testing.T) {
		s := synapsetest.Start(t, synapsetest.Options{ServerName: "other.example", Endpoint: "http://127.0.0.1:9/", Secret: `se"cret`})
		query := s.URL + "/_synapse/mas/query_user?localpart=alice"
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/_synapse/mas/provision_user", strings.NewReader(`{"localpart":"alice"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", `Bearer se"cret`)
		response, err := http.DefaultClient.Do(r)
		if err != nil || response.StatusCode != http.StatusCreated {
			t.Fatalf("%v, %v", response, err)
		}
		_ = response.Body.Close()
		s.Stop()
		if status, _ := get(t, query, `se"cret`); status != 0 {
			t.Errorf("stopped it answers %d", status)
		}
		s.Start()
		if status, body := get(t, query, `se"cret`); status != http.StatusOK || body["user_id"] != "@alice:other.example" {
			t.Errorf("%d %v", status, body)
		}
		if log, err := os.ReadFile(s.Log); err != nil || !strings.Contains(string(log), "provision_user") {
			t.Errorf("the log has %d bytes, %v", len(log), err)
		}
	})
	t.Run("delegates nothing by itself, and takes more lines", func(t *testing.T) {
		s := synapsetest.Start(t, synapsetest.Options{Config: "enable_registration: true\nenable_registration_without_verification: true\n"})
		if status, _ := get(t, s.URL+"/_synapse/mas/query_user?localpart=alice", "x"); status != http.StatusNotFound {
			t.Errorf("the provisioning API answers %d", status)
		}
		if status, _ := get(t, s.URL+"/_matrix/client/v3/register/available?username=alice", ""); status != http.StatusOK {
			t.Errorf("the registration answers %d", status)
		}
	})
}
