package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/certtest"
	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/doctor"
	"keymaker/internal/probe"
	"keymaker/internal/secret"
)

const issuer = "https://example.com"

// shared is what both sides show each other.
const shared = "the_shared_secret"

// world is everything that a doctor looks at. It is healthy until a test breaks
// something.
type world struct {
	options                   doctor.Options
	config                    *config.Config
	public, synapse, provider routes
	db                        database
	network                   network
	t                         *testing.T
}

// routes answer by method and path.
type routes map[string]http.HandlerFunc

func (r routes) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if h := r[req.Method+" "+req.URL.Path]; h != nil {
		h(w, req)
		return
	}
	matrix(http.StatusNotFound, "M_UNRECOGNIZED")(w, req)
}

func object(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

func matrix(status int, code string) http.HandlerFunc {
	return object(status, fmt.Sprintf(`{"errcode":%q,"error":"x"}`, code))
}

// without leaves out a header.
func without(header string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		h(answer, r)
		for name, values := range answer.Header() {
			if name != header {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}
}

// database is one that can be broken.
type database struct {
	open, ping, write, keys error
	count                   int
}

func (d *database) Ping(context.Context) error                    { return d.ping }
func (d *database) Writable(context.Context) error                { return d.write }
func (d *database) CountSigningKeys(context.Context) (int, error) { return d.count, d.keys }
func (d *database) Close() error                                  { return nil }

func newWorld(t *testing.T) *world {
	t.Helper()
	said := object(200, `{"issuer":"`+issuer+`"}`)
	w := &world{
		t:  t,
		db: database{count: 2},
		public: routes{
			"GET /.well-known/openid-configuration": said, "GET /.well-known/oauth-authorization-server": said, "GET /_matrix/client/v1/auth_metadata": said,
			"GET /.well-known/matrix/client":            object(200, `{"m.homeserver":{"base_url":"`+issuer+`/"}}`),
			"OPTIONS /.well-known/openid-configuration": object(204, ""), "OPTIONS /_tuwunel/oidc/registration": object(204, ""),
			"GET /_matrix/client/v3/login":    object(200, `{"flows":[]}`),
			"POST /_matrix/client/v3/logout":  matrix(401, "M_MISSING_TOKEN"),
			"POST /_matrix/client/v3/refresh": matrix(400, "M_BAD_JSON"),
			"GET /_matrix/client/versions":    object(200, `{"versions":["v1.11"]}`),
		},
		synapse: routes{
			"GET /_matrix/client/v3/account/whoami": matrix(401, "M_UNKNOWN_TOKEN"),
			"GET /_matrix/client/v1/auth_metadata":  said,
			"GET /_matrix/client/versions":          object(200, `{"versions":["v1.11"]}`),
			"GET /_synapse/mas/is_localpart_available": func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer "+shared {
					matrix(403, "M_FORBIDDEN")(w, r)
					return
				}
				matrix(400, "M_MISSING_PARAM")(w, r)
			},
		},
	}
	public := httptest.NewTLSServer(w.public)
	synapse := httptest.NewServer(w.synapse)
	provider := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.provider.ServeHTTP(rw, r) }))
	for _, s := range []*httptest.Server{public, synapse, provider} {
		t.Cleanup(s.Close)
	}
	u := provider.URL
	w.provider = routes{
		"GET /": object(200, "{}"),
		"GET /.well-known/openid-configuration": object(200, fmt.Sprintf(
			`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q,"token_endpoint_auth_methods_supported":["client_secret_basic"]}`, u, u+"/authorize", u+"/token", u+"/keys")),
		"GET /keys":   object(200, `{"keys":[{"kty":"RSA"}]}`),
		"POST /token": object(400, `{"error":"invalid_grant"}`),
	}
	folder := t.TempDir()
	host, port := w.network.listen(t, filepath.Join(folder, "keymaker.secret"))
	w.public["POST "+probe.Path] = w.network.throughProxy
	w.config = &config.Config{
		Address: []string{host}, Port: port,
		ServerName: "example.com", WellKnown: config.WellKnown{Client: issuer}, SecretFile: filepath.Join(folder, "keymaker.secret"),
		Database:          config.Database{URL: secret.Text("sqlite:" + filepath.Join(folder, "keymaker.db"))},
		Homeserver:        config.Homeserver{Kind: config.HomeserverSynapse, Endpoint: synapse.URL, Secret: shared},
		TrustedProxies:    networks("127.0.0.0/8"),
		IdentityProviders: []config.IdentityProvider{{Brand: "keycloak", ClientID: "keymaker", ClientSecret: "client_secret", IssuerURL: u, Discovery: true, Scope: []string{"openid"}}},
	}
	if err := os.WriteFile(w.config.SecretFile, secret.Bytes(secret.KeySize), 0o600); err != nil {
		t.Fatal(err)
	}
	w.options = doctor.Options{
		// It stands still: what is measured does not depend on how long a test takes.
		Clock:  clock.NewManual(time.Now().Truncate(time.Second)),
		Config: w.config, HTTPClient: public.Client(),
		Open:       func(context.Context) (doctor.Database, error) { return &w.db, w.db.open },
		LookupHost: func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil },
		Free:       func(string) (uint64, error) { return 10 << 30, nil },
	}
	return w
}

