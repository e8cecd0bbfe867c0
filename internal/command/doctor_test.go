package command_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"keymaker/internal/command"
	"keymaker/internal/doctor"
)

// examineAlone runs the doctor in the current folder where nobody outside
// answers: every address leads to a port of this machine that is closed.
func examineAlone(args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	const closed = "http://127.0.0.1:1"
	status = command.Main(args, &command.Streams{Out: &o, Err: &e, Env: []string{
		"KEYMAKER_GLOBAL__SERVER_NAME=127.0.0.1:1", "KEYMAKER_GLOBAL__WELL_KNOWN__CLIENT=" + closed, "KEYMAKER_GLOBAL__IDENTITY_PROVIDER__0__ISSUER_URL=" + closed,
	}})
	return status, o.String(), e.String()
}

func inDoctorFolder(t *testing.T) {
	t.Helper()
	inFolder(t)
	write(t, "keymaker.toml", "[global]\nserver_name = \"example.com\"\n[global.database]\nurl = \"sqlite:keymaker.db\"\n[[global.identity_provider]]\nbrand = \"Keycloak\"\nclient_id = \"keymaker\"\nclient_secret = \"x\"\nissuer_url = \"http://127.0.0.1:1\"\n")
}

// states are how the checks ended, by their names.
func states(t *testing.T, out string) map[string]doctor.State {
	t.Helper()
	var results []doctor.Result
	if err := json.Unmarshal([]byte(out), &results); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	all := map[string]doctor.State{}
	for _, r := range results {
		if all[r.Check] != doctor.Failed {
			all[r.Check] = r.State
		}
	}
	return all
}

func TestDoctor(t *testing.T) {
	t.Run("what is inside is good after a start, and outside nobody answers", func(t *testing.T) {
		inDoctorFolder(t)
		serve(t)
		status, out, errs := examineAlone("doctor", "--json")
		all := states(t, out)
		if status != 1 || errs != "" {
			t.Errorf("exit status %d: %s", status, errs)
		}
		for check, want := range map[string]doctor.State{"database.open": doctor.OK, "database.write": doctor.OK, "keys.secret": doctor.OK,
			"issuer.same": doctor.Failed, "route.login": doctor.Skipped, "provider.discovery": doctor.Failed} {
			if all[check] != want {
				t.Errorf("%s is %q, want %q", check, all[check], want)
			}
		}
	})
	t.Run("text says the same, and what to change below it", func(t *testing.T) {
		inDoctorFolder(t)
		serve(t)
		_, out, _ := examineAlone("doctor")
		for _, want := range []string{"ok       database.open: opened the database: ", "failed   issuer.same: asked http://127.0.0.1:1/.well-known/openid-configuration: ",
			"\n         Start the server and the reverse proxy", " failed\n"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not said:\n%s", want, out)
			}
		}
	})
	t.Run("a database that is missing is not made", func(t *testing.T) {
		inDoctorFolder(t)
		_, out, _ := examineAlone("doctor", "--json")
		if all := states(t, out); all["database.open"] != doctor.Failed || all["database.write"] != doctor.Skipped || all["keys.secret"] != doctor.Failed {
			t.Errorf("the checks end with %v", all)
		}
		if _, err := os.Stat("keymaker.db"); !os.IsNotExist(err) {
			t.Errorf("there is one by now: %v", err)
		}
	})
	t.Run("keys that another file has sealed", func(t *testing.T) {
		inDoctorFolder(t)
		serve(t)
		write(t, "keymaker.secret", strings.Repeat("x", 32))
		_, out, _ := examineAlone("doctor", "--json")
		if all := states(t, out); all["database.open"] != doctor.OK || all["keys.signing"] != doctor.Failed {
			t.Errorf("the checks end with %v", all)
		}
	})
	t.Run("a secret file that is gone", func(t *testing.T) {
		inDoctorFolder(t)
		serve(t)
		if err := os.Remove("keymaker.secret"); err != nil {
			t.Fatal(err)
		}
		_, out, _ := examineAlone("doctor", "--json")
		if all := states(t, out); all["database.open"] != doctor.OK || all["keys.signing"] != doctor.Failed || all["keys.secret"] != doctor.Failed {
			t.Errorf("the checks end with %v", all)
		}
	})
	t.Run("a wrong configuration has the status of one", func(t *testing.T) {
		inFolder(t)
		write(t, "keymaker.toml", "prot = 1\n")
		if status, _, _ := examineAlone("doctor"); status != 2 {
			t.Errorf("exit status %d", status)
		}
	})
}
