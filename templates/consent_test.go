package templates

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/language"
)

func TestConsentSays(t *testing.T) {
	tests := []struct {
		name   string
		page   Consent
		says   []string
		hushes []string
	}{
		{
			"C-60: client, host, account, device and scopes",
			sampleConsent(),
			[]string{"Let Element Web use your account?", "element.example.com", "@alice:example.org", "AAABBBCCCDDD", "use Matrix as you", "see who you are"},
			[]string{"Afterwards you go", "display name", "e-mail", "already have a session"},
		},
		{
			"L-25: a client that registered itself is unverified, and its name a claim",
			sampleConsent(),
			[]string{"Unverified app", "Any app can use this name. Approve only if you have just started to sign in at element.example.com."},
			[]string{"Approved by your administrator"},
		},
		{
			"L-25: a client of the administrator's is not marked",
			with(sampleConsent(), func(c *Consent) { c.Configured = true }),
			[]string{"Approved by your administrator"},
			[]string{"Unverified", "Any app"},
		},
		{
			"L-25: a host that looks like another is shown in punycode",
			with(sampleConsent(), func(c *Consent) { c.ClientURI = "https://\u0435lement.example.com/" }),
			[]string{"xn--lement-2of.example.com"},
			[]string{"\u0435"}, // the Cyrillic letter
		},
		{
			"a client without a name is called by its host, which is no claim",
			with(sampleConsent(), func(c *Consent) { c.ClientName = "\u200b" }),
			[]string{"Let element.example.com use your account?"},
			[]string{"Any app"},
		},
		{
			"a client without client_uri is called by the host of its redirect URI",
			with(sampleConsent(), func(c *Consent) { c.ClientName, c.ClientURI, c.Configured = "", "", true }),
			[]string{"Let element.example.com use your account?"},
			nil,
		},
		{
			"C-60: another redirect host is shown",
			with(sampleConsent(), func(c *Consent) { c.RedirectURI = "https://login.element.example.com:8443/cb" }),
			[]string{"Afterwards you go to login.element.example.com:8443."},
			nil,
		},
		{
			"a loopback redirect leads to this device, where name and address are claims",
			with(sampleConsent(), func(c *Consent) { c.RedirectURI = "http://[::1]:1234/cb" }),
			[]string{"back to an app on this device ([::1]).", "Any app can use this name and address."},
			[]string{"1234", "sign in at"},
		},
		{
			"a private-use scheme leads to this device",
			with(sampleConsent(), func(c *Consent) { c.RedirectURI = "com.example.element:/cb" }),
			[]string{"back to an app on this device (com.example.element:)."},
			nil,
		},
		{
			"C-66: a device that exists is going to be replaced",
			with(sampleConsent(), func(c *Consent) { c.Device.Name, c.Device.Exists = "Alice's phone", true }),
			[]string{"Alice's phone", "You already have a session with this device ID.", "signed out and Element Web takes its place"},
			nil,
		},
		{
			"no device is named when none is granted",
			with(sampleConsent(), func(c *Consent) { c.Device = Device{} }),
			nil,
			[]string{"session", "Device"},
		},
		{
			"B-15: terms and privacy policy",
			sampleConsent(),
			[]string{"Terms of Element Web", "Privacy policy of Element Web", "open in a new tab"},
			nil,
		},
		{
			"no links without terms and policy",
			with(sampleConsent(), func(c *Consent) { c.TOSURI, c.PolicyURI = "", "" }),
			nil,
			[]string{"Terms", "Privacy", "new tab"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := body(t, tt.page)
			for _, text := range tt.says {
				if !strings.Contains(got, text) {
					t.Errorf("it does not say %q:\n%s", text, got)
				}
			}
			for _, text := range tt.hushes {
				if strings.Contains(got, text) {
					t.Errorf("it says %q:\n%s", text, got)
				}
			}
		})
	}
}