func (w *world) examine(t *testing.T) []doctor.Result {
	t.Helper()
	return doctor.New(w.options).Examine(t.Context())
}

func TestEverythingIsGoodWhereNothingIsBroken(t *testing.T) {
	results := newWorld(t).examine(t)
	for _, r := range results {
		if r.State != doctor.OK || r.Did == "" || r.Saw == "" || r.Change != "" {
			t.Errorf("%+v", r)
		}
	}
	if !doctor.Healthy(results) || len(results) < 20 {
		t.Errorf("%d results", len(results))
	}
}

func TestEachCheckFindsWhatItLooksFor(t *testing.T) {
	other := object(200, `{"issuer":"https://other.example"}`)
	gone := matrix(404, "M_UNRECOGNIZED")
	tests := []struct {
		name  string
		spoil func(*world)
		// finds are the checks that have failed, and says is in what they say.
		finds, says string
	}{
		{"a database that cannot be opened", func(w *world) { w.db.open = errors.New("no such file") }, "database.open", "no such file"},
		{"a database that does not answer", func(w *world) { w.db.ping = errors.New("timeout") }, "database.open", "timeout"},
		{"a database that takes no change", func(w *world) { w.db.write = errors.New("read-only") }, "database.write", "read-only"},
		{"keys that another file has sealed", func(w *world) { w.db.keys = errors.New("sealed") }, "keys.signing", "global.secret_file"},
		{"a secret file that is missing", func(w *world) { _ = os.Remove(w.config.SecretFile) }, "keys.secret", "no such file"},
		{"a full disk", func(w *world) { w.options.Free = func(string) (uint64, error) { return 5 << 20, nil } }, "disk.space", "5 MiB"},
		{"a proxy that is everybody", func(w *world) { w.config.TrustedProxies = networks("127.0.0.0/8", "::/0") }, "proxy.trusted", "::/0 is everybody"},
		{"a name without an address", func(w *world) {
			w.options.LookupHost = func(context.Context, string) ([]string, error) { return nil, errors.New("NXDOMAIN") }
		}, "issuer.dns", "no address"},
		{"a certificate that nobody knows", func(w *world) { w.options.HTTPClient = stranger(w.options.HTTPClient) }, "issuer.tls", "unknown authority: Give the reverse proxy the whole chain"},
		{"a certificate that has ended", func(w *world) { w.certify(time.Now().Add(-time.Hour), "example.com") }, "issuer.tls", "Renew the certificate"},
		{"a certificate for another name", func(w *world) { w.certify(time.Now().AddDate(0, 1, 0), "example.org") }, "issuer.tls", "a certificate for this name"},
		{"another issuer in the discovery", func(w *world) { w.public["GET /.well-known/openid-configuration"] = other }, "issuer.same", "https://other.example"},
		{"another issuer for OAuth clients", func(w *world) { w.public["GET /.well-known/oauth-authorization-server"] = other }, "issuer.same", "https://other.example"},
		{"another issuer for Matrix clients", func(w *world) { w.public["GET /_matrix/client/v1/auth_metadata"] = other }, "issuer.same", "https://other.example"},
		{"an issuer with another slash", func(w *world) {
			w.public["GET /.well-known/openid-configuration"] = object(200, `{"issuer":"`+issuer+`/"}`)
		}, "issuer.same", issuer + "/"},
		{"a discovery that is not there", func(w *world) { w.public["GET /.well-known/openid-configuration"] = gone }, "issuer.same", "404"},
		{"a homeserver that is not found", func(w *world) { w.public["GET /.well-known/matrix/client"] = gone }, "client.wellknown", "404"},
		{"another homeserver", func(w *world) {
			w.public["GET /.well-known/matrix/client"] = object(200, `{"m.homeserver":{"base_url":"https://old.example"}}`)
		}, "client.wellknown", "https://old.example"},
		{"a homeserver that pages cannot read", func(w *world) {
			w.public["GET /.well-known/matrix/client"] = without("Access-Control-Allow-Origin", w.public["GET /.well-known/matrix/client"])
		}, "client.wellknown", "Access-Control-Allow-Origin"},
		{"a proxy that removes CORS", func(w *world) {
			w.public["OPTIONS /_tuwunel/oidc/registration"] = without("Access-Control-Allow-Origin", object(204, ""))
		}, "client.cors", "0 headers"},
		{"a proxy that adds CORS", func(w *world) {
			w.public["OPTIONS /.well-known/openid-configuration"] = func(rw http.ResponseWriter, r *http.Request) {
				rw.Header().Add("Access-Control-Allow-Origin", "*")
				rw.Header().Add("Access-Control-Allow-Origin", "*")
			}
		}, "client.cors", "2 headers"},
		{"a login that goes to Synapse", func(w *world) { w.public["GET /_matrix/client/v3/login"] = gone }, "route.login", "M_UNRECOGNIZED"},
		{"a logout that goes to Synapse", func(w *world) { w.public["POST /_matrix/client/v3/logout"] = gone }, "route.logout", "M_UNRECOGNIZED"},
		{"a refresh that goes nowhere", func(w *world) { w.public["POST /_matrix/client/v3/refresh"] = object(502, "") }, "route.refresh", "502"},
		{"a rest that does not go to Synapse", func(w *world) { w.public["GET /_matrix/client/versions"] = gone }, "route.rest", "404"},
		{"another secret here", func(w *world) { w.config.Homeserver.Secret = "another" }, "secret.to_homeserver", "the same value"},
		{"a Synapse that does not delegate", func(w *world) { w.synapse["GET /_synapse/mas/is_localpart_available"] = gone }, "secret.to_homeserver", "Enable matrix_authentication_service"},
		{"another secret there", func(w *world) {
			w.synapse["GET /_matrix/client/v3/account/whoami"] = matrix(503, "M_UNKNOWN")
		}, "secret.from_homeserver", "Failed to introspect token"},
		{"a Synapse that asks nobody", func(w *world) { w.synapse["GET /_matrix/client/v3/account/whoami"] = matrix(200, "") }, "secret.from_homeserver", "200 OK"},
		{"a Synapse that asks another server", func(w *world) { w.synapse["GET /_matrix/client/v1/auth_metadata"] = other }, "homeserver.issuer", "https://other.example"},
		{"a Synapse whose clock is wrong", func(w *world) { w.synapse["GET /_matrix/client/versions"] = w.late(time.Hour) }, "clock", "1h0m"},
		{"a provider whose clock is wrong", func(w *world) { w.provider["GET /"] = w.late(-2 * time.Minute) }, "clock", "2m0"},
		{"a provider that is not there", func(w *world) { w.provider["GET /.well-known/openid-configuration"] = gone }, "provider.discovery", "404"},
		{"a provider with another issuer", func(w *world) { w.provider["GET /.well-known/openid-configuration"] = other }, "provider.discovery", "https://other.example"},
		{"a provider without keys", func(w *world) { w.provider["GET /keys"] = object(200, `{"keys":[]}`) }, "provider.keys", "without a key"},
		{"a client secret that the provider does not know", func(w *world) { w.provider["POST /token"] = object(401, `{"error":"invalid_client"}`) }, "provider.client", "invalid_client"},
		{"a provider that takes any code", func(w *world) {
			w.provider["POST /token"] = object(200, `{"access_token":"x","token_type":"Bearer","id_token":"x"}`)
		}, "provider.client", "provider"},
		{"no provider", func(w *world) { w.config.IdentityProviders = nil }, "provider", "nobody can sign in"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.spoil(w)
			w.fails(t, tt.finds, tt.says)
		})
	}
}

