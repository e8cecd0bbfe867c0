package command_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keymaker/internal/command"
	"keymaker/internal/config"
	"keymaker/internal/secret"
	"keymaker/internal/synapsetest"
)

// initialise runs the command in an empty folder.
func initialise(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = command.Main(append([]string{"init"}, args...), &command.Streams{Out: &o, Err: &e})
	return status, o.String(), e.String()
}

var (
	embedded = []string{"--issuer", "https://matrix.example.com", "--server-name", "example.com", "--provider", "Keycloak=https://sso.example.com/realms/main"}
	synapse  = append(slices.Clone(embedded), "--homeserver", "http://localhost:8008")
)

// files are the names of what is in the current folder.
func files(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func loaded(t *testing.T) *config.Config {
	t.Helper()
	c, err := config.Load(config.Options{Path: "keymaker.toml"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestInitWritesAConfigurationThatStarts(t *testing.T) {
	for _, tt := range []struct {
		name  string
		args  []string
		files []string
		kind  string
	}{
		{"embedded", embedded, []string{"keycloak_client_secret", "keymaker.secret", "keymaker.toml"}, "embedded"},
		{"synapse", synapse, []string{"homeserver_secret", "keycloak_client_secret", "keymaker.secret", "keymaker.toml"}, "synapse"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if status, out, errs := initialise(t, tt.args...); status != 0 || errs != "" || strings.Contains(out, "warning") {
				t.Fatalf("exit status %d: %s%s", status, out, errs)
			}
			if got := files(t); !slices.Equal(got, tt.files) {
				t.Errorf("written is %v, want %v", got, tt.files)
			}
			for _, name := range tt.files {
				if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
					t.Errorf("%s: %v, error %v", name, info.Mode(), err)
				}
			}
			text, err := os.ReadFile("keymaker.toml")
			if lines := bytes.Count(text, []byte("\n")); err != nil || lines > 20 {
				t.Errorf("the configuration has %d lines: %v", lines, err)
			}
			c := loaded(t)
			if c.ServerName != "example.com" || c.Issuer() != "https://matrix.example.com" || c.Homeserver.Kind != tt.kind || len(c.Warnings) != 0 ||
				c.IdentityProviders[0].IssuerURL != "https://sso.example.com/realms/main" {
				t.Errorf("read is %+v", c)
			}
			if s, err := c.IdentityProviders[0].Secret(); err != nil || len(s.Reveal()) != len(secret.Token()) {
				t.Errorf("the client secret has %d characters: %v", len(s.Reveal()), err)
			}
			if _, err := secret.ReadKey(c.SecretFile); err != nil {
				t.Error(err)
			}
			serve(t)
		})
	}
}

func TestInitSaysWhatRemains(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "homeserver.yaml", "server_name: \"synapse.example\"\npublic_baseurl: https://old.example/\nenable_registration: true\nmatrix_authentication_service: {enabled: false}\nsession_lifetime: 1d\n")
	status, out, errs := initialise(t, "--issuer", "https://matrix.example.com", "--homeserver", "http://localhost:8008", "--provider", "GitHub", "--client-id", "Iv1.abc",
		"--synapse-config", "homeserver.yaml", "--dir", "new")
	if status != 0 {
		t.Fatalf("exit status %d: %s", status, errs)
	}
	shared, err := os.ReadFile("new/homeserver_secret")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := filepath.Abs("new")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"redirect URI  https://matrix.example.com/_matrix/client/unstable/login/sso/callback/Iv1.abc\n",
		"client id     Iv1.abc\n",
		"\nmatrix_authentication_service:\n  enabled: true\n  endpoint: \"http://127.0.0.1:8080/\"\n  secret_path: \"" + folder + "/homeserver_secret\"\n",
		"homeserver.yaml:3: enable_registration: ", "homeserver.yaml:5: session_lifetime: ", "homeserver.yaml:4.\n",
		"Set public_baseurl to \"https://matrix.example.com/\"", "of synapse.example is in",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
	if strings.Contains(out, strings.TrimSpace(string(shared))) {
		t.Error("the secret is printed")
	}
	if text, err := os.ReadFile("homeserver.yaml"); err != nil || strings.Contains(string(text), "8080") {
		t.Errorf("homeserver.yaml was changed: %v", err)
	}
}

func TestInitOverwritesNothing(t *testing.T) {
	for _, name := range []string{"keymaker.toml", "keymaker.secret", "keycloak_client_secret", "homeserver_secret", "keymaker.db"} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, name, "mine")
			status, out, errs := initialise(t, synapse...)
			if status != 1 || out != "" || !strings.Contains(errs, name+": there is one already, and nothing is overwritten") {
				t.Errorf("exit status %d: %s%s", status, out, errs)
			}
			if text, err := os.ReadFile(name); err != nil || string(text) != "mine" || len(files(t)) != 1 {
				t.Errorf("it holds %q beside %v: %v", text, files(t), err)
			}
		})
	}
	t.Run("not even a link to nowhere", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if err := os.Symlink("nowhere", "homeserver_secret"); err != nil {
			t.Fatal(err)
		}
		if status, _, errs := initialise(t, synapse...); status != 1 || len(files(t)) != 1 {
			t.Errorf("exit status %d: %s", status, errs)
		}
	})
	t.Run("and twice is once", func(t *testing.T) {
		t.Chdir(t.TempDir())
		initialise(t, synapse...)
		before, err := os.ReadFile("homeserver_secret")
		if err != nil {
			t.Fatal(err)
		}
		if status, _, _ := initialise(t, synapse...); status != 1 {
			t.Errorf("exit status %d", status)
		}
		if after, err := os.ReadFile("homeserver_secret"); err != nil || !bytes.Equal(before, after) {
			t.Errorf("the secret is another one: %v", err)
		}
	})
}

