package synapseconfig_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"keymaker/internal/synapseconfig"
	"keymaker/internal/synapsetest"
)

func TestMain(m *testing.M) {
	os.Exit(synapsetest.Run(m, "the options that it refuses"))
}

// cases are options beside the delegation, and which of them Synapse refuses:
// option and line.
var cases = []struct {
	name, yaml string
	want       string
}{
	{"nothing", "a: b\n", ""},
	{"passwords", "password_config:\n  pepper: x\n  enabled: true\n", "3 password_config.enabled"},
	{"passwords to confirm only", "password_config: {enabled: only_for_reauth}\n", "1 password_config.enabled"},
	{"passwords switched on by a text that says no", "password_config:\n  enabled: \"false\"\n", "2 password_config.enabled"},
	{"passwords switched off", "password_config:\n  enabled: no\n  pepper: x\n", ""},
	{"passwords that nobody has switched on", "password_config:\n  localdb_enabled: true\n", ""},
	{"an empty table", "password_config:\n", ""},
	{"registration", "enable_registration: true\nenable_registration_without_verification: true\n", "1 enable_registration"},
	{"registration in quotes", "enable_registration: \"yes\"\nenable_registration_without_verification: true\n", "1 enable_registration"},
	{"no registration in quotes", "enable_registration: \"false\"\n", ""},
	{"registration that an older option switches off", "enable_registration: true\ndisable_registration: true\n", ""},
	{"registration that an older option switches on", "enable_registration_without_verification: true\ndisable_registration: false\n", "2 disable_registration"},
	{"consent", "user_consent:\n  template_dir: .\n  version: 1\n", "1 user_consent"},
	{"OpenID Connect", "oidc_providers:\n  - idp_id: x\n    idp_name: x\n    issuer: https://sso.example.com/\n    client_id: x\n    client_secret: x\n", "1 oidc_providers"},
	{"no provider of OpenID Connect", "oidc_providers: []\n", ""},
	{"OpenID Connect, as it was written once", "oidc_config:\n  enabled: true\n  issuer: https://sso.example.com/\n  client_id: x\n  client_secret: x\n", "2 oidc_config.enabled"},
	{"OpenID Connect, switched off", "oidc_config:\n  issuer: https://sso.example.com/\n", ""},
	{"SAML", "saml2_config:\n  sp_config: {a: b}\n", "1 saml2_config"},
	{"SAML, switched off", "saml2_config:\n  enabled: false\n  sp_config: {a: b}\n", ""},
	{"SAML without a configuration", "saml2_config:\n  enabled: true\n", ""},
	{"CAS", "cas_config:\n  server_url: https://cas.example.com\n", "1 cas_config"},
	{"CAS, switched off", "cas_config:\n  enabled: off\n  server_url: https://cas.example.com\n", ""},
	{"JWT", "jwt_config:\n  enabled: true\n  secret: x\n  algorithm: HS256\n", "2 jwt_config.enabled"},
	{"a module for passwords", "password_providers:\n  - module: synapse.config.homeserver.HomeServerConfig\n    config: {}\n", "1 password_providers"},
	{"no module for passwords", "password_providers: []\n", ""},
	{"a captcha", "enable_registration_captcha: on\n", "1 enable_registration_captcha"},
	{"login from a session", "login_via_existing_session:\n  enabled: 1\n", "2 login_via_existing_session.enabled"},
	{"no login from a session", "login_via_existing_session:\n  enabled: 0\n", ""},
	{"refresh tokens that end", "refresh_token_lifetime: 24h\n", "1 refresh_token_lifetime"},
	{"access tokens that end", "nonrefreshable_access_token_lifetime: 1000\n", "1 nonrefreshable_access_token_lifetime"},
	{"sessions that end", "session_lifetime: 52w\n", "1 session_lifetime"},
	{"sessions that do not", "session_lifetime: null\nrefresh_token_lifetime: ~\n", ""},
	{"sessions of no time", "session_lifetime: 0s\n", ""},
	{"changes of addresses", "enable_3pid_changes: true\n", "1 enable_3pid_changes"},
	{"no changes of addresses", "enable_3pid_changes: False\n", ""},
	{"the delegation of before", "experimental_features:\n  msc3861:\n    enabled: false\n", "2 experimental_features.msc3861"},
	{"of an option that stands twice the later counts", "enable_3pid_changes: true\nenable_3pid_changes: false\n", ""},
	{"what an alias stands for", "x: &x true\nenable_3pid_changes: *x\n", "2 enable_3pid_changes"},
	{"what is merged into a table", "x: &x {enabled: true}\nlogin_via_existing_session:\n  <<: *x\n", "1 login_via_existing_session.enabled"},
	{"what a merged table says and the table itself denies", "x: &x {enabled: true}\nlogin_via_existing_session:\n  <<: *x\n  enabled: false\n", ""},
}

