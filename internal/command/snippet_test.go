package command_test

import (
	"bytes"
	"strings"
	"testing"

	"keymaker/internal/command"
)

func TestSnippet(t *testing.T) {
	tests := []struct {
		name, config, proxy string
		status              int
		says                string
	}{
		{"nginx", "[global.well_known]\nclient = \"https://matrix.example.com\"\n", "nginx", 0, "server_name matrix.example.com;"},
		{"caddy", "[global.well_known]\nclient = \"https://matrix.example.com\"\n", "caddy", 0, "\nmatrix.example.com {"},
		{"haproxy", "[global.well_known]\nclient = \"https://matrix.example.com\"\n", "haproxy", 0, "\nfrontend matrix\n"},
		{"nginx with a certificate", "[global.well_known]\nclient = \"https://matrix.example.com\"\n", "nginx --certificate=/srv/c.pem --key=/srv/k.pem", 0, "ssl_certificate_key /srv/k.pem;"},
		{"a certificate without its key", "[global.well_known]\nclient = \"https://matrix.example.com\"\n", "nginx --certificate=/srv/c.pem", 2, "name the key"},
		{"a proxy that it does not know", "", "apache", 2, "must be one of"},
		{"no address to answer for", "", "nginx", 2, "global.well_known.client is missing"},
		{"a configuration that is wrong", "prot = 1\n", "nginx", 2, "keymaker.toml:3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inFolder(t)
			write(t, "keymaker.toml", "[global]\nserver_name = \"example.com\"\n"+tt.config)
			var out, errs bytes.Buffer
			status := command.Main(append([]string{"snippet"}, strings.Fields(tt.proxy)...), &command.Streams{Out: &out, Err: &errs})
			if status != tt.status || !strings.Contains(out.String()+errs.String(), tt.says) {
				t.Errorf("exit status %d: %s%s", status, out.String(), errs.String())
			}
		})
	}
}
