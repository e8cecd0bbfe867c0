package handlers_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
)

// grant is a person's approval that a client can exchange for tokens.
type grant struct {
	harness.Request
	code string
}

// approved walks a request of a client to its code.
func approved(e *harness.Env, clientID, scope string) grant {
	e.T.Helper()
	r := e.NewRequest(clientID, scope)
	return grant{r, e.NewBrowser().Approve(r, "alice").Get("code")}
}

// values are the parameters of the exchange.
func (g grant) values() url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {g.code}, "redirect_uri": {g.Redirect}, "client_id": {g.ClientID}, "code_verifier": {g.Verifier}}
}

// with is a copy of a form in which some parameters are others; an empty one is
// left out.
func with(form url.Values, pairs ...string) url.Values {
	out := maps.Clone(form)
	for i := 0; i < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			out.Del(pairs[i])
		}
	}
	return out
}

func expectAlive(t *testing.T, e *harness.Env, access string) {
	t.Helper()
	if a := e.WhoAmI(access); a.Status != http.StatusOK {
		t.Errorf("the access token is refused: status %d: %s", a.Status, a.Body)
	}
}

// expectDead wants an access token to be refused so that its client logs out.
func expectDead(t *testing.T, e *harness.Env, access string) {
	t.Helper()
	a := e.WhoAmI(access)
	harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
	if soft, there := a.JSON()["soft_logout"]; there && soft != false {
		t.Errorf("soft_logout is %v", soft)
	}
}

func expectInvalidGrant(t *testing.T, a harness.Answer) {
	t.Helper()
	harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_grant")
}

func TestTokenMethods(t *testing.T) {
	e := harness.Start(t)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		t.Run("D-01: "+method+" is refused", func(t *testing.T) {
			a := e.For(t).Do(method, tokenPath+"?grant_type=authorization_code", nil, "")
			harness.ExpectOAuthError(t, a, http.StatusMethodNotAllowed, "invalid_request")
			if a.Header.Get("Allow") != http.MethodPost {
				t.Errorf("Allow is %q", a.Header.Get("Allow"))
			}
		})
	}
}

func TestTokenEnvelope(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	g := approved(e, id, harness.ScopeStable+"ENVELOPEDEV")
	body := g.values().Encode()
	tests := []struct {
		name, path, kind, body string
	}{
		{"D-01: parameters in the query are not parameters", tokenPath + "?" + body, form, ""},
		{"D-01: JSON is refused", tokenPath, "application/json", `{"grant_type":"authorization_code"}`},
		{"D-01: multipart is refused", tokenPath, "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\nauthorization_code\r\n--x--\r\n"},
		{"D-01: a body without a type is refused", tokenPath, "", body},
		{"D-01: a body of a nonsense type is refused", tokenPath, "application/x-www-form-urlencoded;;;", body},
		{"D-03: a form that cannot be parsed is refused", tokenPath, form, body + "&x=%zz"},
		{"D-03: invalid UTF-8 is refused", tokenPath, form, body + "&x=%ff%fe"},
		{"D-03: NUL is refused", tokenPath, form, strings.Replace(body, "client_id=", "client_id=%00", 1)},
		{"D-03: an empty form is refused", tokenPath, form, ""},
		{"D-03: an unknown parameter twice is refused", tokenPath, form, body + "&extra=1&extra=1"},
		{"D-03: 1 MB is refused", tokenPath, form, body + "&x=" + strings.Repeat("x", 1<<20)},
	}
	for _, name := range []string{"grant_type", "code", "redirect_uri", "client_id", "code_verifier"} {
		twice := body + "&" + name + "=" + url.QueryEscape(g.values().Get(name))
		tests = append(tests, struct{ name, path, kind, body string }{"D-03: " + name + " twice is refused", tokenPath, form, twice})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := e.For(t).Do(http.MethodPost, tt.path, map[string]string{"Content-Type": tt.kind}, tt.body)
			harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_request")
		})
	}
	t.Run("D-01: the query is ignored, a charset is allowed, and nothing above has used the code up", func(t *testing.T) {
		a := e.For(t).Do(http.MethodPost, tokenPath+"?grant_type=password&client_id=nobody&code=x", map[string]string{"Content-Type": form + "; charset=UTF-8"}, body+"&unknown=1&empty=")
		harness.ExpectJSON(t, a, http.StatusOK)
	})
}

