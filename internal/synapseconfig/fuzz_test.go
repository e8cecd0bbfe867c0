package synapseconfig

import (
	"strings"
	"testing"
	"time"
)

// soon is how long reading a file of the fuzzer may take, on a machine that does
// much else.
const soon = 5 * time.Second

// FuzzParse checks what must hold for every file: it is read or refused in time,
// a refusal is one line that repeats nothing, and what is found stands in the
// file.
func FuzzParse(f *testing.F) {
	for _, c := range []string{
		"", "#", "a", "- a", "a: b\n", "server_name: example.com\npublic_baseurl: https://a.example/\n", "matrix_authentication_service: {enabled: true}\n",
		"password_config:\n  enabled: \"no\"\n", "enable_registration: yes\ndisable_registration: ~\n", "user_consent: {}\n", "oidc_providers: [{}]\n",
		"saml2_config: {sp_config: {a: b}, enabled: off}\n", "cas_config: {enabled: 0.0}\n", "session_lifetime: 1_0w\n", "experimental_features:\n  msc3861: [1]\n",
		"x: &x {enabled: true}\npassword_config:\n  <<: [*x, *x]\n", "a: &a {<<: *a}\n", "&a {<<: [*a, *a, *a, *a, *a, *a, *a, *a, *a]}", "a: *b\n", "? [a]\n: b\n", "---\na: b\n---\nc: d\n",
		"a: !!binary x\n", "a: !!python/object:os.system x\n", "\"<<\": {enabled: true}\n", "a: |\n  b\n", "a: {b\n", "a: \"\\x\"\n", "\ufeffa: b\n", "a: \x00\n", "%YAML 1.1\n---\na: b\n", "a:\r\n  b: c\r\n", "a:\tb\n",
	} {
		f.Add([]byte(c))
	}
	many := "[" + strings.Repeat("*a, ", 60) + "*a]"
	f.Add([]byte("&a\n<<: " + many + "\nx: y\n"))
	f.Add([]byte("password_config: &a\n  <<: " + many + "\n  enabled: no\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		began := time.Now()
		c := &Config{options: map[string]entry{}}
		if err := c.parse("homeserver.yaml", data); err != nil {
			said, _ := strings.CutPrefix(err.Error(), "homeserver.yaml is n")
			if said == err.Error() || strings.ContainsAny(said, "\n\r\"'`") {
				t.Fatalf("it is refused with %q", err)
			}
			if len(c.options) > 0 {
				t.Fatalf("it is refused, and has options")
			}
			return
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 3*strings.Count(string(data), "\xc2\x85") + strings.Count(string(data), "\xe2\x80") + 1
		before := Place{Line: 1}
		for _, conflict := range c.Conflicts() {
			if conflict.Line < before.Line || conflict.Line > lines || conflict.Remedy == "" || conflict.File != "homeserver.yaml" {
				t.Fatalf("%+v stands after %+v, of %d lines", conflict, before, lines)
			}
			if option, _, _ := strings.Cut(conflict.Option, "."); !strings.Contains(string(data), option) && !strings.ContainsAny(string(data), "\"!\\") {
				t.Fatalf("%s is nowhere in it", conflict.Option)
			}
			before = conflict.Place
		}
		c.ServerName()
		if said, at := c.PublicBaseURL(); said != "" && (at.Line < 1 || at.Line > lines) {
			t.Fatalf("public_baseurl stands in line %d of %d", at.Line, lines)
		}
		c.Delegation()
		if took := time.Since(began); took > soon {
			t.Fatalf("it took %s", took)
		}
	})
}