func read(t *testing.T, text string) *synapseconfig.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "homeserver.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := synapseconfig.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConflicts(t *testing.T) {
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, c := range read(t, tt.yaml).Conflicts() {
				got = append(got, strings.TrimPrefix(c.String()[strings.LastIndexByte(c.String(), ':'):], ":")+" "+c.Option)
				if c.Remedy == "" {
					t.Errorf("nothing says what to do about %s", c.Option)
				}
			}
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("refused are %q, want %q", got, tt.want)
			}
		})
	}
}

// asked is a program that loads each configuration of a list, and says what
// Synapse says.
const asked = `
import contextlib, io, json, sys
from synapse.config.homeserver import HomeServerConfig
out = []
for path in json.load(sys.stdin):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            HomeServerConfig.load_config("", ["-c", path])
        out.append("")
    except BaseException as e:
        out.append(type(e).__name__ + ": " + str(e))
json.dump(out, sys.stdout)
`

const delegating = `server_name: example.com
report_stats: false
signing_key_path: signing.key
macaroon_secret_key: x
database: {name: sqlite3, args: {database: ":memory:"}}
matrix_authentication_service: {enabled: true, endpoint: "http://localhost:8080/", secret: x}
`

func TestSynapseRefusesTheSameOptions(t *testing.T) {
	if !synapsetest.Wanted() {
		return
	}
	folder := t.TempDir()
	key := "ed25519 a_test " + base64.RawStdEncoding.EncodeToString(make([]byte, 32)) + "\n"
	if err := os.WriteFile(filepath.Join(folder, "signing.key"), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, tt := range cases {
		path := filepath.Join(folder, strconv.Itoa(len(paths))+".yaml")
		paths = append(paths, path)
		if err := os.WriteFile(path, []byte(delegating+tt.yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in, err := json.Marshal(paths)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Getenv(synapsetest.Variable), "-c", asked)
	var errs bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stderr = folder, bytes.NewReader(in), &errs
	out, err := cmd.Output()
	var said []string
	if err != nil || json.Unmarshal(out, &said) != nil || len(said) != len(cases) {
		t.Fatalf("%v: %s%s", err, out, errs.String())
	}
	for i, tt := range cases {
		if (said[i] != "") != (tt.want != "") {
			t.Errorf("%s: Synapse says %q, want %q", tt.name, said[i], tt.want)
		}
	}
}

func TestFilesAreReadAsSynapseReadsThem(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"homeserver.yaml": "server_name: old.example\nenable_registration: true\npublic_baseurl: https://a.example/\nmatrix_authentication_service: {enabled: true}\n",
		"conf.d/b.yaml":   "# a name\nserver_name: \"example.com\"\n",
		"conf.d/a.yaml":   "server_name: between.example\nenable_registration: false\nsession_lifetime: 1d\n",
		"conf.d/c.yml":    "server_name: not.read\n",
		"conf.d/d.yaml":   "# nothing\n",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := synapseconfig.Read(filepath.Join(folder, "homeserver.yaml"), filepath.Join(folder, "conf.d"))
	if err != nil {
		t.Fatal(err)
	}
	if c.ServerName() != "example.com" {
		t.Errorf("the name is %q", c.ServerName())
	}
	if all := c.Conflicts(); len(all) != 1 || all[0].Option != "session_lifetime" || all[0].String() != filepath.Join(folder, "conf.d/a.yaml")+":3" {
		t.Errorf("refused are %v", all)
	}
	if said, at := c.PublicBaseURL(); said != "https://a.example/" || at.Line != 3 {
		t.Errorf("public_baseurl is %q in line %d", said, at.Line)
	}
	if at, is := c.Delegation(); !is || at.Line != 4 {
		t.Errorf("delegated: %v in line %d", is, at.Line)
	}
}

func TestWhatIsNoConfigurationIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, says string }{
		{"no YAML, whose text is not repeated", "a: b\nsecret: \"hidden\nx: {", ": line"},
		{"a list", "- a\n", "holds no options"},
		{"a text", "hidden\n", "holds no options"},
		{"nothing", "", "has no options"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "homeserver.yaml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := synapseconfig.Read(path); err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if _, err := synapseconfig.Read(filepath.Join(t.TempDir(), "missing.yaml")); err == nil {
		t.Error("a file that is missing is read")
	}
}
