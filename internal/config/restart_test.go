package config_test

import (
	"os"
	"strings"
	"testing"

	"keymaker/internal/config"
)

func TestNeedsRestart(t *testing.T) {
	document, err := os.ReadFile("../../docs/reload.md")
	if err != nil {
		t.Fatal(err)
	}
	_, named, _ := strings.Cut(string(document), "## What needs a restart")
	at := func(lines string) *config.Config {
		text := good + lines
		if strings.HasPrefix(lines, "server_name") {
			text = "[global]\n" + lines
		}
		c, err := parse(t, text)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	same := at("")
	tests := []struct{ lines, want string }{
		{"", ""},
		{"access_token_ttl = 60\nlog_level = \"debug\"\nshutdown_timeout = 1\n[global.smtp]\nhost = \"m\"\nfrom = \"a@b.example\"\n[global.tracing]\nendpoint = \"http://c\"", ""},
		{"server_name = \"other.example\"", "global.server_name"},
		{"address = \"::1\"", "global.address"},
		{"port = 81", "global.port"},
		{"log_format = \"json\"", "global.log_format"},
		{"[global.well_known]\nclient = \"https://x.example\"", "global.well_known.client"},
		{"[global.database]\nurl = \"sqlite:x.db\"", "global.secret_file global.database.url global.private.address"},
		{"[global.homeserver]\nkind = \"synapse\"\nendpoint = \"http://localhost:8008\"\nsecret = \"s\"", "global.homeserver.kind"},
		{"[global.private]\naddress = \"unix:/x\"\nmetrics_address = \"127.0.0.1:1\"", "global.private.address global.private.metrics_address"},
	}
	for _, tt := range tests {
		t.Run(tt.lines, func(t *testing.T) {
			got := same.NeedsRestart(at(tt.lines))
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%v, want %s", got, tt.want)
			}
			for _, key := range got {
				if parts := strings.Split(key, "."); !strings.Contains(named, "`"+parts[len(parts)-1]+"`") {
					t.Errorf("docs/reload.md does not name %s", key)
				}
			}
		})
	}
}
