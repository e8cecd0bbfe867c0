package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"keymaker/internal/harness"
	"keymaker/internal/server"
	"keymaker/store"
	"keymaker/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// The two warnings of the prerequisites, exactly.
const (
	needsWellKnown = "OIDC server (Next-gen auth) requires `well_known.client` to be configured to serve your `identity_provider`."
	needsProvider  = "No identity provider is configured: the OIDC server (Next-gen auth) does not start. Add an `[[global.identity_provider]]`."
)

// warnings are what the log says at the level of a warning.
func warnings(t *testing.T, log string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(log) {
		var entry struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("the log has %q: %v", line, err)
		}
		if entry.Level == "WARN" {
			out = append(out, entry.Msg)
		}
	}
	return out
}

func expectWarnings(t *testing.T, e *harness.Env, want ...string) {
	t.Helper()
	got := warnings(t, e.Log.String())
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("the warnings are %q, want %q", got, want)
	}
}

// oauthPaths are what only the OAuth server has.
var oauthPaths = []string{
	"/_tuwunel/oidc/authorize", "/_tuwunel/oidc/token", "/_tuwunel/oidc/registration", "/_tuwunel/oidc/revoke", "/_tuwunel/oidc/introspect",
	"/_tuwunel/oidc/jwks", "/_tuwunel/oidc/userinfo", "/_tuwunel/oidc/_complete", "/oauth2/introspect",
}

// expectNoOAuth wants a server without the OAuth half.
func expectNoOAuth(t *testing.T, e *harness.Env) {
	t.Helper()
	for _, path := range []string{
		"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/_matrix/client/v1/auth_metadata", "/_matrix/client/v1/auth_issuer",
		"/_matrix/client/unstable/org.matrix.msc2965/auth_metadata", "/_matrix/client/unstable/org.matrix.msc2965/auth_issuer",
	} {
		t.Run("A-02: "+path+" is unrecognized", func(t *testing.T) {
			harness.ExpectMatrixError(t, e.For(t).Get(path), http.StatusNotFound, "M_UNRECOGNIZED")
		})
	}
	for _, path := range oauthPaths {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run("A-02: there is no "+method+" "+path, func(t *testing.T) {
				if a := e.For(t).Do(method, path, nil, ""); a.Status != http.StatusNotFound {
					t.Errorf("status %d", a.Status)
				}
			})
		}
	}
	t.Run("A-14: versions promises no OAuth", func(t *testing.T) {
		if a := e.For(t).Get("/_matrix/client/versions"); strings.Contains(string(a.Body), "true") {
			t.Errorf("the answer is %s", a.Body)
		}
	})
}

const callback = "/_matrix/client/unstable/login/sso/callback/keymaker"

func TestWithBothPrerequisites(t *testing.T) {
	e := harness.Start(t)
	t.Run("A-02: with a provider and well_known.client there is nothing to warn of, and everything is there", func(t *testing.T) {
		e := e.For(t)
		expectWarnings(t, e)
		e.LogIn("alice", "BOTH")
		e.LogInLegacy("alice", "LEGACY")
	})
}

func TestWithoutWellKnown(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) {
		o.NoWellKnown = true
		o.Provider = `callback_url = "{URL}` + callback + `"`
	})
	t.Run("A-02: a provider without well_known.client: the warning, word for word", func(t *testing.T) {
		expectWarnings(t, e.For(t), needsWellKnown)
	})
	expectNoOAuth(t, e)
	t.Run("A-13: there is no client well-known without the address to put into it", func(t *testing.T) {
		harness.ExpectMatrixError(t, e.For(t).Get("/.well-known/matrix/client"), http.StatusNotFound, "M_UNRECOGNIZED")
	})
	t.Run("I-0F: the legacy login works, by the provider's callback_url", func(t *testing.T) {
		e := e.For(t)
		tokens := e.LogInLegacy("alice", "LEGACY")
		if who := e.WhoAmI(tokens.Access); who.Text("user_id") != "@alice:example.org" || who.Text("device_id") != "LEGACY" {
			t.Fatalf("whoami: %d %s", who.Status, who.Body)
		}
		a := e.Do(http.MethodPost, "/_matrix/client/v3/refresh", nil, `{"refresh_token":"`+tokens.Refresh+`"}`)
		harness.ExpectJSON(t, a, http.StatusOK)
		harness.ExpectJSON(t, e.As(a.Text("access_token"), http.MethodPost, "/_matrix/client/v3/logout", ""), http.StatusOK)
		harness.ExpectMatrixError(t, e.WhoAmI(a.Text("access_token")), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
	})
}

