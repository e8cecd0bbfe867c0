package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

func TestScopesOfAnAuthorization(t *testing.T) {
	const api, device = "urn:matrix:client:api:*", "urn:matrix:client:device:"
	const unstable = "urn:matrix:org.matrix.msc2967.client:"
	loose := harness.Start(t)
	strict := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_strict_scope = true\noidc_require_device_scope = true" })
	tests := []struct {
		name, scope string
		granted     string // "" = invalid_scope; a final * stands for a generated device
		strict      bool
	}{
		{"C-30: order and repetition do not matter", device + "A " + api + " " + device + "A openid openid", device + "A " + api + " openid", false},
		{"C-30: two spaces", "openid  " + api + " " + device + "A", "", false},
		{"C-30: a space in front", " " + api + " " + device + "A", "", false},
		{"C-30: a space behind", api + " " + device + "A ", "", false},
		{"C-30: a tab for a space", api + "\t" + device + "A", "", false},
		{"C-30: a letter that is no ASCII", api + " " + device + "\u00e4", "", false},
		{"C-30: a character that no scope has", `openid "` + api + `"`, "", false},
		{"C-31 C-34: the stable spelling", api + " " + device + "AAABBBCCCDDD", api + " " + device + "AAABBBCCCDDD", false},
		{"C-32 C-34: the unstable spelling, answered as it was asked", unstable + "api:* " + unstable + "device:AAABBBCCCDDD",
			unstable + "api:* " + unstable + "device:AAABBBCCCDDD", false},
		{"C-33: another api scope is unknown, and dropped", "openid urn:matrix:client:api:read", "openid", false},
		{"C-33 C-3A: another api scope, read strictly", "openid urn:matrix:client:api:read", "", true},
		{"C-35: two devices", api + " " + device + "A " + device + "B", "", false},
		{"C-35: two devices in two spellings", api + " " + device + "A " + unstable + "device:B", "", false},
		{"C-35: no device: one is generated and told", api, api + " " + device + "*", false},
		{"C-35: no device where one is required", api, "", true},
		{"C-35 C-32: no device beside the unstable api", unstable + "api:*", unstable + "api:* " + device + "*", false},
		{"C-36: an empty device id", api + " " + device, "", false},
		{"C-36: an empty device id in the unstable spelling", unstable + "api:* " + unstable + "device:", "", false},
		{"C-36: a device id with a backslash", api + " " + device + `A\B`, "", false},
		{"C-36: a device id with a quote", api + " " + device + `A"B`, "", false},
		{"C-36: a device id of every other character", api + " " + device + "!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~", api + " " + device + "!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~", false},
		{"C-37: a device id that is a base64 key", api + " " + device + "wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4+",
			api + " " + device + "wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4+", false},
		{"C-37: a device id that looks encoded is decoded once", api + " " + device + "AAA%2BBBB%20CCC", api + " " + device + "AAA%2BBBB%20CCC", false},
		{"C-37: the key in the unstable spelling, as a QR login asks for it", unstable + "api:* " + unstable + "device:wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4",
			unstable + "api:* " + unstable + "device:wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4", false},
		{"C-38: a device id of one character", api + " " + device + "d", api + " " + device + "d", false},
		{"C-38: a device id of 255 characters", api + " " + device + strings.Repeat("d", 255), api + " " + device + strings.Repeat("d", 255), false},
		{"C-38: a device id of 256 characters", api + " " + device + strings.Repeat("d", 256), "", false},
		{"C-3A: an unknown scope is dropped", "urn:example:x " + api + " " + device + "A", api + " " + device + "A", false},
		{"C-3A: an unknown scope, read strictly", "urn:example:x " + api + " " + device + "A", "", true},
		{"C-3A: nothing that is known", "urn:example:x", "", false},
		{"C-3B: a device without the api", "openid " + device + "A", "", false},
		{"C-3B: openid alone", "openid", "openid", false},
		{"C-3C: both spellings of one device", api + " " + device + "A " + unstable + "device:A", api + " " + device + "A " + unstable + "device:A", false},
		{"C-3C: the api in one spelling, and the device in the other", api + " " + unstable + "device:A", api + " " + unstable + "device:A", false},
		{"C-3C: both spellings of both", api + " " + unstable + "api:* " + device + "A " + unstable + "device:A", api + " " + unstable + "api:* " + device + "A " + unstable + "device:A", false},
		{"C-33: a spelling that nobody uses", "openid urn:matrix:org.matrix.msc2967.client:api:read urn:matrix:client:api:", "openid", false},
		{"C-3D: administration is not for the asking", api + " " + device + "A urn:matrix:client:server_administration urn:synapse:admin:*", api + " " + device + "A", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := loose.For(t)
			if tt.strict {
				e = strict.For(t)
			}
			id, _ := e.Register(harness.WebClient)
			r := e.NewRequest(id, tt.scope)
			if tt.granted == "" {
				expectReturn(t, e, e.NewBrowser().Authorize(r), r, "invalid_scope")
				return
			}
			tokens := e.LogInWith(r, "alice")
			got := tokens.Scope
			if generated, found := strings.CutSuffix(tt.granted, "*"); found && strings.HasSuffix(generated, device) {
				own, isDevice := strings.CutPrefix(got, generated)
				if !isDevice || len(own) != 10 {
					t.Fatalf("granted %q, want a device of 10 characters", got)
				}
				got = generated + "*"
			}
			if got != tt.granted {
				t.Errorf("granted %q, want %q", tokens.Scope, tt.granted)
			}
			expectDevice(t, e, tokens)
		})
	}
}

func TestScopesThatAreDropped(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	t.Run("C-3A: what is dropped is neither asked for, nor granted, nor told to the homeserver", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest(id, harness.ScopeStable+"NARROWED urn:example:x urn:synapse:admin:* email")
		b := e.NewBrowser()
		page := b.Consent(r, "alice")
		if text := page.Text(); strings.Contains(text, "urn:") || strings.Contains(text, "admin") || !strings.Contains(text, "see your e-mail address") {
			t.Errorf("the page says\n%s", text)
		}
		a := e.Exchange(r, harness.Returned(b.Decide(page, "approve")).Get("code"))
		if want := harness.ScopeStable + "NARROWED email"; a.Text("scope") != want {
			t.Errorf("granted %q, want %q", a.Text("scope"), want)
		}
		if got := e.Introspect(a.Text("access_token")).Text("scope"); strings.Contains(got, "example") || strings.Contains(got, "synapse") || !strings.Contains(got, "email") {
			t.Errorf("introspection says %q", got)
		}
	})
}

// expectDevice wants the token to be good for the device that its scope names,
// and for no Matrix call without one (conformance C-3B, D-11).
func expectDevice(t *testing.T, e *harness.Env, tokens harness.Tokens) {
	t.Helper()
	want := ""
	for token := range strings.SplitSeq(tokens.Scope, " ") {
		if _, id, ok := strings.Cut(token, "client:device:"); ok {
			want = id
		}
	}
	a := e.WhoAmI(tokens.Access)
	if want == "" {
		harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		return
	}
	if a.Text("device_id") != want || a.Text("user_id") != "@alice:example.org" {
		t.Errorf("whoami is %s, want device %q", a.Body, want)
	}
}
