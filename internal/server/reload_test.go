package server_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/config"
	"keymaker/internal/harness"
	"keymaker/internal/server"
	"keymaker/store"
)

// change has the server read its configuration with some lines more in [global].
func change(e *harness.Env, before, lines string) error {
	e.Config = strings.Replace(before, "server_name = ", lines+"\nserver_name = ", 1)
	return e.Server.Reload(e.T.Context())
}

const wiki = "\n[[global.oidc_client]]\nclient_id = \"wiki\"\ntoken_endpoint_auth_method = \"client_secret_post\"\nclient_secret = \"0123456789abcdef0123456789abcdef0123456789abcdef\"\n"

// asWiki introspects as a client of the configuration.
func asWiki(e *harness.Env, token string) harness.Answer {
	return e.Form("/_tuwunel/oidc/introspect", url.Values{"token": {token}, "client_id": {"wiki"}, "client_secret": {"0123456789abcdef0123456789abcdef0123456789abcdef"}})
}

func TestReloadTakesEverythingOver(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "RELOAD")
	folder := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("token", "first")
	before := e.Config
	after := before + wiki + "[global.branding]\nname = \"Other Name\"\ntemplates = \"" + folder + "\"\n" +
		"[[global.identity_provider]]\nbrand = \"Second\"\nname = \"The Second\"\nclient_id = \"second\"\nissuer_url = \"http://127.0.0.1:1\"\n"
	if err := change(e, after, "access_token_ttl = 60\noidc_registration_access_token_file = \""+folder+"/token\""); err != nil {
		t.Fatal(err)
	}
	t.Run("the session goes on, by the new lifetime", func(t *testing.T) {
		a := e.For(t).Refresh(tokens.ClientID, tokens.Refresh)
		if a.Status != http.StatusOK || a.JSON()["expires_in"] != 60.0 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	t.Run("a client that is new in the file", func(t *testing.T) {
		if a := asWiki(e.For(t), "kma_x"); a.Status != http.StatusOK {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
	t.Run("an identity provider that is new", func(t *testing.T) {
		if a := e.For(t).Get("/_matrix/client/v3/login"); !strings.Contains(string(a.Body), "The Second") {
			t.Errorf("%s", a.Body)
		}
	})
	t.Run("the looks of pages", func(t *testing.T) {
		if a := e.For(t).Get("/nowhere"); !strings.Contains(string(a.Body), "Other Name") {
			t.Errorf("%s", a.Body)
		}
	})
	t.Run("the files that it names are read again", func(t *testing.T) {
		e := e.For(t)
		register := func(token string) int {
			return e.As(token, http.MethodPost, "/_tuwunel/oidc/registration", harness.WebClient).Status
		}
		if register("") == http.StatusCreated || register("first") != http.StatusCreated {
			t.Error("the secret is not in use")
		}
		write("token", "second")
		write("en.toml", "[error.not_found]\ntitle = \"A title of our own\"\n")
		if err := e.Server.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if register("first") == http.StatusCreated || register("second") != http.StatusCreated {
			t.Error("the secret that changed is not in use")
		}
		if a := e.Get("/nowhere"); !strings.Contains(string(a.Body), "A title of our own") {
			t.Errorf("%s", a.Body)
		}
	})
	t.Run("a client that is gone is unknown at once", func(t *testing.T) {
		e.Config = before
		if err := e.Server.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a := asWiki(e.For(t), "kma_x"); a.Status != http.StatusUnauthorized {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
}

func TestReloadThatFailsChangesNothing(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	before := e.Config
	tests := []struct {
		name, config, says string
	}{
		{"what is no configuration", before + "[global.branding]\nnam = \"x\"\n", "unknown key"},
		{"a client whose id has registered", before + strings.ReplaceAll(wiki, `"wiki"`, `"`+id+`"`), "a client that registered itself has this client_id"},
		{"another port", strings.Replace(before, "server_name = ", "port = 81\nserver_name = ", 1), "needs a restart, and so nothing was changed: global.port"},
		{"another database and private socket", strings.Replace(before, e.Database, "sqlite:other.db", 1), "global.secret_file, global.database.url, global.private.address"},
		{"another issuer", strings.Replace(before, e.Issuer, "https://other.example.com", 1), "global.well_known.client"},
		{"another kind of homeserver", strings.Replace(before, "[global.homeserver]", "[global.homeserver]\nkind = \"synapse\"\nendpoint = \"http://127.0.0.1:1\"", 1), "global.homeserver.kind"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e.Config = tt.config
			err := e.Server.Reload(t.Context())
			e := e.For(t)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want %q", err, tt.says)
			}
			if a := asWiki(e, "kma_x"); a.Status != http.StatusUnauthorized {
				t.Errorf("the client is known: %d", a.Status)
			}
			if a := e.LogIn("alice", "AFTER"); a.Access == "" {
				t.Error("nobody can sign in")
			}
		})
	}
	if !strings.Contains(e.Log.String(), "the one of before stays in use") {
		t.Error("the log does not say that the old configuration stays")
	}
}

func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	e := harness.Start(t)
	var restart *server.RestartError
	err := change(e, strings.Replace(e.Config, "log_format = \"json\"", "log_format = \"text\"", 1), "access_token_ttl = 60\naddress = \"::1\"")
	if !errors.As(err, &restart) || strings.Join(restart.Keys, " ") != "global.address global.log_format" {
		t.Errorf("error %v", err)
	}
	tokens := e.LogIn("alice", "OLDLIFE")
	if a := e.Refresh(tokens.ClientID, tokens.Refresh); a.JSON()["expires_in"] != 300.0 {
		t.Errorf("the rest was applied: %s", a.Body)
	}
}

func TestARequestEndsByTheConfigurationThatItBeganWith(t *testing.T) {
	s, setConfig := startWithFile(t, "")
	address, stop, ended := serve(t, s)
	body, answered := inFlight(t, address)
	setConfig("oidc_registration_access_token = \"wanted\"")
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := post(t, address); status == http.StatusCreated {
		t.Error("the new configuration is not in use")
	}
	if _, err := io.WriteString(body, harness.WebClient); err != nil {
		t.Fatal(err)
	}
	_ = body.Close()
	if status := <-answered; status != http.StatusCreated {
		t.Errorf("the request that had begun was answered with %d", status)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestJobsAreDoneByTheNewConfiguration(t *testing.T) {
	s, setConfig := startWithFile(t, "")
	_, stop, ended := serve(t, s)
	for range 3 {
		setConfig("shutdown_timeout = 5")
		if err := s.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Store().AddJob(t.Context(), store.NewJob{Kind: store.JobPicture, Payload: "unreadable"}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if jobs, err := s.Store().Jobs(t.Context(), []store.JobState{store.JobFailed, store.JobDone}, 1); err != nil || len(jobs) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody does jobs any more")
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestLimitsOutlastAReload(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_rc_per_second = 1\noidc_rc_burst_count = 5\n" })
	limited := func() bool {
		return e.Do(http.MethodPost, "/_tuwunel/oidc/registration", map[string]string{"Content-Type": "application/json"}, harness.WebClient).Status == http.StatusTooManyRequests
	}
	for range 5 {
		limited()
	}
	if err := e.Server.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !limited() {
		t.Error("the limits began anew")
	}
}

func TestManyReloadsAtOnce(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "MANY")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 5 {
				if err := e.Server.Reload(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		group.Go(func() {
			for range 50 {
				if a, err := e.Try(http.MethodGet, "/_matrix/client/v3/account/whoami", map[string]string{"Authorization": "Bearer " + tokens.Access}, ""); err != nil || a.Status != http.StatusOK {
					t.Errorf("%d %v", a.Status, err)
				}
			}
		})
	}
	group.Wait()
}

// startWithFile is startAlone for a server whose lines of [global] can be
// changed.
func startWithFile(t *testing.T, lines string) (s *server.Server, set func(lines string)) {
	t.Helper()
	database := filepath.Join(t.TempDir(), "k.db")
	var mu sync.Mutex
	load := func() (*config.Config, error) {
		mu.Lock()
		defer mu.Unlock()
		return config.Parse("keymaker.toml", []byte("[global]\nserver_name = \"example.org\"\n"+lines+"\n[global.well_known]\nclient = \"http://127.0.0.1:8080\"\n[global.database]\nurl = \"sqlite:"+database+"\"\n"+
			"[[global.identity_provider]]\nbrand = \"Nobody\"\nclient_id = \"x\"\nissuer_url = \"http://127.0.0.1:1\"\n"), nil)
	}
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if s, err = server.New(t.Context(), server.Options{Config: cfg, Load: load}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, func(l string) { mu.Lock(); lines = l; mu.Unlock() }
}

func post(t *testing.T, address string) int {
	t.Helper()
	response, err := http.Post("http://"+address+"/_tuwunel/oidc/registration", "application/json", strings.NewReader(harness.WebClient))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}