func TestInitRefusesWhatCannotBe(t *testing.T) {
	none := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(none.Close)
	tests := []struct {
		name string
		args []string
		says string
	}{
		{"an issuer that others can listen to", []string{"--issuer", "http://matrix.example.com"}, "--issuer: is plain http"},
		{"an issuer with a line break", []string{"--issuer", "https://a.example\"\n[global.homeserver]"}, "--issuer: is not a URL"},
		{"a server name that is none", []string{"--server-name", "a b"}, "--server-name: \"a b\" is not a server name"},
		{"a homeserver that is none", []string{"--homeserver", "localhost:8008"}, "--homeserver: is not a URL"},
		{"a provider without an issuer", []string{"--provider", "Keycloak"}, "--provider: is missing: only GitHub, GitLab and Google have a default"},
		{"a provider without a brand", []string{"--provider", "=https://sso.example.com"}, "--provider: "},
		{"a provider that is not supported", []string{"--provider", "Apple=https://appleid.apple.com"}, "--provider: \"Apple\" is not yet supported"},
		{"a client id that cannot be in a path", []string{"--client-id", "a/b"}, "--client-id: "},
		{"another name than Synapse's", []string{"--synapse-config", "homeserver.yaml"}, "is not the server_name \"other.example\""},
		{"a Synapse that is no YAML", []string{"--synapse-config", "broken.yaml"}, "is not YAML"},
		{"no name anywhere", []string{"--server-name", ""}, "--server-name is missing"},
		{"a Synapse that does not say its name", []string{"--server-name", "", "--homeserver", none.URL}, "it does not say its name there (status 404)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, "homeserver.yaml", "server_name: other.example\n")
			write(t, "broken.yaml", "a: {")
			status, out, errs := initialise(t, append(append(slices.Clone(embedded), tt.args...), "--dir", "new")...)
			if status != 2 || out != "" || !strings.Contains(errs, tt.says) {
				t.Errorf("exit status %d: %s%s", status, out, errs)
			}
			if _, err := os.Stat("new"); !os.IsNotExist(err) {
				t.Errorf("something was written: %v", err)
			}
		})
	}
	t.Run("a folder that cannot be written to", func(t *testing.T) {
		t.Chdir(t.TempDir())
		write(t, "file", "")
		if status, _, errs := initialise(t, append(slices.Clone(embedded), "--dir", "file")...); status != 1 || !strings.Contains(errs, "nothing was written") {
			t.Errorf("exit status %d: %s", status, errs)
		}
		if status, _, errs := initialise(t, append(slices.Clone(embedded), "--dir", "a/b")...); status != 1 || !strings.Contains(errs, "no such file or directory") {
			t.Errorf("exit status %d: %s", status, errs)
		}
	})
}

func TestInitAsksSynapseForItsName(t *testing.T) {
	t.Chdir(t.TempDir())
	synapse := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_matrix/key/v2/server" {
			_, _ = w.Write([]byte(`{"server_name":"asked.example"}`))
		}
	}))
	t.Cleanup(synapse.Close)
	status, _, errs := initialise(t, "--issuer", "https://matrix.example.com", "--homeserver", synapse.URL, "--provider", "Keycloak=https://sso.example.com/")
	if c := loaded(t); status != 0 || c.ServerName != "asked.example" {
		t.Errorf("exit status %d, the name is %q: %s", status, c.ServerName, errs)
	}
}

// What is printed is what a real Synapse starts with.
func TestSynapseStartsWithWhatInitSays(t *testing.T) {
	if !synapsetest.Wanted() {
		return
	}
	t.Chdir(t.TempDir())
	_, out, _ := initialise(t, synapse...)
	_, lines, found := strings.Cut(out, "\nmatrix_authentication_service:\n")
	lines, _, ended := strings.Cut(lines, "\n\n")
	if !found || !ended {
		t.Fatalf("no lines for homeserver.yaml:\n%s", out)
	}
	shared, err := os.ReadFile("homeserver_secret")
	if err != nil {
		t.Fatal(err)
	}
	s := synapsetest.Start(t, synapsetest.Options{Config: "matrix_authentication_service:\n" + lines + "\n"})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/_synapse/mas/query_user?localpart=alice", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(shared)))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil || response.StatusCode != http.StatusNotFound || !strings.Contains(body.String(), "User not found") {
		t.Errorf("Synapse answers %d: %s, %v", response.StatusCode, body.String(), err)
	}
}
