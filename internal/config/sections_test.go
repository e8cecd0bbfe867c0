package config

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// each calls f with every option and the section that it is in.
func each(s *section, path string, f func(o *option, path string)) {
	for i := range s.options {
		f(&s.options[i], join(path, s.options[i].key))
	}
	for i := range s.sections {
		inner := join(path, s.sections[i].key)
		if s.sections[i].begin != nil {
			inner += ".0"
		}
		each(&s.sections[i], inner, f)
	}
}

func TestEveryDefinitionIsWhole(t *testing.T) {
	each(&whole, "", func(o *option, path string) {
		switch {
		case o.takes.set == nil:
			t.Errorf("%s takes nothing", path)
		case o.instead == "" && !strings.HasSuffix(o.doc, "."):
			t.Errorf("%s has no sentence that says what it does", path)
		case o.fallback == nil && o.sample == nil:
			t.Errorf("%s has neither a default nor an example", path)
		case o.fallback != nil && o.required:
			t.Errorf("%s is required and has a default", path)
		case (o.takes.kind == aList || o.takes.kind == aListOrText) && o.takes.entry == nil:
			t.Errorf("%s does not check its entries", path)
		}
		if o.fallback != nil {
			d := draft{config: &Config{}, provider: &IdentityProvider{}, client: &OIDCClient{}, members: map[string]any{}}
			if err := o.takes.set(&d, o.fallback); err != nil {
				t.Errorf("%s refuses its default: %v", path, err)
			}
		}
	})
}

func TestEveryKeyComesFromTheEnvironmentToo(t *testing.T) {
	t.Chdir(t.TempDir())
	brandingHere(t)
	each(&whole, "", func(o *option, path string) {
		value := o.sample
		if value == nil {
			value = o.fallback
		}
		if strings.HasSuffix(o.key, "_file") {
			value = "" // there is no such file, and the problem must say so
		}
		text := strings.TrimPrefix(fmt.Sprint(value), "/etc/keymaker/")
		if reflect.ValueOf(value).Kind() != reflect.String {
			encoded, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			text = string(encoded)
		}
		file := "[global]\nserver_name = \"example.com\"\n[[global.identity_provider]]\nbrand = \"Google\"\nclient_id = \"keymaker\"\nissuer_url = \"https://x.org\"\n" +
			"[[global.oidc_client]]\nclient_id = \"wiki\"\nredirect_uris = [\"https://wiki.example.com/\"]\nclient_secret = \"0123456789012345678901\"\n" +
			"grant_types = [\"authorization_code\", \"client_credentials\"]\n" +
			"[global.smtp]\nhost = \"localhost\"\nfrom = \"chat@example.com\"\nusername = \"keymaker\"\npassword = \"secret\"\n"
		if strings.HasSuffix(path, "client_secret_file") || strings.HasPrefix(path, "global.oidc_client.0.jwks") { // which the secret stands in the way of
			file = strings.ReplaceAll(file, "client_secret = ", "# ")
		}
		if strings.HasSuffix(path, "smtp.password_file") {
			file = strings.ReplaceAll(file, "password = ", "# ")
		}
		_, err := Parse("k.toml", []byte(file), []string{variable(path) + "=" + text})
		if refused := err != nil; refused != strings.HasSuffix(o.key, "_file") {
			t.Errorf("%s=%s: %v", variable(path), text, err)
		}
		if err != nil && !strings.Contains(err.Error(), path) {
			t.Errorf("the problem does not name %s: %v", path, err)
		}
	})
}

// brandingHere makes the logo and the folder of templates of the example in the
// current folder.
func brandingHere(t *testing.T) {
	t.Helper()
	if err := os.WriteFile("logo.svg", []byte("<svg/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("templates", 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"port", "address", "issuer_url", "client_id", "client_secret"}
	for word, want := range map[string]string{
		"port":                   "port",
		"prot":                   "port",
		"issuer":                 "issuer_url",
		"client":                 "client_id",
		"client_secrets":         "client_secret",
		"oddress":                "address",
		"turn":                   "",
		"":                       "",
		strings.Repeat("p", 500): "",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("nearest to %q: %q, want %q", word, got, want)
		}
	}
}
