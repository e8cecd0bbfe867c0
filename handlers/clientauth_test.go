package handlers_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

// confidential is the registration of a client with a secret.
func confidential(method string) string {
	return strings.Replace(harness.WebClient, `"token_endpoint_auth_method":"none"`, `"token_endpoint_auth_method":"`+method+`"`, 1)
}

func basic(id, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(password)))
}

func TestClientAuthentication(t *testing.T) {
	e := harness.Start(t)
	basicID, basicSecret := e.Register(confidential("client_secret_basic"))
	postID, postSecret := e.Register(confidential("client_secret_post"))
	publicID, _ := e.Register(harness.WebClient)
	tests := []struct {
		name       string
		client     string
		header     string
		parameters []string // of the form, beside the code's
		status     int
		code       string
	}{
		{"D-61: client_secret_basic", basicID, basic(basicID, basicSecret), []string{"client_id", ""}, 200, ""},
		{"D-61: client_secret_basic with the client_id in the form too", basicID, basic(basicID, basicSecret), nil, 200, ""},
		{"D-61: client_secret_post", postID, "", []string{"client_secret", postSecret}, 200, ""},
		{"D-60: none", publicID, "", nil, 200, ""},
		{"D-61 L-20: a wrong secret by Basic", basicID, basic(basicID, postSecret), nil, 401, "invalid_client"},
		{"D-61 L-20: a wrong secret in the form", postID, "", []string{"client_secret", basicSecret}, 401, "invalid_client"},
		{"D-61: an empty secret by Basic", basicID, basic(basicID, ""), nil, 401, "invalid_client"},
		{"D-61: no secret of a client with basic", basicID, "", nil, 401, "invalid_client"},
		{"D-61: no secret of a client with post", postID, "", nil, 401, "invalid_client"},
		{"D-61: basic of a client with post", postID, basic(postID, postSecret), nil, 401, "invalid_client"},
		{"D-61: post of a client with basic", basicID, "", []string{"client_secret", basicSecret}, 401, "invalid_client"},
		{"D-61: two methods in one request", basicID, basic(basicID, basicSecret), []string{"client_secret", basicSecret}, 400, "invalid_request"},
		{"D-61: two clients in one request", basicID, basic(basicID, basicSecret), []string{"client_id", publicID}, 400, "invalid_request"},
		{"D-61: a public client that sends a secret", publicID, "", []string{"client_secret", "x"}, 401, "invalid_client"},
		{"D-61: a public client that sends a secret by Basic", publicID, basic(publicID, "x"), nil, 401, "invalid_client"},
		{"D-60: a public client by Basic", publicID, basic(publicID, ""), nil, 401, "invalid_client"},
		{"D-61: an unknown client by Basic", publicID, basic("nobody", "x"), []string{"client_id", ""}, 401, "invalid_client"},
		{"D-61: Basic that is not base64", publicID, "Basic !", nil, 401, "invalid_client"},
		{"D-61: Basic without a colon", publicID, "Basic " + base64.StdEncoding.EncodeToString([]byte(publicID)), nil, 401, "invalid_client"},
		{"D-61: Basic with NUL", publicID, "Basic " + base64.StdEncoding.EncodeToString([]byte("\x00:x")), nil, 401, "invalid_client"},
		{"D-61: Basic with bytes that are no UTF-8", publicID, "Basic " + base64.StdEncoding.EncodeToString([]byte("\xff%ff:x")), nil, 401, "invalid_client"},
		{"D-61: an assertion of a client with basic", basicID, "", []string{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", "e30.e30."}, 401, "invalid_client"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			e.Clock.Advance(time.Second) // the limit on authorizations fills up again
			g := approved(e, tt.client, harness.ScopeStable+"CLIENTDEVICE"+string(rune('A'+i)))
			header := map[string]string{"Content-Type": form}
			if tt.header != "" {
				header["Authorization"] = tt.header
			}
			a := e.Do(http.MethodPost, tokenPath, header, with(g.values(), tt.parameters...).Encode())
			if tt.status == http.StatusOK {
				harness.ExpectJSON(t, a, http.StatusOK)
				expectAlive(t, e, a.Text("access_token"))
				return
			}
			harness.ExpectOAuthError(t, a, tt.status, tt.code)
			challenge := a.Header.Get("WWW-Authenticate")
			if want := tt.status == http.StatusUnauthorized && tt.header != ""; strings.HasPrefix(challenge, "Basic ") != want {
				t.Errorf("D-03: WWW-Authenticate is %q, and Basic was used: %v", challenge, tt.header != "")
			}
		})
	}
	t.Run("D-61: a refresh needs the secret as well", func(t *testing.T) {
		e := e.For(t)
		g := approved(e, postID, harness.ScopeStable+"POSTREFRESH")
		a := e.Form(tokenPath, with(g.values(), "client_secret", postSecret))
		values := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.Text("refresh_token")}, "client_id": {postID}}
		harness.ExpectOAuthError(t, e.Form(tokenPath, values), http.StatusUnauthorized, "invalid_client")
		harness.ExpectJSON(t, e.Form(tokenPath, with(values, "client_secret", postSecret)), http.StatusOK)
	})
}