// fails wants the doctor to find one thing wrong, and to say what.
func (w *world) fails(t *testing.T, finds, says string) {
	t.Helper()
	results := w.examine(t)
	var failed []string
	text := ""
	for _, r := range results {
		if r.State != doctor.Failed {
			continue
		}
		failed = append(failed, r.Check)
		text += r.Did + ": " + r.Saw + ": " + r.Change + "\n"
		if r.Change == "" {
			t.Errorf("nothing says what to change: %+v", r)
		}
	}
	if !slices.Equal(failed, []string{finds}) || !strings.Contains(text, says) {
		t.Errorf("failed are %v:\n%s", failed, text)
	}
	if doctor.Healthy(results) {
		t.Error("it is healthy")
	}
	if strings.Contains(text, shared) || strings.Contains(text, "client_secret\n") {
		t.Errorf("a secret is in it:\n%s", text)
	}
}

// late is an answer whose clock is that far ahead of the doctor's.
func (w *world) late(by time.Duration) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Date", w.options.Clock.Now().Add(by).UTC().Format(http.TimeFormat))
		object(200, `{"versions":["v1.11"]}`)(rw, r)
	}
}

// stranger is a client that knows no authority.
func stranger(c *http.Client) *http.Client {
	transport, _ := c.Transport.(*http.Transport)
	transport = transport.Clone()
	transport.TLSClientConfig.RootCAs = nil
	return &http.Client{Transport: transport}
}

