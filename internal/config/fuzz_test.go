package config_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"keymaker/internal/config"
)

// FuzzParse checks what must hold for every file and every variable: the
// answer is a configuration or Problems, and every problem is one line that
// names a line of the file or the environment.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"minimal.toml", "tuwunel.toml", "wrong.toml"} {
		data, err := os.ReadFile("../../testdata/config/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "KEYMAKER_GLOBAL__PORT", "80")
	}
	for _, text := range []string{
		"", "\n", "\ufeff", good, provider, config.Example(), "[global", "global = 1", "[[global]]", "[global.database]\n[global]", "a.b.c = [[[{d = 1}]]]",
		"global = {well_known = {client = \"https://x\"}}", "[global]\naddress = [ # one\n \"::\", # two\n]", "[global]\nport = 0x50\nlog_level = '''\ninfo'''",
		"[[global.identity_provider]]\n[global.identity_provider.extra_authorization_parameters]\na = \"b\"\n[[global.identity_provider]]\nbrand = \"x\"",
		"\"\" = 1", "[global]\nport = 1\nport = 2", "x = 1e999", "x = 1979-05-27T07:32:00Z", "a = [1,\n", "a = \"\"\"\n", "\xff", "[global]\r\nport = 1\r\n",
	} {
		f.Add(text, "KEYMAKER_GLOBAL__IDENTITY_PROVIDER__0__CLIENT_ID", "x")
		f.Add(text, "KEYMAKER_GLOBAL__IDENTITY_PROVIDER", "[{}, 1, [null]]")
		f.Add(text, "KEYMAKER_GLOBAL__DATABASE__URL", "sqlite:x")
	}
	f.Add("", "KEYMAKER_GLOBAL__PORT\n", "")
	f.Fuzz(func(t *testing.T, text, name, value string) {
		c, err := config.Parse("k.toml", []byte(text), []string{"KEYMAKER_GLOBAL__LOG_LEVEL=info", name + "=" + value})
		var problems config.Problems
		switch {
		case err == nil && c.ServerName != "" && c.LogLevel == "info":
			return
		case !errors.As(err, &problems) || len(problems) == 0 || c != nil:
			t.Fatalf("neither a configuration nor problems: %v, %v", c, err)
		}
		for _, p := range problems {
			if p.Line < 0 || p.Line > strings.Count(text, "\n")+1 || (p.Line > 0) != (p.File == "k.toml") {
				t.Errorf("%q is at no place of %q", p, text)
			}
			if p.Message == "" || strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("%q is not one line", p)
			}
		}
	})
}