func TestTokenErrors(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	g := approved(e, id, harness.ScopeStable+"ERRORDEVICE")
	tv, _ := e.Register(deviceOnly)
	tests := []struct {
		name   string
		values url.Values
		status int
		code   string
	}{
		{"D-03: no grant_type", with(g.values(), "grant_type", ""), 400, "invalid_request"},
		{"D-03: no code", with(g.values(), "code", ""), 400, "invalid_request"},
		{"D-60: no client_id", with(g.values(), "client_id", ""), 400, "invalid_request"},
		{"D-13: no redirect_uri", with(g.values(), "redirect_uri", ""), 400, "invalid_request"},
		{"D-13: another redirect_uri", with(g.values(), "redirect_uri", harness.WebRedirect+"/"), 400, "invalid_grant"},
		{"D-03: an unknown code", with(g.values(), "code", "kmc_"+secret.Token()), 400, "invalid_grant"},
		{"D-03: a malformed code", with(g.values(), "code", "x"), 400, "invalid_grant"},
		{"D-03: an unknown client", with(g.values(), "client_id", "nobody"), 401, "invalid_client"},
		{"D-03: an unknown grant", with(g.values(), "grant_type", "urn:example:grant"), 400, "unsupported_grant_type"},
		{"D-03: two grants in one", with(g.values(), "grant_type", "authorization_code refresh_token"), 400, "unsupported_grant_type"},
		{"D-03: a grant in another case", with(g.values(), "grant_type", "Authorization_Code"), 400, "unsupported_grant_type"},
		{"D-03: an exchange of tokens", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"x"}, "client_id": {id}}, 400, "unsupported_grant_type"},
		{"D-03: an unknown client at a refresh", refreshForm("nobody", "kmr_x"), 401, "invalid_client"},
		{"D-03: a client that is not registered for the code grant", with(g.values(), "client_id", tv), 400, "unauthorized_client"},
		{"D-42 L-16: the password grant", url.Values{"grant_type": {"password"}, "username": {"alice"}, "password": {"x"}, "client_id": {id}}, 400, "unsupported_grant_type"},
		{"D-41: client credentials of a public client", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}}, 400, "unauthorized_client"},
		{"D-40: a client that is not registered for the device grant", url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {"x"}, "client_id": {id}}, 400, "unauthorized_client"},
		{"D-03: no refresh_token", url.Values{"grant_type": {"refresh_token"}, "client_id": {id}}, 400, "invalid_request"},
		{"D-03: a malformed refresh_token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"kmr_x"}, "client_id": {id}}, 400, "invalid_grant"},
		{"D-03: a code as refresh token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.code}, "client_id": {id}}, 400, "invalid_grant"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := e.For(t).Form(tokenPath, tt.values)
			harness.ExpectOAuthError(t, a, tt.status, tt.code)
			for name, v := range tt.values {
				if name != "grant_type" && len(v[0]) > 10 && strings.Contains(string(a.Body), v[0]) {
					t.Errorf("D-04: the answer repeats the %s: %s", name, a.Body)
				}
			}
			if got := a.Header.Get("WWW-Authenticate"); got != "" {
				t.Errorf("D-03: WWW-Authenticate %q makes browsers ask for a password, and Basic was not used", got)
			}
		})
	}
}

func TestUnauthorizedClient(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(strings.Replace(harness.WebClient, `,"refresh_token"`, "", 1))
	g := approved(e, id, harness.ScopeStable+"ONLYCODE")
	t.Run("D-03: a client without the refresh grant gets no refresh token", func(t *testing.T) {
		a := e.For(t).Form(tokenPath, g.values())
		harness.ExpectJSON(t, a, http.StatusOK)
		if a.Text("refresh_token") != "" {
			t.Error("there is one")
		}
	})
	t.Run("D-03: and may not refresh", func(t *testing.T) {
		e := e.For(t)
		other := e.LogIn("bob", "BOBSDEVICE")
		harness.ExpectOAuthError(t, e.Refresh(id, other.Refresh), http.StatusBadRequest, "unauthorized_client")
		e.MustRefresh(other.ClientID, other.Refresh)
	})
}

func TestCodeExchange(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	tests := []struct {
		name, scope, want string
		device, idToken   bool
	}{
		{"D-10: a Matrix client", harness.ScopeStable + "AAABBBCCCDDD", harness.ScopeStable + "AAABBBCCCDDD", true, false},
		{"D-10: the unstable spelling is echoed", harness.ScopeUnstable + "AAABBBCCCEEE", harness.ScopeUnstable + "AAABBBCCCEEE", true, false},
		{"D-10: with openid", "openid " + harness.ScopeStable + "AAABBBCCCFFF", "openid " + harness.ScopeStable + "AAABBBCCCFFF", true, true},
		{"D-10: a plain relying party", "openid email", "openid email", false, true},
		{"D-10: what is not known is not granted, and the answer says so", "email urn:example:unknown", "email", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			a := e.Form(tokenPath, approved(e, id, tt.scope).values())
			harness.ExpectJSON(t, a, http.StatusOK)
			wantMembers := []string{"access_token", "expires_in", "refresh_token", "scope", "token_type"}
			if tt.idToken {
				wantMembers = append(wantMembers, "id_token")
			}
			if got := slices.Sorted(maps.Keys(a.JSON())); !slices.Equal(got, slices.Sorted(slices.Values(wantMembers))) {
				t.Errorf("members %v, want %v", got, wantMembers)
			}
			if !strings.EqualFold(a.Text("token_type"), "bearer") || a.Text("scope") != tt.want {
				t.Errorf("token_type %q, scope %q, want Bearer and %q", a.Text("token_type"), a.Text("scope"), tt.want)
			}
			if got := a.JSON()["expires_in"]; got != 300.0 {
				t.Errorf("D-27: expires_in is %v, want the number 300", got)
			}
			if tt.device {
				expectAlive(t, e, a.Text("access_token"))
			} else {
				expectDead(t, e, a.Text("access_token"))
			}
		})
	}
}

