package templates

import (
	"slices"
	"strings"
	"testing"
)

func TestTheChoiceOfProvidersIsAListOfLinks(t *testing.T) {
	page := ChooseProvider{Providers: []Provider{
		{Name: "GitHub", URL: "/_matrix/client/v3/login/sso/redirect/github?redirectUrl=https%3A%2F%2Fapp.example.com%2F&x=y"},
		{Name: "K\u202eeycloak", URL: "/_matrix/client/v3/login/sso/redirect/keycloak"},
		{Name: strings.Repeat("n", 200), URL: "/long"},
		{Name: "elsewhere", URL: "javascript:alert(1)"},
	}}
	type link struct{ href, says string }
	var got []link
	for _, a := range elements(document(t, page), "a") {
		_, name, _ := strings.Cut(words(a), " ") // behind the tile
		got = append(got, link{attr(a, "href"), name})
	}
	want := []link{
		{"/_matrix/client/v3/login/sso/redirect/github?redirectUrl=https%3A%2F%2Fapp.example.com%2F&x=y", "Continue with GitHub"},
		{"/_matrix/client/v3/login/sso/redirect/keycloak", "Continue with Keycloak"},
		{"/long", "Continue with " + strings.Repeat("n", 99) + "…"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTheChoiceOfProvidersNamesTheApp(t *testing.T) {
	if got := body(t, ChooseProvider{App: "Element"}); !strings.Contains(got, "Element asks you to sign in.") {
		t.Errorf("it says %q", got)
	}
	if got := body(t, ChooseProvider{App: "\u200b"}); strings.Contains(got, "asks you") {
		t.Errorf("without a name it says %q", got)
	}
}

func TestConfirmLoginSays(t *testing.T) {
	tests := []struct {
		name, redirectURL string
		says              []string
	}{
		{"I-06: the host and the account", "https://app.example.com/#/sso?x=y",
			[]string{"Continue to app.example.com?", "app.example.com will be able to use your whole account @alice:example.org."}},
		{"L-25: the host in punycode", "https://\u0430pp.example.com/",
			[]string{"Continue to xn--pp-6kc.example.com?"}},
		{"I-06: the host that is contacted, not the user information before it", "https://app.example.com@evil.example/",
			[]string{"Continue to evil.example?"}},
		{"I-06: a custom scheme leads to an app", "element://connect",
			[]string{"Continue to an app on this device (element:)?", "The app will be able to use your whole account @alice:example.org."}},
		{"loopback leads to an app", "http://localhost:4000/",
			[]string{"Continue to an app on this device (localhost)?"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := body(t, ConfirmLogin{Form: sampleForm, RedirectURL: tt.redirectURL, UserID: "@alice:example.org"})
			for _, text := range tt.says {
				if !strings.Contains(got, text) {
					t.Errorf("it does not say %q:\n%s", text, got)
				}
			}
		})
	}
}

func TestAnotherAccountIsOfferedOnlyWhereThereIsAWay(t *testing.T) {
	page := ConfirmLogin{Form: sampleForm, RedirectURL: "https://app.example.com/", UserID: "@alice:example.org", SwitchURL: "/switch"}
	links := elements(document(t, page), "a")
	if len(links) != 1 || attr(links[0], "href") != "/switch" || words(links[0]) != "Not you?" {
		t.Errorf("there are %d links, want one to /switch", len(links))
	}
	page.SwitchURL = ""
	if links := elements(document(t, page), "a"); len(links) != 0 {
		t.Errorf("there are %d links, want none", len(links))
	}
}