// certify gives the public address another certificate, by an authority that the
// doctor knows.
func (w *world) certify(ends time.Time, host string) {
	authority := certtest.New(w.t)
	s := httptest.NewUnstartedServer(w.public)
	s.TLS = authority.Server(ends, host)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	w.t.Cleanup(s.Close)
	w.options.HTTPClient = s.Client()
	transport, _ := s.Client().Transport.(*http.Transport)
	transport.TLSClientConfig.RootCAs = authority.Pool()
}

func TestWarningsFailNothing(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*testing.T, *world)
		finds string
	}{
		{"little space", func(_ *testing.T, w *world) {
			w.options.Free = func(string) (uint64, error) { return 500 << 20, nil }
		}, "disk.space"},
		{"a secret file that others read", func(t *testing.T, w *world) {
			if err := os.Chmod(w.config.SecretFile, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "keys.secret"},
		{"no keys yet", func(_ *testing.T, w *world) { w.db.count = 0 }, "keys.signing"},
		{"a certificate that soon ends", func(_ *testing.T, w *world) { w.options.Clock = soon{} }, "issuer.tls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.spoil(t, w)
			found := false
			for _, r := range w.examine(t) {
				found = found || r.Check == tt.finds && r.State == doctor.Warning && r.Change != ""
			}
			if !found {
				t.Errorf("%s does not warn", tt.finds)
			}
		})
	}
}

// soon is a clock shortly before the certificate of the tests ends.
type soon struct{}

func (soon) Now() time.Time { return time.Date(2084, 1, 20, 0, 0, 0, 0, time.UTC) }

func TestWhatIsNotConfiguredIsSkipped(t *testing.T) {
	w := newWorld(t)
	w.config.Homeserver = config.Homeserver{Kind: config.HomeserverEmbedded}
	w.config.Database.URL = "postgres://localhost/x"
	skipped := map[string]bool{}
	for _, r := range w.examine(t) {
		if r.State == doctor.Skipped {
			skipped[r.Check] = true
		} else if r.State != doctor.OK {
			t.Errorf("%+v", r)
		}
	}
	for _, check := range []string{"disk.space", "secret.to_homeserver", "secret.from_homeserver", "homeserver.issuer"} {
		if !skipped[check] {
			t.Errorf("%s is not skipped", check)
		}
	}
}