func TestWithoutProvider(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.NoProvider = true })
	t.Run("A-02: well_known.client without a provider: a warning", func(t *testing.T) {
		expectWarnings(t, e.For(t), needsProvider)
	})
	expectNoOAuth(t, e)
	t.Run("I-03: there is no legacy login either", func(t *testing.T) {
		harness.ExpectMatrixError(t, e.For(t).Get("/_matrix/client/v3/login"), http.StatusNotFound, "M_UNRECOGNIZED")
	})
	t.Run("A-13: the client well-known names the homeserver alone", func(t *testing.T) {
		a := e.For(t).Get("/.well-known/matrix/client")
		if _, there := a.JSON()["org.matrix.msc2965.authentication"]; there || a.Status != http.StatusOK {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
}

func TestProviderThatCannotReturn(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.NoWellKnown = true })
	t.Run("I-02: a provider with neither callback_url nor well_known.client is warned of by name", func(t *testing.T) {
		got := warnings(t, e.Log.String())
		if len(got) != 2 || got[0] != needsWellKnown || !strings.Contains(got[1], "keymaker") || !strings.Contains(got[1], "`callback_url`") {
			t.Errorf("the warnings are %q", got)
		}
	})
	t.Run("I-02: and listed all the same", func(t *testing.T) {
		if a := e.For(t).Get("/_matrix/client/v3/login"); !strings.Contains(string(a.Body), `"id":"keymaker"`) {
			t.Errorf("the flows are %s", a.Body)
		}
	})
	for _, path := range []string{"", "/keymaker"} {
		t.Run("I-04: its redirect"+path+" shows a page that names the settings", func(t *testing.T) {
			e := e.For(t)
			p := e.NewBrowser().Visit("/_matrix/client/v3/login/sso/redirect" + path + "?" + url.Values{"redirectUrl": {harness.LegacyRedirect}}.Encode())
			if p.StatusCode != http.StatusInternalServerError || !strings.Contains(p.Text(), "the setting callback_url of this identity provider, or well_known.client, is missing") {
				t.Errorf("status %d: %s", p.StatusCode, p.Text())
			}
		})
	}
}

func TestOneServerOnASQLiteFile(t *testing.T) {
	e := harness.Start(t)
	other, err := e.Reopen()
	if err == nil {
		t.Fatalf("L-27: a second server started: %v", errors.Join(other.Close()))
	}
	file := strings.TrimPrefix(e.Database, "sqlite:")
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "another server is running on this database") || !strings.Contains(err.Error(), file) {
		t.Errorf("L-27: the second server is refused with %q", err)
	}
	e.LogIn("alice", "STILLHERE")
}

// jwks is the key set of a server that does not listen.
func jwks(t *testing.T, s *server.Server) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_tuwunel/oidc/jwks", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("key set: status %d", w.Code)
	}
	return w.Body.String()
}

func TestServersOnOneDatabase(t *testing.T) {
	for _, d := range storetest.Databases() {
		if d.Name != "postgres" {
			continue // SQLite takes one
		}
		e := harness.Start(t, func(o *harness.Options) {
			o.DatabaseURL, o.SecretFile = d.URL(t), storetest.SecretFile(t)
		})
		fresh := &harness.Env{T: t, Clock: e.Clock, Log: e.Log, Config: strings.ReplaceAll(e.Config, e.Database, d.URL(t))}
		const servers = 4
		sets := make([]string, servers)
		var done sync.WaitGroup
		for i := range sets {
			done.Go(func() {
				s, err := fresh.Reopen()
				if err != nil {
					t.Errorf("F-33: a server that starts with others: %v", err)
					return
				}
				sets[i] = jwks(t, s)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
		t.Run("F-33: servers that start at once on an empty database end with one key", func(t *testing.T) {
			for _, set := range sets {
				if set != sets[0] || !strings.Contains(set, `"ES256"`) {
					t.Errorf("the key sets are %q", sets)
				}
			}
		})
		t.Run("F-33: what one server issued, the other knows", func(t *testing.T) {
			tokens := e.For(t).LogIn("alice", "SHARED")
			second, err := e.Reopen()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = second.Close() }()
			r := httptest.NewRequest(http.MethodGet, "/_matrix/client/v3/account/whoami", nil)
			r.Header.Set("Authorization", "Bearer "+tokens.Access)
			w := httptest.NewRecorder()
			second.ServeHTTP(w, r)
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"SHARED"`) {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		})
		t.Run("F-33: a server with another secret file does not start, and says which file is wrong", func(t *testing.T) {
			expectWrongSecret(t, e, storetest.SecretFile(t))
		})
	}
}

// expectWrongSecret wants a server that cannot read the database's secrets with
// a file to say so.
func expectWrongSecret(t *testing.T, e *harness.Env, file string) {
	t.Helper()
	wrong := *e
	var lines []string
	for line := range strings.Lines(e.Config) {
		if !strings.HasPrefix(line, "secret_file") {
			lines = append(lines, line)
		}
	}
	wrong.Config = strings.Replace(strings.Join(lines, ""), "[global]\n", fmt.Sprintf("[global]\nsecret_file = %q\n", file), 1)
	s, err := wrong.Reopen()
	if err == nil {
		t.Fatalf("it started: %v", errors.Join(s.Close()))
	}
	if !strings.Contains(err.Error(), "secret_file") || !strings.Contains(err.Error(), file) {
		t.Errorf("it is refused with %q", err)
	}
}

func TestSecretFile(t *testing.T) {
	e := harness.Start(t)
	own := strings.TrimSuffix(strings.TrimPrefix(e.Database, "sqlite:"), ".db") + ".secret"
	t.Run("L-18: it is made beside the SQLite file, for its owner alone", func(t *testing.T) {
		info, err := os.Stat(own)
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 32 {
			t.Errorf("%v, %v", info, err)
		}
	})
	if err := e.Server.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("L-18: a server with another one does not start, and says which file is wrong", func(t *testing.T) {
		expectWrongSecret(t, e, storetest.SecretFile(t))
	})
	t.Run("L-18: nor with a file that is too short", func(t *testing.T) {
		short := filepath.Join(t.TempDir(), "short")
		if err := os.WriteFile(short, []byte("31 bytes are too short for a key"[:31]), 0o600); err != nil {
			t.Fatal(err)
		}
		expectWrongSecret(t, e, short)
	})
	e.Restart() // it closes what is closed, and goes on with the right file
	e.LogIn("alice", "AGAIN")
}
