package upstream_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keymaker/internal/config"
	"keymaker/upstream"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRequestsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		})}
		p := upstream.New(config.IdentityProvider{ClientID: "id", IssuerURL: "https://idp.example", Discovery: true}, callbackURL, upstream.Options{HTTPClient: silent})
		began := time.Now()
		_, err := p.Endpoints(context.Background())
		wantError(t, err, upstream.ErrUnavailable)
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("it took %v", d)
		}
	})
}

func TestRedirectMayNotLeaveHTTPS(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("the redirect was followed")
		w.WriteHeader(http.StatusTeapot)
	}))
	defer plain.Close()
	safe := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer safe.Close()
	roots := x509.NewCertPool()
	roots.AddCert(safe.Certificate())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	p := upstream.New(config.IdentityProvider{ClientID: "id", IssuerURL: safe.URL, Discovery: true}, callbackURL, upstream.Options{HTTPClient: client})
	_, err := p.Endpoints(context.Background())
	wantError(t, err, upstream.ErrUnavailable)
	if !strings.Contains(err.Error(), "leaves https") {
		t.Errorf("error %v", err)
	}
}

func TestEndpointsOfAnHTTPSIssuerAreHTTPS(t *testing.T) {
	var document string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(document))
	}))
	defer server.Close()
	for endpoint, want := range map[string]bool{"https://idp.example/token": true, "http://idp.example/token": false} {
		document = `{"issuer":"` + server.URL + `","authorization_endpoint":"https://idp.example/a","jwks_uri":"https://idp.example/k","token_endpoint":"` + endpoint + `"}`
		p := upstream.New(config.IdentityProvider{ClientID: "id", IssuerURL: server.URL, Discovery: true}, callbackURL, upstream.Options{HTTPClient: server.Client()})
		if _, err := p.Endpoints(context.Background()); (err == nil) != want {
			t.Errorf("%s: error %v", endpoint, err)
		}
	}
}
