package command_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"keymaker/internal/clock"
	"keymaker/internal/command"
	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/fakesynapse"
	"keymaker/store"
)

// carrier is the person at the terminal: asked for the provider's answer, they
// sign in and paste it.
type carrier struct {
	t      *testing.T
	said   *bytes.Buffer
	user   string // "" refuses to sign in
	change func(answer string) string
	left   string
}

var printedURL = regexp.MustCompile(`(?m)^http://\S+$`)

func (c *carrier) Read(b []byte) (int, error) {
	if c.left == "" {
		c.left = c.answer() + "\n"
	}
	n := copy(b, c.left)
	c.left = c.left[n:]
	return n, nil
}

func (c *carrier) answer() string {
	c.t.Helper()
	browser := demoidptest.Browser(c.t, "https://matrix.example.com/")
	page, err := browser.Get(printedURL.FindString(c.said.String()))
	if err != nil {
		c.t.Fatal(err)
	}
	var back *http.Response
	if c.user == "" {
		back = demoidptest.Cancel(c.t, browser, page)
	} else {
		back = demoidptest.Login(c.t, browser, page, c.user)
	}
	_ = back.Body.Close()
	answer := back.Header.Get("Location")
	if c.change != nil {
		answer = c.change(answer)
	}
	return answer
}

// withProvider runs the rest of a test in a folder with a provider that answers,
// whose settings are added to, and with a user alice.
func withProvider(t *testing.T, settings string) {
	t.Helper()
	inFolder(t)
	withAlice(t)
	idp := demoidptest.Start(t, func(o *demoidptest.Options) {
		o.RedirectURIs = []string{"https://matrix.example.com/_matrix/client/unstable/login/sso/callback/keymaker"}
	})
	write(t, "keymaker.toml", fmt.Sprintf(`[global]
server_name = "example.com"
[global.well_known]
client = "https://matrix.example.com"
[[global.identity_provider]]
brand = "Demo"
client_id = %q
client_secret = %q
issuer_url = %q
%s
`, idp.ClientID, idp.ClientSecret, idp.Issuer, settings))
}

func rehearse(t *testing.T, c *carrier, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	c.t, c.said = t, &e
	status = command.Main(append([]string{"provider", "test"}, args...), &command.Streams{Out: &o, Err: &e, In: c})
	return status, o.String(), e.String()
}

// tryProvider does what a document says.
func tryProvider(t *testing.T, args ...string) {
	t.Helper()
	withProvider(t, "")
	if status, out, errs := rehearse(t, &carrier{user: "bob"}, args...); status != 0 || !strings.Contains(out, "@bob:example.com") {
		t.Errorf("exit status %d: %s%s", status, out, errs)
	}
}

// kept is what a sign-in could change.
func kept(t *testing.T) string {
	t.Helper()
	s := openHere(t)
	var text strings.Builder
	for _, name := range []string{"alice", "bob"} {
		user, err := s.User(t.Context(), name)
		fmt.Fprintf(&text, "%+v %v\n", user, err)
	}
	waiting, err := s.ListAssociations(t.Context(), store.AssociationPage{Limit: 10})
	fmt.Fprintf(&text, "%+v %v\n", waiting, err)
	events, err := s.AuditEvents(t.Context(), "", 100)
	fmt.Fprintf(&text, "%+v %v\n", events, err)
	return text.String()
}