func TestConsentListsPermissionsInOneOrder(t *testing.T) {
	page := with(sampleConsent(), func(c *Consent) {
		c.Permissions = []Permission{PermissionEmail, PermissionOffline, PermissionMatrix, PermissionEmail}
	})
	var got []string
	for _, item := range elements(document(t, page), "li") {
		got = append(got, words(item))
	}
	want := []string{
		"use Matrix as you: read and send messages, and change your rooms and contacts",
		"see your e-mail address",
		"stay signed in until you sign out",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestConsentLinksOnlyWhatIsSafe(t *testing.T) {
	tests := []struct {
		name string
		page Consent
		want []string
	}{
		{"B-15: https", sampleConsent(), []string{
			"/_tuwunel/oidc/authorize?oidc_req_id=request-1", "https://element.example.com/tos", "https://element.example.com/privacy",
		}},
		{"L-24: no javascript, no data", with(sampleConsent(), func(c *Consent) {
			c.TOSURI, c.PolicyURI = "javascript:alert(1)", "data:text/html,x"
		}), []string{"/_tuwunel/oidc/authorize?oidc_req_id=request-1"}},
		{"L-24: no http, no user information", with(sampleConsent(), func(c *Consent) {
			c.TOSURI, c.PolicyURI = "http://element.example.com/", "https://u@element.example.com/"
		}), []string{"/_tuwunel/oidc/authorize?oidc_req_id=request-1"}},
		{"L-24: nor a switch of accounts elsewhere", with(sampleConsent(), func(c *Consent) {
			c.SwitchURL, c.TOSURI, c.PolicyURI = "//evil.example/", "", ""
		}), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, a := range elements(document(t, tt.page), "a") {
				got = append(got, attr(a, "href"))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got links to %q, want %q", got, tt.want)
			}
		})
	}
}

func TestHostileTextStaysText(t *testing.T) {
	const attack = `"><script>alert(1)</script><img src=x onerror=alert(1)>{{.CSRFToken}}`
	pages := map[string]Page{
		"L-23: consent": Consent{
			Form:       Form{Action: "/x" + attack, CSRFToken: attack, RequestID: attack},
			ClientName: attack, ClientURI: "https://element.example.com/", RedirectURI: "https://element.example.com/" + attack,
			TOSURI: "https://element.example.com/" + attack, UserID: attack, SwitchURL: "/" + attack,
			Permissions: permissions, Device: Device{ID: attack, Name: attack, Exists: true},
		},
		"L-23: choice of providers": ChooseProvider{App: attack, Providers: []Provider{{Name: attack, URL: "/" + attack}}},
		"L-23: confirmation":        ConfirmLogin{Form: sampleForm, RedirectURL: "https://app.example.com/" + attack, UserID: attack},
		"L-23: error": ErrorPage{
			Reason: ReasonMalformed, Parameter: attack, Reference: attack,
			Actions: []Action{{Kind: ActionReturn, URL: "https://app.example.com/" + attack}},
		},
		"L-23: taken name": ErrorPage{Reason: ReasonNameTaken, Provider: attack, UserID: attack},
	}
	for name, page := range pages {
		t.Run(name, func(t *testing.T) {
			got := source(t, language.English, page)
			for _, n := range elements(parse(t, got), "") {
				if n.Data == "script" || attr(n, "onerror") != "" {
					t.Errorf("the text became a %s element", n.Data)
				}
			}
			if !strings.Contains(got, "&lt;script&gt;alert(1)&lt;/script&gt;") {
				t.Error("the text is not shown")
			}
			if !strings.Contains(got, "{{.CSRFToken}}") {
				t.Error("the text was taken for a template")
			}
		})
	}
}

func TestInvisibleTextIsNotShown(t *testing.T) {
	const hidden = "\u202e\u2066\u200b\u200d\ufeff\u0007\u00ad"
	pages := map[string]Page{
		"L-23: consent": with(sampleConsent(), func(c *Consent) {
			c.ClientName, c.UserID = "Ele"+hidden+"ment", "@al"+hidden+"ice:example.org"
			c.Device = Device{ID: "AAA" + hidden, Name: "Pho" + hidden + "ne"}
		}),
		"L-23: choice of providers": ChooseProvider{App: "E" + hidden, Providers: []Provider{{Name: "K" + hidden, URL: "/"}}},
		"L-23: error":               ErrorPage{Reason: ReasonMalformed, Parameter: "sc" + hidden + "ope", Reference: "01" + hidden},
	}
	for name, page := range pages {
		t.Run(name, func(t *testing.T) {
			if got := source(t, language.English, page); strings.ContainsAny(got, hidden) {
				t.Errorf("the page contains one of %+q", hidden)
			}
		})
	}
}
