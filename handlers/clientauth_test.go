package handlers_test

import (
	"encoding/base64"
	"fmt"
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
	const empty = "&client_secret=&client_assertion=&client_assertion_type="
	t.Run("D-60 D-61: parameters without value are no other method", func(t *testing.T) {
		e := e.For(t)
		values := approved(e, publicID, harness.ScopeStable+"EMPTYSECRET").values()
		harness.ExpectJSON(t, e.Do(http.MethodPost, tokenPath, map[string]string{"Content-Type": form}, values.Encode()+empty), http.StatusOK)
		values = approved(e, basicID, harness.ScopeStable+"EMPTYSECRET2").values()
		header := map[string]string{"Content-Type": form, "Authorization": basic(basicID, basicSecret)}
		harness.ExpectJSON(t, e.Do(http.MethodPost, tokenPath, header, values.Encode()+empty), http.StatusOK)
	})
	t.Run("D-61: a refresh needs the secret as well", func(t *testing.T) {
		e := e.For(t)
		g := approved(e, postID, harness.ScopeStable+"POSTREFRESH")
		a := e.Form(tokenPath, with(g.values(), "client_secret", postSecret))
		values := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.Text("refresh_token")}, "client_id": {postID}}
		harness.ExpectOAuthError(t, e.Form(tokenPath, values), http.StatusUnauthorized, "invalid_client")
		harness.ExpectJSON(t, e.Form(tokenPath, with(values, "client_secret", postSecret)), http.StatusOK)
	})
}

// TestClientAuthenticationElsewhere asks every other endpoint that
// authenticates clients for the method that the client registered, and no other.
func TestClientAuthenticationElsewhere(t *testing.T) {
	e := harness.Start(t, unlimited)
	of := func(method string) string {
		return metadataOf(t, map[string]any{"token_endpoint_auth_method": method, "grant_types": []string{"authorization_code", "refresh_token", deviceGrantType}})
	}
	basicID, basicSecret := e.Register(of("client_secret_basic"))
	postID, postSecret := e.Register(of("client_secret_post"))
	publicID, _ := e.Register(of("none"))
	endpoints := []struct {
		items, path string
		values      url.Values
		status      int
		twice       int // the status when the client authenticates twice
	}{
		{"D-61 A-03z", parPath, e.NewRequest(publicID, "openid").Values, 201, 400},
		{"D-61 G-01", deviceAuthorizationPath, url.Values{"scope": {"openid"}}, 200, 400},
		{"D-61 E-08", revokePath, url.Values{"token": {"x"}}, 200, 400},
		{"D-61 F-01", introspectPath, url.Values{"token": {"x"}}, 200, 401}, // which says no more to nobody
	}
	tests := []struct {
		name, header, id, secret string
		status                   int // 0 = that of the endpoint
	}{
		{"basic", basic(basicID, basicSecret), "", "", 0},
		{"post", "", postID, postSecret, 0},
		{"basic of a client with post", basic(postID, postSecret), "", "", 401},
		{"post of a client with basic", "", basicID, basicSecret, 401},
		{"a wrong secret by basic", basic(basicID, postSecret), "", "", 401},
		{"a wrong secret by post", "", postID, basicSecret, 401},
		{"no secret of a client with basic", "", basicID, "", 401},
		{"no secret of a client with post", "", postID, "", 401},
		{"a secret of a public client", "", publicID, "x", 401},
		{"both methods at once", basic(basicID, basicSecret), basicID, basicSecret, 400},
		{"two clients at once", basic(basicID, basicSecret), postID, "", 400},
	}
	for _, at := range endpoints {
		for _, tt := range tests {
			t.Run(at.items+": "+tt.name+" at "+at.path, func(t *testing.T) {
				header := map[string]string{"Content-Type": form}
				if tt.header != "" {
					header["Authorization"] = tt.header
				}
				a := e.For(t).Do(http.MethodPost, at.path, header, with(at.values, "client_id", tt.id, "client_secret", tt.secret).Encode())
				switch {
				case tt.status == 0:
					harness.ExpectJSON(t, a, at.status)
				case tt.status == http.StatusBadRequest && at.twice == http.StatusBadRequest:
					harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_request")
				default:
					harness.ExpectOAuthError(t, a, http.StatusUnauthorized, "invalid_client")
				}
			})
		}
	}
}

func TestBasicIsFormEncoded(t *testing.T) {
	const id, password = "https://intra.example.org:8443/wiki~1", `a+b%41c:d&e=/f?é "quoted" ` + "\t" + `and long enough`
	e := withClients(t, fmt.Sprintf("[[global.oidc_client]]\nclient_id = %q\nclient_secret = %q\n", id, password))
	ask := func(e *harness.Env, credentials string) harness.Answer {
		header := map[string]string{"Content-Type": form, "Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))}
		return e.Do(http.MethodPost, introspectPath, header, "token=x")
	}
	t.Run("D-61: id and secret of Basic are decoded as in a form", func(t *testing.T) {
		harness.ExpectJSON(t, ask(e.For(t), url.QueryEscape(id)+":"+url.QueryEscape(password)), http.StatusOK)
	})
	t.Run("D-61: a space may be %20 as well", func(t *testing.T) {
		harness.ExpectJSON(t, ask(e.For(t), url.QueryEscape(id)+":"+strings.ReplaceAll(url.QueryEscape(password), "+", "%20")), http.StatusOK)
	})
	for name, credentials := range map[string]string{
		"a secret that is not encoded": url.QueryEscape(id) + ":" + password, "one that is encoded twice": url.QueryEscape(id) + ":" + url.QueryEscape(url.QueryEscape(password)),
		"an escape that is none": url.QueryEscape(id) + ":%zz",
	} {
		t.Run("D-61: "+name+" is another one", func(t *testing.T) {
			harness.ExpectOAuthError(t, ask(e.For(t), credentials), http.StatusUnauthorized, "invalid_client")
		})
	}
}
