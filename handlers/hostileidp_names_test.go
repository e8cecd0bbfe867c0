package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"keymaker/internal/demoidp"
	"keymaker/internal/harness"
)

// generated is a name that the server makes up.
const generated = "[a-z][a-z0-9]{11}"

// hostileNames are what a provider may say somebody is called, and the
// localpart that it makes, as a pattern.
var hostileNames = []struct {
	what string
	name any
	want string
}{
	{"that of somebody else", "alice", generated},
	{"that of somebody else in capitals", "ALICE", generated},
	{"that of somebody else with a Cyrillic a", "\u0430lice", "=d0=b0lice"},
	{"that of somebody else in wide letters", "\uff41lice", "=ef=bd=81lice"},
	{"that of somebody else with a combining accent", "a\u0301lice", "a=cc=81lice"},
	{"that of somebody else with an invisible space", "alice\u200b", "alice=e2=80=8b"},
	{"that of somebody else with a space", " alice", "=20alice"},
	{"that of somebody else with a NUL", "alice\x00", "alice=00"},
	{"that of somebody else turned round", "\u202eecila", "=e2=80=aeecila"},
	{"that of somebody else with a Kelvin sign", "\u212aate", "=e2=84=aaate"},
	{"the user ID of somebody else", "@alice:example.org", "=40alice=3aexample.org"},
	{"the user ID of somebody elsewhere", "@alice:evil.example", "=40alice=3aevil.example"},
	{"a localpart with a server", "alice:example.org", "alice=3aexample.org"},
	{"what the mapping makes of another", "=40alice", "=3d40alice"},
	{"a path upwards", "../../etc/passwd", regexp.QuoteMeta("../../etc/passwd")},
	{"one of a bridge", "_irc_alice", "=5firc_alice"},
	{"one of a guest", "12345", "=312345"},
	{"markup", "<script>alert(1)</script>", "=3cscript=3ealert=281=29=3c/script=3e"},
	{"line breaks", "a\r\nlevel=ERROR", "a=0d=0alevel=3derror"},
	{"empty", "", generated},
	{"300 characters", strings.Repeat("a", 300), generated},
	{"200 characters that become 600", strings.Repeat("ä", 200), generated},
	{"100 kB", strings.Repeat("a", 100_000), generated},
	{"a number", 7, generated},
	{"null", json.RawMessage("null"), generated},
	{"a list", []any{"alice"}, generated},
	{"an object", map[string]any{"alice": "alice"}, generated},
	{"true", true, generated},
}

func TestHostileNames(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		alice := e.LogIn("alice", "ALICE")
		id, _ := e.Register(harness.WebClient)
		for n, tt := range hostileNames {
			t.Run("L-30: a provider's name that is "+tt.what+" makes somebody who is nobody else", func(t *testing.T) {
				e := e.For(t)
				rememberAs(t, e, n, map[string]any{"preferred_username": tt.name})
				userID := e.WhoAmI(signInAs(t, e, id, n, "openid "+harness.ScopeStable+"HOSTILENAME").Access).Text("user_id")
				if !regexp.MustCompile("^@" + tt.want + ":example[.]org$").MatchString(userID) {
					t.Errorf("signed in as %q, want %s", userID, tt.want)
				}
				if who := e.WhoAmI(alice.Access).Text("user_id"); who != "@alice:example.org" || userID == who {
					t.Errorf("alice is %q", who)
				}
				expectNoPanic(t, e)
			})
		}
	})
}

// rememberAs gives the provider a person with these claims, who is chosen as
// hostileN.
func rememberAs(t *testing.T, e *harness.Env, n int, claims map[string]any) {
	t.Helper()
	if err := e.IDP.SetUser(demoidp.User{Subject: fmt.Sprintf("hostile-%d", n), Username: fmt.Sprintf("hostile%d", n), Claims: claims}); err != nil {
		t.Fatal(err)
	}
}

func signInAs(t *testing.T, e *harness.Env, clientID string, n int, scope string) harness.Tokens {
	t.Helper()
	return e.LogInWith(e.NewRequest(clientID, scope), fmt.Sprintf("hostile%d", n))
}

