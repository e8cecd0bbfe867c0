package handlers

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/mux"
)

// document is a discovery document in which everything is served.
const document = `{"issuer":"https://auth.example.org/","token_endpoint":"https://auth.example.org/token","jwks_uri":"https://auth.example.org/jwks",
	"op_policy_uri":"https://www.example.com/privacy","scopes_supported":["openid"]}`

func TestAdvertisedIsChecked(t *testing.T) {
	nothing := func(http.ResponseWriter, *http.Request) {}
	routes := []route{{discoveryPath, oauthAPI, get(nothing)}, {"/token", oauthAPI, post(nothing)}, {"/jwks", oauthAPI, get(nothing)}}
	tests := []struct {
		name     string
		document string
		without  string // a route that is not there
		want     string // in the error; "" = there is none
	}{
		{"everything is served", document, "", ""},
		{"a route is missing", document, "/token", "token_endpoint: nothing answers POST https://auth.example.org/token"},
		{"the document itself has no route", document, discoveryPath, "issuer: nothing answers GET https://auth.example.org" + discoveryPath},
		{"a route has another method", strings.Replace(document, "jwks_uri", "end_session_endpoint", 1), "", "end_session_endpoint: nothing answers POST"},
		{"a URL is of another host", strings.Replace(document, "auth.example.org/jwks", "other.example.org/jwks", 1), "", "jwks_uri: https://other.example.org/jwks is not on https://auth.example.org"},
		{"a URL has another scheme", strings.Replace(document, "https://auth.example.org/jwks", "http://auth.example.org/jwks", 1), "", "jwks_uri: http://auth.example.org/jwks is not on"},
		{"a URL has another port", strings.Replace(document, "auth.example.org/jwks", "auth.example.org:8080/jwks", 1), "", "is not on https://auth.example.org"},
		{"a URL has a fragment", strings.Replace(document, "/jwks", "/jwks#keys", 1), "", "is not a plain URL"},
		{"a URL has a query", strings.Replace(document, "/jwks", "/jwks?a=b", 1), "", "is not a plain URL"},
		{"a URL is only a path", strings.Replace(document, "https://auth.example.org/jwks", "/jwks", 1), "", "is not a plain URL"},
		{"a URL is none", strings.Replace(document, "https://auth.example.org/jwks", "https://[::", 1), "", "is not a plain URL"},
		{"the document is none", "{", "", "read the discovery document"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mux.NewRouter().UseEncodedPath().SkipClean(true)
			m.NotFoundHandler = http.HandlerFunc(nothing)
			var there []route
			for _, r := range routes {
				if r.path != tt.without {
					there = append(there, r)
					m.Handle(r.path, http.HandlerFunc(nothing))
				}
			}
			err := checkAdvertised([]byte(tt.document), answering(m, there))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("the error is %v, want %q in it", err, tt.want)
			}
		})
	}
}
