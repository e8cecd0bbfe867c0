package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

// expectRevoked wants the answer that tells nothing: 200 and an empty object.
func expectRevoked(t *testing.T, a harness.Answer) {
	t.Helper()
	harness.ExpectJSON(t, a, http.StatusOK)
	if strings.TrimSpace(string(a.Body)) != "{}" {
		t.Errorf("E-02: the body is %q", a.Body)
	}
}

// devices are the ids of a user's devices.
func devices(e *harness.Env, access string) []string {
	e.T.Helper()
	a := e.As(access, http.MethodGet, "/_matrix/client/v3/devices", "")
	expectStatus(e, a, http.StatusOK)
	list, _ := a.JSON()["devices"].([]any)
	ids := make([]string, 0, len(list))
	for _, d := range list {
		if d, ok := d.(map[string]any); ok {
			id, _ := d["device_id"].(string)
			ids = append(ids, id)
		}
	}
	return ids
}

func TestRevocation(t *testing.T) {
	tests := []struct {
		name   string
		values func(first, second harness.Tokens) url.Values
	}{
		{"E-01 E-02 E-04 E-05: an access token with hint and client", func(_, second harness.Tokens) url.Values {
			return url.Values{"token": {second.Access}, "token_type_hint": {"access_token"}, "client_id": {second.ClientID}}
		}},
		{"E-03 E-04 E-05: a refresh token with hint and client", func(_, second harness.Tokens) url.Values {
			return url.Values{"token": {second.Refresh}, "token_type_hint": {"refresh_token"}, "client_id": {second.ClientID}}
		}},
		{"E-03: an access token without hint", func(_, second harness.Tokens) url.Values {
			return url.Values{"token": {second.Access}, "client_id": {second.ClientID}}
		}},
		{"E-03: the access token of before the refresh", func(first, _ harness.Tokens) url.Values {
			return url.Values{"token": {first.Access}, "client_id": {first.ClientID}}
		}},
		{"E-03: the refresh token of before the refresh", func(first, _ harness.Tokens) url.Values {
			return url.Values{"token": {first.Refresh}, "client_id": {first.ClientID}}
		}},
		{"E-07: an access token without client", func(_, second harness.Tokens) url.Values { return url.Values{"token": {second.Access}} }},
		{"E-07: a refresh token without client", func(_, second harness.Tokens) url.Values { return url.Values{"token": {second.Refresh}} }},
		{"E-07: a token with an unknown client", func(_, second harness.Tokens) url.Values {
			return url.Values{"token": {second.Access}, "client_id": {"nobody"}}
		}},
		{"E-09: an access token with the hint of the other", func(_, second harness.Tokens) url.Values {
			return url.Values{"token": {second.Access}, "token_type_hint": {"refresh_token"}, "client_id": {second.ClientID}}
		}},
		{"E-09: a refresh token with the hint of the other", func(_, second harness.Tokens) url.Values {
			return url.Values{"token": {second.Refresh}, "token_type_hint": {"access_token"}, "client_id": {second.ClientID}}
		}},
		{"E-11: beside parameters without value", func(_, second harness.Tokens) url.Values {
			return url.Values{"token": {second.Access}, "token_type_hint": {""}, "client_id": {""}, "unknown": {"x"}}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name+" ends the session and its device", func(t *testing.T) {
			e := harness.Start(t)
			other := e.LogIn("alice", "OTHERDEVICE")
			first := e.LogIn("alice", "AAABBBCCCDDD")
			second := e.MustRefresh(first.ClientID, first.Refresh)

			expectRevoked(t, e.Form(revokePath, tt.values(first, second)))

			for _, access := range []string{first.Access, second.Access} {
				expectDead(t, e, access) // E-04
			}
			for _, refresh := range []string{first.Refresh, second.Refresh} {
				expectInvalidGrant(t, e.Refresh(first.ClientID, refresh))
			}
			if got := devices(e, other.Access); !slices.Equal(got, []string{"OTHERDEVICE"}) {
				t.Errorf("E-05: the devices are %v", got)
			}
			e.MustRefresh(other.ClientID, other.Refresh)
		})
	}
}

func TestRevocationByAnotherClient(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	other, _ := e.Register(strings.Replace(harness.WebClient, "My App", "Another", 1))
	t.Run("E-07: another public client's id still revokes", func(t *testing.T) {
		e := e.For(t)
		expectRevoked(t, e.Form(revokePath, url.Values{"token": {tokens.Access}, "client_id": {other}}))
		expectDead(t, e, tokens.Access)
	})
}

func TestRevocationOfNothing(t *testing.T) {
	e := harness.Start(t)
	revoked := e.LogIn("alice", "AAABBBCCCDDD")
	expectRevoked(t, e.Form(revokePath, url.Values{"token": {revoked.Access}}))
	pending, tv := approved(e, revoked.ClientID, harness.ScopeStable+"CODEDEVICE"), approvedDevice(e, "alice")
	tests := []struct{ name, token string }{
		{"E-06: an unknown token", "kma_unknown"},
		{"E-06: a malformed token", "\"\\ \u2028%s"},
		{"E-06: a very long token", strings.Repeat("x", 60_000)},
		{"E-06: an access token that was revoked", revoked.Access},
		{"E-06: a refresh token that was revoked", revoked.Refresh},
		{"E-06: an ID token", revoked.IDToken},
		{"E-06: a code", pending.code},
		{"E-06: a device code", tv.code},
		{"E-06: a user code", tv.userCode},
		{"E-06: the homeserver's secret", harness.HomeserverSecret},
	}
	for _, tt := range tests {
		for _, hint := range []string{"", "access_token", "refresh_token"} {
			t.Run(tt.name+" is answered like any other, hint "+hint, func(t *testing.T) {
				expectRevoked(t, e.For(t).Form(revokePath, with(url.Values{"token": {tt.token}}, "token_type_hint", hint)))
			})
		}
	}
	t.Run("E-06: the codes that were sent are still good", func(t *testing.T) {
		harness.ExpectJSON(t, e.For(t).Form(tokenPath, pending.values()), http.StatusOK)
		harness.ExpectJSON(t, tv.poll(e.For(t)), http.StatusOK)
	})
}

func TestRevocationOfAnExpiredToken(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	e.Clock.Advance(time.Hour)
	t.Run("E-03 E-06: an expired access token still ends its session", func(t *testing.T) {
		e := e.For(t)
		expectRevoked(t, e.Form(revokePath, url.Values{"token": {tokens.Access}, "client_id": {tokens.ClientID}}))
		expectInvalidGrant(t, e.Refresh(tokens.ClientID, tokens.Refresh))
	})
}

func TestRevocationOfConfidentialClients(t *testing.T) {
	e := harness.Start(t)
	id, clientSecret := e.Register(confidential("client_secret_post"))
	g := approved(e, id, harness.ScopeStable+"AAABBBCCCDDD")
	a := e.Form(tokenPath, with(g.values(), "client_secret", clientSecret))
	values := url.Values{"token": {a.Text("access_token")}, "client_id": {id}}
	basicID, basicSecret := e.Register(confidential("client_secret_basic"))
	tests := []struct {
		name, authorization string
		values              url.Values
		status              int
		code                string
	}{
		{"E-08: without its secret", "", values, 401, "invalid_client"},
		{"E-08: with a wrong secret", "", with(values, "client_secret", "x"), 401, "invalid_client"},
		{"E-08: by another method than its own", basic(id, clientSecret), with(values, "client_id", ""), 401, "invalid_client"},
		{"E-08: with a wrong secret by Basic", basic(basicID, clientSecret), with(values, "client_id", ""), 401, "invalid_client"},
		{"E-08: an unknown client by Basic", basic("nobody", "x"), with(values, "client_id", ""), 401, "invalid_client"},
		{"E-08: a public client with a secret", "", with(values, "client_id", e.LogIn("bob", "BOBSDEVICE").ClientID, "client_secret", "x"), 401, "invalid_client"},
		{"E-08: twice in one request", basic(basicID, basicSecret), with(values, "client_secret", clientSecret), 400, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" a confidential client revokes nothing", func(t *testing.T) {
			e := e.For(t)
			header := map[string]string{"Content-Type": form}
			if tt.authorization != "" {
				header["Authorization"] = tt.authorization
			}
			harness.ExpectOAuthError(t, e.Do(http.MethodPost, revokePath, header, tt.values.Encode()), tt.status, tt.code)
			expectAlive(t, e, a.Text("access_token"))
		})
	}
	t.Run("E-01: with its secret it does", func(t *testing.T) {
		e := e.For(t)
		expectRevoked(t, e.Form(revokePath, with(values, "client_secret", clientSecret)))
		expectDead(t, e, a.Text("access_token"))
	})
}

func TestRevocationEnvelope(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	tests := []struct {
		name, method, path, kind, body string
		status                         int
		code                           string
	}{
		{"E-11: no token", http.MethodPost, revokePath, form, "client_id=" + tokens.ClientID, 400, "invalid_request"},
		{"E-11: an empty token", http.MethodPost, revokePath, form, "token=", 400, "invalid_request"},
		{"E-11: two tokens", http.MethodPost, revokePath, form, "token=" + tokens.Access + "&token=x", 400, "invalid_request"},
		{"E-11: a token in the query", http.MethodPost, revokePath + "?token=" + tokens.Access, form, "", 400, "invalid_request"},
		{"E-10: an unknown hint", http.MethodPost, revokePath, form, "token=" + tokens.Access + "&token_type_hint=id_token", 400, "unsupported_token_type"},
		{"E-13: GET", http.MethodGet, revokePath + "?token=" + tokens.Access, "", "", 405, "invalid_request"},
		{"E-13: GET with a JSONP callback", http.MethodGet, revokePath + "?callback=f&token=" + tokens.Access, "", "", 405, "invalid_request"},
		{"E-13: JSON", http.MethodPost, revokePath, "application/json", `{"token":"` + tokens.Access + `"}`, 400, "invalid_request"},
		{"E-13: a form that cannot be parsed", http.MethodPost, revokePath, form, "token=%zz&token=" + tokens.Access, 400, "invalid_request"},
		{"E-13: NUL", http.MethodPost, revokePath, form, "token=" + tokens.Access + "%00", 400, "invalid_request"},
		{"E-13: what is not UTF-8", http.MethodPost, revokePath, form, "token=%ff", 400, "invalid_request"},
		{"E-13: 1 MB", http.MethodPost, revokePath, form, "token=" + tokens.Access + "&x=" + strings.Repeat("x", 1<<20), 400, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name+" is refused and revokes nothing", func(t *testing.T) {
			e := e.For(t)
			harness.ExpectOAuthError(t, e.Do(tt.method, tt.path, map[string]string{"Content-Type": tt.kind}, tt.body), tt.status, tt.code)
			expectAlive(t, e, tokens.Access)
		})
	}
}

func TestRevocationOfLegacyTokens(t *testing.T) {
	for _, kind := range []string{"access", "refresh"} {
		t.Run("E-14: the "+kind+" token of a legacy login ends its session", func(t *testing.T) {
			e := harness.Start(t)
			legacy := e.LogInLegacy("alice", "LEGACYDEVICE")
			token := legacy.Access
			if kind == "refresh" {
				token = legacy.Refresh
			}
			expectRevoked(t, e.Form(revokePath, url.Values{"token": {token}}))
			expectDead(t, e, legacy.Access)
			a := e.Do(http.MethodPost, "/_matrix/client/v3/refresh", map[string]string{"Content-Type": "application/json"}, `{"refresh_token":"`+legacy.Refresh+`"}`)
			harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		})
	}
}

func TestFailingRevocation(t *testing.T) {
	for _, write := range []string{"UPDATE ON sessions", "DELETE ON devices", "INSERT ON audit_events"} {
		t.Run("E-12: while it cannot be written ("+write+") it is not acknowledged", func(t *testing.T) {
			e := harness.Start(t)
			tokens := e.LogIn("alice", "AAABBBCCCDDD")
			repair := broken(e, write)
			a := e.Form(revokePath, url.Values{"token": {tokens.Access}})
			repair()
			harness.ExpectOAuthError(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
			expectAlive(t, e, tokens.Access)
			expectRevoked(t, e.Form(revokePath, url.Values{"token": {tokens.Access}}))
			expectDead(t, e, tokens.Access)
		})
	}
}
