package command_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keymaker/internal/command"
	"keymaker/internal/porttest"
	"keymaker/internal/telemetry"
)

func healthcheck(args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	status = command.Main(append([]string{"healthcheck"}, args...), &command.Streams{Out: &o, Err: &e})
	return status, o.String(), e.String()
}

func TestHealthcheck(t *testing.T) {
	besideServer(t)
	for _, args := range [][]string{{}, {"--live"}, {"--socket", "run/s"}} {
		t.Run("a server that is well, by "+strings.Join(args, " "), func(t *testing.T) {
			if status, out, errs := healthcheck(args...); status != 0 || out != "ok\n" {
				t.Errorf("exit status %d: %s%s", status, out, errs)
			}
		})
	}
}

func TestHealthcheckFails(t *testing.T) {
	unwell := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		telemetry.WriteHealth(w, []telemetry.Check{{Name: "database", Err: fmt.Errorf("it is\x1b[2J gone")}, {Name: "signing_keys"}}, true)
	}))
	t.Cleanup(unwell.Close)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	inFolder(t)
	write(t, "keymaker.toml", fmt.Sprintf("[global]\nserver_name = \"example.com\"\naddress = \"0.0.0.0\"\nport = %d\n", porttest.Free(t)))
	tests := []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"a server that is not ready says why, and nothing that a terminal would obey", []string{"--url", unwell.URL}, 1, `the server is not ready: "database: it is\x1b[2J gone"`},
		{"another server", []string{"--url", other.URL + "/"}, 1, "it answers with status 404"},
		{"nobody at the address of the configuration", nil, 1, "no server answers: Get \"http://127.0.0.1:"},
		{"nobody at the socket", []string{"--socket", "gone"}, 1, "no server answers"},
		{"a configuration that is wrong", []string{"--config", "gone.toml"}, 2, "gone.toml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, out, errs := healthcheck(tt.args...); status != tt.status || !strings.Contains(errs, tt.says) {
				t.Errorf("exit status %d: %s%s", status, out, errs)
			}
		})
	}
}
