package config_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"keymaker/internal/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

func TestTheDocumentIsWhatTheDefinitionsSay(t *testing.T) {
	const path = "../../docs/configuration.md"
	if *update {
		write(t, path, config.Reference())
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != config.Reference() {
		t.Errorf("%s is stale: go test ./internal/config -update", path)
	}
}

func TestTheExampleIsAConfiguration(t *testing.T) {
	c := mustParse(t, config.Example())
	if !c.OAuthEnabled() || len(c.Warnings) > 0 {
		t.Errorf("OAuth enabled: %v, warnings: %q", c.OAuthEnabled(), c.Warnings)
	}
}

var keysOfClient = regexp.MustCompile(`(?m)^jwks.*$`)

var mentioned = regexp.MustCompile(`(?m)^#([a-z[])`)

func TestEveryLineOfTheExampleCanBeSet(t *testing.T) {
	t.Chdir(t.TempDir())
	text := mentioned.ReplaceAllString(config.Example(), "$1")
	text = keysOfClient.ReplaceAllString(text, "") // a client has a secret or keys
	if strings.Count(text, "\n#") == strings.Count(config.Example(), "\n#") {
		t.Fatal("no line was set")
	}
	// The only files that are there.
	write(t, "secret", "text")
	write(t, "key", strings.Repeat("k", 32))
	write(t, "logo.svg", "<svg/>")
	if err := os.Mkdir("templates", 0o700); err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`"/etc/keymaker/(logo.svg|templates)"`).ReplaceAllString(text, `"$1"`)
	text = regexp.MustCompile(`(?m)^([a-z_]+_file = ).*$`).ReplaceAllString(text, `${1}"secret"`)
	text = strings.Replace(text, `secret_file = "secret"`, `secret_file = "key"`, 1)
	if _, err := parseHere(text); err != nil {
		t.Errorf("problems:\n%v", err)
	}
}
