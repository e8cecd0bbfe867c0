package command_test

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"keymaker/internal/command"
)

func reload(args ...string) (status int, out, errs string) {
	var o, e bytes.Buffer
	status = command.Main(append([]string{"reload"}, args...), &command.Streams{Out: &o, Err: &e})
	return status, o.String(), e.String()
}

func TestReload(t *testing.T) {
	log := besideServer(t)
	good, err := os.ReadFile("keymaker.toml")
	if err != nil {
		t.Fatal(err)
	}
	inGlobal := func(line string) string {
		return strings.Replace(string(good), "[global]\n", "[global]\n"+line+"\n", 1)
	}
	tests := []struct {
		name, config string
		args         []string
		status       int
		says         string
	}{
		{"a good file is taken into use", inGlobal("access_token_ttl = 60"), nil, 0, "The server has read its configuration again."},
		{"through the socket alone", inGlobal("access_token_ttl = 61"), []string{"--socket", "run/s"}, 0, "The server has read its configuration again."},
		{"a bad one is not, and the line is named", inGlobal("acces_token_ttl = 60"), nil, 2, "keymaker.toml:2: global.acces_token_ttl: unknown key (did you mean \"access_token_ttl\"?)"},
		{"nor by the server", inGlobal("acces_token_ttl = 60"), []string{"--socket", "run/s"}, 1, "the server goes on with the configuration of before: keymaker.toml:2: global.acces_token_ttl: unknown key"},
		{"what needs a restart is named", inGlobal("log_format = \"json\"\naddress = \"::1\""), nil, 1, "needs a restart, and so nothing was changed: global.address, global.log_format"},
		{"nobody is asked where there is no socket", "[global]\nserver_name = \"example.com\"\n[global.private]\naddress = \"none\"\n", nil, 1, "names no address: send the server SIGHUP"},
		{"nor where nobody listens", string(good), []string{"--socket", "gone"}, 1, "no server answers on"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write(t, "keymaker.toml", tt.config)
			if status, out, errs := reload(tt.args...); status != tt.status || !strings.Contains(out+errs, tt.says) {
				t.Errorf("exit status %d: %s%s", status, out, errs)
			}
		})
	}
	t.Run("SIGHUP does the same, and the log says what became of it", func(t *testing.T) {
		hangUp := func(says string) {
			t.Helper()
			before := strings.Count(log(), says)
			if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(10 * time.Second); strings.Count(log(), says) == before; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("the log does not say %q:\n%s", says, log())
				}
			}
		}
		write(t, "keymaker.toml", inGlobal("log_level = \"debug\""))
		hangUp("the configuration was read again")
		write(t, "keymaker.toml", inGlobal("prot = 1"))
		hangUp("the one of before stays in use")
		write(t, "keymaker.toml", string(good))
		hangUp("the configuration was read again")
	})
}