func TestDeviceOfAnExchange(t *testing.T) {
	e := harness.Start(t)
	name := strings.Repeat("Ä", 60) + strings.Repeat("b", 60)
	id, _ := e.Register(strings.Replace(harness.WebClient, "My App", name, 1))
	tokens := e.LogInWith(e.NewRequest(id, harness.ScopeStable+"AAABBBCCCDDD"), "alice")
	t.Run("D-11 K-12: whoami works at once, with the device", func(t *testing.T) {
		want := map[string]any{"user_id": "@alice:example.org", "device_id": "AAABBBCCCDDD", "is_guest": false}
		if a := e.For(t).WhoAmI(tokens.Access); a.Status != http.StatusOK || !maps.Equal(a.JSON(), want) {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
	t.Run("D-11 D-12: the device is there, named after the client in 100 characters", func(t *testing.T) {
		a := e.For(t).As(tokens.Access, http.MethodGet, "/_matrix/client/v3/devices/AAABBBCCCDDD", "")
		if want := string([]rune(name)[:100]); a.Status != http.StatusOK || a.Text("device_id") != "AAABBBCCCDDD" || a.Text("display_name") != want {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
}

func TestFailingExchange(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	tests := []struct{ name, write string }{
		{"D-11: while the device cannot be made there are no tokens, and the code stays good", "INSERT ON devices"},
		{"D-11: while the session cannot be kept there are no tokens, and the code stays good", "INSERT ON sessions"},
		{"D-11: while the tokens cannot be kept there are none, and the code stays good", "INSERT ON access_tokens"},
		{"D-11: while the code cannot be used up there are no tokens", "UPDATE ON authorization_codes"},
		{"D-11: while the audit log cannot be written there are no tokens", "INSERT ON audit_events"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			g := approved(e, id, harness.ScopeStable+"FAILDEVICE"+string(rune('A'+i)))
			repair := broken(e, tt.write)
			a := e.Form(tokenPath, g.values())
			repair()
			harness.ExpectOAuthError(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
			again := e.Form(tokenPath, g.values())
			harness.ExpectJSON(t, again, http.StatusOK)
			expectAlive(t, e, again.Text("access_token"))
		})
	}
	t.Run("D-03 D-15: while a wrong verifier cannot use the code up, nothing is said about it", func(t *testing.T) {
		e := e.For(t)
		g := approved(e, id, harness.ScopeStable+"VERIFIERFAIL")
		repair := broken(e, "UPDATE ON authorization_codes")
		a := e.Form(tokenPath, with(g.values(), "code_verifier", secret.Token()))
		repair()
		harness.ExpectOAuthError(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
	})
	t.Run("D-03 D-18: while a replay cannot end the session, nothing is said about it", func(t *testing.T) {
		e := e.For(t)
		g := approved(e, id, harness.ScopeStable+"REPLAYFAIL")
		first := e.Form(tokenPath, g.values())
		e.Clock.Advance(time.Second)
		repair := broken(e, "UPDATE ON sessions")
		a := e.Form(tokenPath, g.values())
		repair()
		harness.ExpectOAuthError(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
		expectAlive(t, e, first.Text("access_token"))
		expectInvalidGrant(t, e.Form(tokenPath, g.values()))
		expectDead(t, e, first.Text("access_token"))
	})
}

func TestTokenFormat(t *testing.T) {
	e := harness.Start(t)
	g := approved(e, e.LogIn("alice", "FORMATDEVICE").ClientID, harness.ScopeStable+"FORMATDEVICE2")
	var code, access string
	t.Run("D-70 D-72: codes and tokens have a prefix, 160 bits or more, and are no JWTs", func(t *testing.T) {
		e := e.For(t)
		code = approved(e, g.ClientID, harness.ScopeStable+"FORMATDEVICE3").code
		a := e.Form(tokenPath, g.values())
		access = a.Text("access_token")
		for prefix, token := range map[string]string{"kmc_": code, "kma_": access, "kmr_": a.Text("refresh_token")} {
			if !strings.HasPrefix(token, prefix) || len(token)-len(prefix) < 43 || strings.Contains(token, ".") {
				t.Errorf("%d characters, begins with %.4s, want %s", len(token), token, prefix)
			}
		}
	})
	t.Run("D-70: an access token with one character changed is refused", func(t *testing.T) {
		token := []byte("kma_" + strings.Repeat("x", 43))
		if access != "" {
			token = []byte(access)
		}
		token[20] ^= 1
		expectDead(t, e.For(t), string(token))
	})
	t.Run("D-72: a revocation holds at once, for nothing in a token says that it is good", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogIn("alice", "OPAQUE")
		expectAlive(t, e, tokens.Access)
		expectStatus(e, e.Form(revokePath, url.Values{"token": {tokens.Access}}), http.StatusOK)
		expectDead(t, e, tokens.Access)
		expectInvalidGrant(t, e.Refresh(tokens.ClientID, tokens.Refresh))
	})
}