func TestHostileClaims(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		id, _ := e.Register(harness.WebClient)
		const name, address = "name", "email"
		tests := []struct {
			what   string
			claims map[string]any
			member string // of our userinfo
			want   string
		}{
			{"a name with bidirectional marks", map[string]any{"name": "Ali\u202ece \u2066Liddell\u2069\u200f"}, name, "Alice Liddell"},
			{"a name with line breaks", map[string]any{"name": "Alice\r\n\tLiddell\u2028\u0085x"}, name, "Alice Liddell x"},
			{"a name with control characters", map[string]any{"name": "Al\x00ice\x1b[31m\x7f"}, name, "Al ice [31m"},
			{"a name of markup", map[string]any{"name": "<script>alert(1)</script>"}, name, "<script>alert(1)</script>"},
			{"a name of 100 kB", map[string]any{"name": strings.Repeat("ä", 50_000)}, name, strings.Repeat("ä", 256)},
			{"a name that is a list", map[string]any{"name": []any{"Alice"}}, name, ""},
			{"a name that is an object", map[string]any{"name": map[string]any{"a": map[string]any{"b": []any{}}}}, name, ""},
			{"a name of white space", map[string]any{"name": " \u3000\u2003 "}, name, ""},
			{"an address that is a list", map[string]any{"email": []any{"a@example.org"}, "email_verified": true}, address, ""},
			{"an address that is an object", map[string]any{"email": map[string]any{"a": 1}, "email_verified": true}, address, ""},
			{"an address with a NUL", map[string]any{"email": "a\x00@example.org", "email_verified": true}, address, ""},
			{"an address with a line break", map[string]any{"email": "a@example.org\r\nBcc: b@example.org", "email_verified": true}, address, ""},
			{"an address of 100 kB", map[string]any{"email": strings.Repeat("a", 100_000) + "@example.org", "email_verified": true}, address, ""},
			{"an address that is none", map[string]any{"email": "alice", "email_verified": true}, address, ""},
			{"an address that is verified as text", map[string]any{"email": "a@example.org", "email_verified": "true"}, address, "a@example.org"},
			{"an address that is verified as a number", map[string]any{"email": "a@example.org", "email_verified": 1}, address, ""},
			{"an address that is verified as a list", map[string]any{"email": "a@example.org", "email_verified": []any{true}}, address, ""},
			{"an address that is not verified", map[string]any{"email": "a@example.org", "email_verified": false}, address, ""},
		}
		for n, tt := range tests {
			t.Run("L-30 L-23: "+tt.what+" does no harm", func(t *testing.T) {
				e := e.For(t)
				rememberAs(t, e, n, tt.claims)
				token := signInAs(t, e, id, n, "openid profile email").Access
				a := e.As(token, http.MethodGet, userinfoPath, "")
				harness.ExpectJSON(t, a, http.StatusOK)
				if got := a.Text(tt.member); got != tt.want {
					t.Errorf("%s is %.300q, want %.300q", tt.member, got, tt.want)
				}
				if got := a.Text("name"); !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
					t.Errorf("the name is %q", got)
				}
				expectNoPanic(t, e)
			})
		}
	})
}

// Without made-up names a person whose name makes none is refused.
func TestNamesThatMakeNone(t *testing.T) {
	i := startImpostor(t, func(o *harness.Options) { o.Provider = "unique_id_fallbacks = false" })
	id, _ := i.e.Register(harness.WebClient)
	for n, tt := range hostileNames {
		if tt.want != generated || n < 2 { // a name that is taken has a page of its own
			continue
		}
		t.Run("L-30: a provider's name that is "+tt.what+", where none is made up: nobody is signed in", func(t *testing.T) {
			f := both(setAt(idpUserinfo, "email", nil), changedAt(idpUserinfo, func(claims map[string]any) { claims["preferred_username"] = tt.name }))
			newVictim(t, i, id, n).isLiedTo(lie{status: http.StatusForbidden, says: "We could not find a name for you", reason: "no claim makes a name"}, f)
		})
	}
}
