package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/config"
)

// good is the smallest configuration there is. What a case adds begins in its
// third line.
const good = "[global]\nserver_name = \"example.com\"\n"

// provider begins an identity provider. What a case adds begins in line 7.
const provider = good + `[[global.identity_provider]]
brand = "Keycloak"
client_id = "one"
issuer_url = "https://sso.example.com"
`

// parse reads a configuration in an empty working directory.
func parse(t *testing.T, text string, env ...string) (*config.Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	return config.Parse("k.toml", []byte(text), env)
}

// mustParse reads a configuration that has no problems.
func mustParse(t *testing.T, text string, env ...string) *config.Config {
	t.Helper()
	c, err := parse(t, text, env...)
	if err != nil {
		t.Fatalf("unexpected problems:\n%v", err)
	}
	return c
}

// wantProblems compares an error with the lines of all problems.
func wantProblems(t *testing.T, err error, want ...string) {
	t.Helper()
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("the error is %v, want Problems", err)
	}
	if diff := cmp.Diff(want, strings.Split(problems.Error(), "\n")); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// write makes a file in the working directory, which must be a temporary one.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fixture is the path of a file in testdata/config, from wherever a test is.
func fixture(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "testdata", "config", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// parseHere reads a configuration in the working directory.
func parseHere(text string, env ...string) (*config.Config, error) {
	return config.Parse("k.toml", []byte(text), env)
}