func TestProviderTestShowsWhoSomebodyWouldBe(t *testing.T) {
	associate := func(t *testing.T) {
		if _, _, err := openHere(t).Associate(t.Context(), store.Association{ProviderID: "keymaker", Claims: map[string]string{"sub": "subject-bob"}, Localpart: "alice"}); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, user, settings string
		before               func(*testing.T)
		status               int
		says                 []string
	}{
		{"a new user", "bob", "", nil, 0, []string{`email = "bob@example.org"`, `email_verified = false`, "subject  subject-bob", "user     @bob:example.com", "because  a new user of the name", "name     Bob Dobbs", "address  -"}},
		{"a new user who administers the homeserver", "bob", "admin_claim = \"preferred_username\"\nadmin_values = [\"bob\"]", nil, 0, []string{"user     @bob:example.com", "mark them as an administrator"}},
		{"a name that is taken", "alice", "", nil, 0, []string{"belongs to @alice:example.com already", "a generated name", "address  alice@example.org"}},
		{"a trusted name", "alice", "trusted = true", nil, 0, []string{"user     @alice:example.com", "the provider is trusted"}},
		{"a taken name that is the end", "alice", "unique_id_fallbacks = false", nil, 1, []string{"would not be signed in: the name that the claims make is taken"}},
		{"nobody new", "bob", "registration = false", nil, 1, []string{"registration is false"}},
		{"an association, which stays", "bob", "", associate, 0, []string{"user     @alice:example.com", "an administrator has associated"}},
		{"a user who is locked", "alice", "trusted = true", func(t *testing.T) {
			if status, _, errs := administer("", "user", "lock", "alice"); status != 0 {
				t.Fatal(errs)
			}
		}, 1, []string{"user     @alice:example.com", "the user is locked"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withProvider(t, tt.settings)
			if tt.before != nil {
				tt.before(t)
			}
			before := kept(t)
			status, out, errs := rehearse(t, &carrier{user: tt.user}, "keymaker")
			for _, want := range append(tt.says, "Nothing was written.") {
				if !strings.Contains(out, want) {
					t.Errorf("not said: %s", want)
				}
			}
			if status != tt.status || t.Failed() {
				t.Errorf("exit status %d, want %d: %s%s", status, tt.status, out, errs)
			}
			if after := kept(t); after != before {
				t.Errorf("it changed\n%s\nto\n%s", before, after)
			}
		})
	}
	t.Run("as JSON", func(t *testing.T) {
		withProvider(t, "")
		status, out, errs := rehearse(t, &carrier{user: "bob"}, "keymaker", "--json")
		var answer struct {
			Rule    string         `json:"rule"`
			UserID  string         `json:"user_id"`
			NewUser bool           `json:"new_user"`
			Claims  map[string]any `json:"claims"`
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil || status != 0 || answer.Rule != "named" || answer.UserID != "@bob:example.com" || !answer.NewUser || answer.Claims["sub"] != "subject-bob" {
			t.Errorf("exit status %d, %v: %s%s", status, err, out, errs)
		}
	})
}

func TestProviderTestAsksSynapseAndTellsItNothing(t *testing.T) {
	synapse, address := fakesynapse.Start(t, clock.System{})
	synapse.Delegate("http://127.0.0.1:1", "shared")
	settings := fmt.Sprintf("[global.homeserver]\nkind = \"synapse\"\nendpoint = %q\nsecret = \"shared\"\n", address)
	withProvider(t, settings)
	if status, out, errs := rehearse(t, &carrier{user: "bob"}, "keymaker"); status != 0 || !strings.Contains(out, "@bob:example.com") {
		t.Errorf("a free name: exit status %d: %s%s", status, out, errs)
	}
	synapse.Reserve("bob")
	if status, out, errs := rehearse(t, &carrier{user: "bob"}, "keymaker"); status != 0 || !strings.Contains(out, "a generated name") {
		t.Errorf("a reserved name: exit status %d: %s%s", status, out, errs)
	}
	synapse.SetUser("bob", fakesynapse.User{})
	if status, out, errs := rehearse(t, &carrier{user: "bob"}, "keymaker"); status != 0 || !strings.Contains(out, "belongs to @bob:example.com already") {
		t.Errorf("a user whom Synapse alone has: exit status %d: %s%s", status, out, errs)
	}
	synapse.SetUser("bob", fakesynapse.User{Deactivated: true})
	text, err := os.ReadFile("keymaker.toml")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "keymaker.toml", strings.Replace(string(text), "[global.homeserver]", "trusted = true\n[global.homeserver]", 1))
	if status, out, errs := rehearse(t, &carrier{user: "bob"}, "keymaker"); status != 1 || !strings.Contains(out, "the user is deactivated") {
		t.Errorf("a user who has left Synapse: exit status %d: %s%s", status, out, errs)
	}
	for _, call := range synapse.Calls() {
		if call.Name != "is_localpart_available" && call.Name != "query_user" {
			t.Errorf("Synapse was told: %s", call.Name)
		}
	}
	if len(synapse.Calls()) == 0 {
		t.Error("Synapse was not asked")
	}
}

func TestProviderTestRefusesClearly(t *testing.T) {
	tests := []struct {
		name   string
		person carrier
		id     string
		status int
		want   string
	}{
		{"an unknown provider", carrier{user: "bob"}, "keycloak", 2, "there is no identity provider keycloak in the configuration, only: keymaker"},
		{"nothing", carrier{user: "bob", change: func(string) string { return "" }}, "keymaker", 1, "no address was given"},
		{"another address", carrier{user: "bob", change: func(string) string { return "https://example.org/?code=hunter2" }}, "keymaker", 1, "it begins with https://matrix.example.com/_matrix/"},
		{"the answer to another sign-in", carrier{user: "bob", change: func(a string) string { return strings.Replace(a, "state=", "state=x", 1) }}, "keymaker", 1, "another sign-in"},
		{"a code that was never given", carrier{user: "bob", change: func(a string) string { return strings.Replace(a, "code=", "code=hunter2", 1) }}, "keymaker", 1, "invalid"},
		{"a person who refuses", carrier{}, "keymaker", 1, "access_denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withProvider(t, "")
			status, out, errs := rehearse(t, &tt.person, tt.id)
			if status != tt.status || out != "" || !strings.Contains(errs, tt.want) || strings.Contains(errs, "hunter2") {
				t.Errorf("exit status %d, want %d and %q: %s%s", status, tt.status, tt.want, out, errs)
			}
		})
	}
}
