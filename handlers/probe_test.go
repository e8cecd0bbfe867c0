package handlers_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/internal/probe"
	"keymaker/internal/secret"
)

// examined starts a server and returns the keys of who has its secret file.
func examined(t *testing.T, global string) (*harness.Env, *probe.Keys) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keymaker.secret")
	e := harness.Start(t, func(o *harness.Options) { o.SecretFile, o.Global = file, global })
	key, err := secret.ReadKey(file)
	if err != nil {
		t.Fatal(err)
	}
	return e, keysOf(t, key)
}

func keysOf(t *testing.T, key []byte) *probe.Keys {
	t.Helper()
	sealer, err := secret.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := probe.New(sealer)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestDoctorIsToldWhomTheServerSees(t *testing.T) {
	for _, tt := range []struct{ name, global, forwarded, address string }{
		{"L-15: whom a trusted proxy names", "", "198.51.100.7", "198.51.100.7"},
		{"L-15: the last one whom no trusted proxy names", "", "198.51.100.7, 203.0.113.9, 127.0.0.2", "203.0.113.9"},
		{"L-15: who has connected, without the header", "", "", "127.0.0.1"},
		{"L-15: who has connected, where nobody is trusted", "trusted_proxies = []\n", "198.51.100.7", "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, keys := examined(t, tt.global)
			proof := keys.Proof(e.Clock.Now())
			header := map[string]string{"Authorization": "Bearer " + proof, "Forwarded": "for=192.0.2.7", "X-Real-IP": "192.0.2.7", "X-Forwarded-Host": "evil.net"}
			if tt.forwarded != "" {
				header["X-Forwarded-For"] = tt.forwarded
			}
			a := e.Do(http.MethodPost, probe.Path, header, "")
			harness.ExpectJSON(t, a, http.StatusOK)
			seen, err := keys.Read(proof, a.Text("answer"))
			if want := (probe.Seen{Address: tt.address, Peer: "127.0.0.1", Forwarded: tt.forwarded}); err != nil || seen != want {
				t.Errorf("it sees %+v, %v", seen, err)
			}
			if strings.Contains(string(a.Body), "127.0.0.1") || a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("the answer is %v %s", a.Header, a.Body)
			}
		})
	}
}

func TestWhoHasNoSecretFileIsToldNothing(t *testing.T) {
	e, keys := examined(t, "")
	proof := keys.Proof(e.Clock.Now())
	late := keys.Proof(e.Clock.Now().Add(-2 * time.Minute))
	for _, tt := range []struct {
		name, method, authorization string
		status                      int
	}{
		{"without a proof", http.MethodPost, "", 401},
		{"with an empty one", http.MethodPost, "Bearer ", 401},
		{"with a proof of another secret file", http.MethodPost, "Bearer " + keysOf(t, secret.Bytes(secret.KeySize)).Proof(e.Clock.Now()), 401},
		{"with a proof that is sent again later", http.MethodPost, "Bearer " + late, 401},
		{"with a proof that was changed", http.MethodPost, "Bearer 1" + proof, 401},
		{"with two proofs in one", http.MethodPost, "Bearer " + proof + "," + proof, 401},
		{"with a proof by another scheme", http.MethodPost, "Basic " + proof, 401},
		{"with the secret of the homeserver", http.MethodPost, "Bearer " + harness.HomeserverSecret, 401},
		{"with an access token", http.MethodPost, "Bearer " + e.LogIn("alice", "DOCTORED").Access, 401},
		{"with 20 kB", http.MethodPost, "Bearer " + strings.Repeat("a.", 10<<10), 401},
		{"by GET", http.MethodGet, "Bearer " + proof, 405},
		{"by a page of another site", http.MethodOptions, "Bearer " + proof, 405},
	} {
		t.Run("L-15: "+tt.name, func(t *testing.T) {
			header := map[string]string{"X-Forwarded-For": "198.51.100.7"}
			if tt.authorization != "" {
				header["Authorization"] = tt.authorization
			}
			a := e.For(t).Do(tt.method, probe.Path, header, "")
			if a.Status != tt.status || a.JSON()["answer"] != nil || strings.Contains(string(a.Body), "198.51.100.7") {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
			if tt.status == 401 && !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate is %q", a.Header.Get("WWW-Authenticate"))
			}
		})
	}
	t.Run("L-18: the log has no proof", func(t *testing.T) {
		e := e.For(t)
		for proof, status := range map[string]int{keys.Proof(e.Clock.Now()): http.StatusOK, late: http.StatusUnauthorized} {
			a := e.Do(http.MethodPost, probe.Path, map[string]string{"Authorization": "Bearer " + proof}, "")
			harness.ExpectJSON(t, a, status)
			if strings.Contains(e.Log.String(), proof) {
				t.Errorf("it has that of the answer %d", status)
			}
		}
	})
}
