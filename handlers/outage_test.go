package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

// TestOutage takes the database away from a running server. Whatever a client
// has, it keeps: nothing is said about tokens that cannot be looked up.
func TestOutage(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		tokens := e.LogIn("alice", "AAABBBCCCDDD")
		legacy := e.LogInLegacy("alice", "LEGACYDEVICE")
		loginToken := e.LoginToken(e.NewBrowser(), "alice")
		g := approved(e, tokens.ClientID, harness.ScopeStable+"PENDINGDEV")
		id, clientSecret := e.Register(confidential("client_secret_basic"))
		rendezvous, _ := meet(e, "x")
		if err := e.Server.Store().Close(); err != nil {
			t.Fatal(err)
		}
		requests := []struct {
			name, method, path string
			kind, credentials  string
			body               string
		}{
			{"D-03: a refresh", http.MethodPost, tokenPath, form, "", refreshForm(tokens.ClientID, tokens.Refresh).Encode()},
			{"D-03: a refresh with what was never a token", http.MethodPost, tokenPath, form, "", refreshForm(tokens.ClientID, "x").Encode()},
			{"D-03: a code exchange", http.MethodPost, tokenPath, form, "", g.values().Encode()},
			{"D-03: a code exchange with Basic", http.MethodPost, tokenPath, form, basic(id, clientSecret), with(g.values(), "client_id", "").Encode()},
			{"E-12: a revocation of an access token", http.MethodPost, revokePath, form, "", "token=" + tokens.Access},
			{"E-12: a revocation of a refresh token", http.MethodPost, revokePath, form, "", "token=" + tokens.Refresh},
			{"E-12: a revocation with a client", http.MethodPost, revokePath, form, "", url.Values{"token": {tokens.Access}, "client_id": {tokens.ClientID}}.Encode()},
			{"F-02: an introspection by the homeserver", http.MethodPost, synapsePath, form, "Bearer " + harness.HomeserverSecret, "token=" + tokens.Access},
			{"F-01: an introspection by a client", http.MethodPost, introspectPath, form, basic(id, clientSecret), "token=" + tokens.Access},
			{"F-22: userinfo", http.MethodGet, userinfoPath, "", "Bearer " + tokens.Access, ""},
			{"B-03: a registration", http.MethodPost, registerPath, "application/json", "", harness.WebClient},
			{"G-30: a rendezvous", http.MethodPost, msc4108Path, "text/plain", "", "x"},
			{"G-30: a read of one", http.MethodGet, rendezvous, "", "", ""},
			{"G-31: a rendezvous of the other kind", http.MethodPost, msc4388Path, "application/json", "", `{"data":"x"}`},
			{"G-31: a write to one", http.MethodPut, msc4388Path + "/x/txn", "application/json", "", `{"sequence_token":"1","data":"x"}`},
			{"K-07: whoami", http.MethodGet, whoamiPath, "", "Bearer " + tokens.Access, ""},
			{"K-07: devices", http.MethodGet, "/_matrix/client/v3/devices", "", "Bearer " + tokens.Access, ""},
			{"K-07: a profile", http.MethodGet, "/_matrix/client/v3/profile/@alice:example.org", "", "", ""},
			{"K-07: a picture", http.MethodGet, "/_matrix/client/v1/media/download/example.org/x", "", "Bearer " + tokens.Access, ""},
			{"K-07: an upload", http.MethodPost, "/_matrix/media/v3/upload", "image/png", "Bearer " + tokens.Access, string(samplePNG(4, 4))},
			{"K-07: a logout", http.MethodPost, "/_matrix/client/v3/logout", "application/json", "Bearer " + tokens.Access, "{}"},
			{"K-07: a legacy login", http.MethodPost, "/_matrix/client/v3/login", "application/json", "", fmt.Sprintf(`{"type":"m.login.token","token":%q}`, loginToken)},
			{"K-07: a legacy refresh", http.MethodPost, "/_matrix/client/v3/refresh", "application/json", "", fmt.Sprintf(`{"refresh_token":%q}`, legacy.Refresh)},
		}
		for _, r := range requests {
			t.Run(r.name+" is to be tried again", func(t *testing.T) {
				header := map[string]string{"Content-Type": r.kind, "Origin": webOrigin}
				if r.credentials != "" {
					header["Authorization"] = r.credentials
				}
				a := e.For(t).Do(r.method, r.path, header, r.body)
				if strings.HasPrefix(r.path, "/_matrix/") {
					harness.ExpectMatrixError(t, a, http.StatusServiceUnavailable, "M_UNKNOWN")
				} else {
					harness.ExpectOAuthError(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
				}
				if a.JSON()["active"] != nil {
					t.Errorf("it says something about the token: %s", a.Body)
				}
				if r.path != synapsePath && r.path != introspectPath && !strings.HasPrefix(r.path, msc4108Path) {
					expectCORS(t, a)
				}
			})
		}
		for _, path := range append([]string{issuerPath, jwksPath}, metadataPaths...) {
			t.Run("A-08: "+path+" still answers", func(t *testing.T) { expectStatus(e.For(t), e.Get(path), http.StatusOK) })
		}
		t.Run("D-03: the server says that it lives and is not ready", func(t *testing.T) {
			expectStatus(e.For(t), e.Get("/livez"), http.StatusOK)
			expectStatus(e.For(t), e.Get("/readyz"), http.StatusServiceUnavailable)
		})
		t.Run("D-03: pages say so to people", func(t *testing.T) {
			page := e.For(t).NewBrowser().Authorize(e.NewRequest(tokens.ClientID, harness.ScopeStable+"PAGEDEVICE"))
			if page.StatusCode != http.StatusServiceUnavailable || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
				t.Errorf("status %d, %s", page.StatusCode, page.Header.Get("Content-Type"))
			}
		})
		t.Run("D-03: when the database is back, nothing has been lost", func(t *testing.T) {
			e := e.For(t)
			e.Restart()
			expectAlive(t, e, tokens.Access)
			expectAlive(t, e, e.MustRefresh(tokens.ClientID, tokens.Refresh).Access)
			expectAlive(t, e, legacy.Access)
			harness.ExpectJSON(t, e.Form(tokenPath, g.values()), http.StatusOK)
		})
	})
}
