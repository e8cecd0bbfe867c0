package templates

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/text/language"
)

const serverName = "example.org"

// ours is a Renderer for example.org.
var ours = sync.OnceValues(func() (*Renderer, error) { return New(Options{ServerName: serverName}) })

// renderer returns a Renderer for example.org, the same for all tests.
func renderer(t *testing.T) *Renderer {
	t.Helper()
	r, err := ours()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// source renders page in lang.
func source(t *testing.T, lang language.Tag, page Page) string {
	t.Helper()
	var buf bytes.Buffer
	if err := renderer(t).Render(&buf, lang, page); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// document renders page in English and parses it.
func document(t *testing.T, page Page) *html.Node {
	t.Helper()
	return parse(t, source(t, language.English, page))
}

func parse(t *testing.T, source string) *html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// elements returns the elements called name, in document order; "" is all.
func elements(doc *html.Node, name string) []*html.Node {
	var found []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode && (name == "" || n.Data == name) {
			found = append(found, n)
		}
	}
	return found
}

// attr returns an attribute of n, or "".
func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// words returns the text in n with single spaces.
func words(n *html.Node) string {
	inline := []string{"a", "bdi", "span", "strong"}
	var text strings.Builder
	for d := range n.Descendants() {
		switch {
		case d.Type == html.TextNode:
			text.WriteString(d.Data)
		case !slices.Contains(inline, d.Data):
			text.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(strings.NewReplacer("\u2068", "", "\u2069", "").Replace(text.String())), " ")
}

// body returns what a person reads of page in English.
func body(t *testing.T, page Page) string {
	t.Helper()
	return words(elements(document(t, page), "body")[0])
}

var sampleForm = Form{Action: "/_tuwunel/oidc/_complete", CSRFToken: "csrf-token-1", RequestID: "request-1"}

func sampleConsent() Consent {
	return Consent{
		Form:        sampleForm,
		ClientName:  "Element Web",
		ClientURI:   "https://element.example.com/",
		RedirectURI: "https://element.example.com/callback",
		TOSURI:      "https://element.example.com/tos",
		PolicyURI:   "https://element.example.com/privacy",
		UserID:      "@alice:example.org",
		SwitchURL:   "/_tuwunel/oidc/authorize?oidc_req_id=request-1",
		Permissions: []Permission{PermissionMatrix, PermissionIdentity},
		Device:      Device{ID: "AAABBBCCCDDD"},
	}
}

// with returns a changed copy of a page.
func with[P Page](page P, change func(*P)) P {
	change(&page)
	return page
}

var sampleActions = []Action{
	{Kind: ActionRetry, URL: "/retry"},
	{Kind: ActionRestart, URL: "/restart"},
	{Kind: ActionContinue, URL: "com.example.app:/callback?code=1"},
	{Kind: ActionChoose, URL: "/choose"},
	{Kind: ActionAccount, URL: "/account"},
	{Kind: ActionAnother, URL: "/account?switch=1"},
	{Kind: ActionSignOut, URL: "https://sso.example.com/end_session?client_id=keymaker"},
	{Kind: ActionReturn, URL: "https://app.example.com/callback?error=access_denied"},
	{Kind: ActionReturn, URL: "com.example.app:/callback?error=access_denied"},
	{Kind: ActionReturn, URL: sampleReturn, Fields: sampleFields},
}

const sampleReturn = "https://app.example.com/callback?kept=1"

var sampleFields = []Field{{"error", "access_denied"}, {"state", `"><script>alert(1)</script>&'`}}

// samples are pages that together show every branch of every template.
func samples() map[string]Page {
	all := map[string]Page{
		"choose": ChooseProvider{Providers: []Provider{
			{Name: "Keycloak", Brand: "keycloak", Last: true, URL: "/_matrix/client/v3/login/sso/redirect/keycloak?oidc_req_id=request-1"},
			{Name: "GitHub", Brand: "github", URL: "/_matrix/client/v3/login/sso/redirect/github?oidc_req_id=request-1"},
			{Name: "Universität Zürich", URL: "/_matrix/client/v3/login/sso/redirect/uzh?oidc_req_id=request-1"},
		}},
		"choose for an app": ChooseProvider{App: "Element Web", Providers: []Provider{{Name: "Keycloak", URL: "/a"}, {Name: "GitHub", URL: "/b"}}},

		"consent": sampleConsent(),
		"consent of a configured client": with(sampleConsent(), func(c *Consent) {
			c.Configured, c.Device, c.SwitchURL, c.TOSURI, c.PolicyURI = true, Device{}, "", "", ""
			c.Permissions = []Permission{PermissionIdentity}
		}),
		"consent for an app on the device": with(sampleConsent(), func(c *Consent) {
			c.ClientName, c.RedirectURI = "Element X", "http://127.0.0.1:49152/callback"
			c.Permissions, c.PolicyURI = permissions, ""
			c.Device = Device{ID: "AAABBBCCCDDD", Name: "Element X on Alice's phone", Exists: true}
		}),
		"consent with another redirect host": with(sampleConsent(), func(c *Consent) {
			c.RedirectURI, c.TOSURI = "https://login.element.example.com/callback", ""
		}),

		"sign out": SignOut{Form: sampleForm},
		"sign out of an app": SignOut{Form: sampleForm, ClientName: "Element Web", ClientURI: "https://element.example.com/", UserID: "@alice:example.org",
			Session: true, DeviceID: "AAABBBCCCDDD", RedirectURI: "https://element.example.com/bye"},
		"sign out of an app on the device": SignOut{Form: sampleForm, ClientURI: "https://app.example.com/", Session: true, RedirectURI: "com.example.app:/bye"},
		"confirm":                          ConfirmLogin{Form: sampleForm, RedirectURL: "https://app.example.com/#/sso", UserID: "@alice:example.org", SwitchURL: "/switch"},
		"confirm on the device":            ConfirmLogin{Form: sampleForm, RedirectURL: "element://connect", UserID: "@alice:example.org"},
		"device entry":                     DeviceEntry{Form: sampleForm},
		"device entry that failed":         DeviceEntry{Form: sampleForm, UserCode: "BCDF-GHJK", Failed: true},
		"device consent": DeviceConsent{
			Form: sampleForm, ClientName: "Element TV", ClientURI: "https://element.example.com/", UserCode: "BCDF-GHJK",
			Address: "203.0.113.7", Agent: "ElementTV/1.0", RequestedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), UserID: "@alice:example.org",
			SwitchURL: "/switch", Permissions: permissions, Device: Device{ID: "AAABBBCCCDDD", Name: "Element TV", Exists: true},
		},
		"device consent of a configured client": DeviceConsent{Form: sampleForm, ClientName: "TV", Configured: true, UserCode: "BCDF-GHJK",
			RequestedAt: time.Date(2026, time.November, 25, 9, 5, 0, 0, time.UTC), UserID: "@alice:example.org", Permissions: []Permission{PermissionMatrix}},
		"device consent of little": DeviceConsent{Form: sampleForm, ClientURI: "https://tv.example.com/", UserCode: "BCDF-GHJK",
			UserID: "@alice:example.org", Permissions: []Permission{PermissionIdentity}},
	}
	every := ChooseProvider{App: "Element Web"}
	for _, brand := range []string{"github", "gitlab", "google", "microsoft", "keycloak", "authentik", "authelia", "zitadel", "okta", "dex", "mas", "another"} {
		every.Providers = append(every.Providers, Provider{Name: "The " + brand + " of Example Inc.", Brand: brand, URL: "/" + brand})
	}
	all["choose among all brands"] = every
	all["form post"] = FormPost{URL: sampleReturn, Fields: sampleFields}
	all["form post to the device"] = FormPost{URL: "http://127.0.0.1:49152/callback", Fields: sampleFields}
	maps.Copy(all, accountSamples())
	for _, kind := range noticeKinds {
		all["notice "+string(kind)] = Notice{Kind: kind}
	}
	all["notice with actions"] = Notice{Kind: NoticeDone, Actions: sampleActions}
	all["error"] = ErrorPage{Reason: ReasonExpired, Actions: []Action{{Kind: ActionRestart, URL: "/restart"}}, Reference: "01JD3QH8Z0"}
	for reason := range maps.Keys(statuses) {
		all["error "+string(reason)] = ErrorPage{Reason: reason}
		all["error "+string(reason)+" in full"] = ErrorPage{
			Reason: reason, Parameter: "code_challenge", Provider: "Keycloak", UserID: "@alice:example.org",
			Actions: sampleActions, Reference: "01JD3QH8Z0",
		}
	}
	return all
}

// eachSample runs check on every sample in every language.
func eachSample(t *testing.T, check func(t *testing.T, lang language.Tag, source string)) {
	all := samples()
	for _, lang := range renderer(t).Languages() {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			t.Run(lang.String()+"/"+name, func(t *testing.T) {
				check(t, lang, source(t, lang, all[name]))
			})
		}
	}
}
