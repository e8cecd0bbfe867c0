package templates

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestAnErrorPageSaysWhatHappenedAndWhatToDo(t *testing.T) {
	tests := []struct {
		name string
		page ErrorPage
		says []string
	}{
		{"C-29: the parameter that is wrong", ErrorPage{Reason: ReasonMalformed, Parameter: "code_challenge"},
			[]string{"The app made a mistake", "In the app's request, code_challenge is missing or wrong.", "Try again from the app"}},
		{"the request when no parameter is named", ErrorPage{Reason: ReasonMalformed},
			[]string{"The app's request is incomplete or wrong."}},
		{"C-69: that it was used before", ErrorPage{Reason: ReasonAlreadyUsed},
			[]string{"This sign-in is already finished", "Go back to your app."}},
		{"the name that is taken", ErrorPage{Reason: ReasonNameTaken, Provider: "Keycloak", UserID: "@alice:example.org"},
			[]string{"This name is already taken", "Keycloak gave you the name @alice:example.org", "ask the administrator of example.org"}},
		{"the provider that is down", ErrorPage{Reason: ReasonProviderUnreachable, Provider: "Keycloak"},
			[]string{"Keycloak does not answer", "Wait a moment"}},
		{"a provider without a name", ErrorPage{Reason: ReasonProviderUnreachable},
			[]string{"The identity provider does not answer"}},
		{"the settings that are missing", ErrorPage{Reason: ReasonCallbackMissing, Provider: "Keycloak"},
			[]string{"Keycloak would not know", "callback_url", "well_known.client"}},
		{"C-67: the account that is locked", ErrorPage{Reason: ReasonAccountLocked, UserID: "@alice:example.org"},
			[]string{"An administrator has locked @alice:example.org"}},
		{"the reference", ErrorPage{Reason: ReasonServerTrouble, Reference: "01JD3QH8Z0"},
			[]string{"Reference: 01JD3QH8Z0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := body(t, tt.page)
			for _, text := range tt.says {
				if !strings.Contains(got, text) {
					t.Errorf("it does not say %q:\n%s", text, got)
				}
			}
		})
	}
}

func TestAnErrorPageWithoutAReferenceShowsNone(t *testing.T) {
	if got := body(t, ErrorPage{Reason: ReasonExpired}); strings.Contains(got, "Reference") {
		t.Errorf("it says %q", got)
	}
}

func TestTheTitleOfAnErrorPageIsItsHeading(t *testing.T) {
	doc := document(t, ErrorPage{Reason: ReasonProviderError, Provider: "Keycloak & Sons"})
	want := "Keycloak & Sons did not sign you in"
	if got := words(elements(doc, "h1")[0]); got != want {
		t.Errorf("the heading is %q, want %q", got, want)
	}
	if got := words(elements(doc, "title")[0]); got != want+" · example.org" {
		t.Errorf("the title is %q", got)
	}
}

func TestStatus(t *testing.T) {
	tests := map[Reason]int{
		ReasonUnknownClient:     http.StatusBadRequest,          // C-29
		ReasonRedirectURI:       http.StatusBadRequest,          // C-29
		ReasonRedirectURL:       http.StatusBadRequest,          // I-04
		ReasonUnknownProvider:   http.StatusNotFound,            // I-04
		ReasonAlreadyUsed:       http.StatusConflict,            // C-69
		ReasonCSRF:              http.StatusForbidden,           // L-06
		ReasonServerTrouble:     http.StatusServiceUnavailable,  // try again
		Reason("never defined"): http.StatusInternalServerError, // a mistake of ours
	}
	for reason, want := range tests {
		if got := reason.Status(); got != want {
			t.Errorf("%s: got %d, want %d", reason, got, want)
		}
	}
	for reason, status := range statuses {
		if status < 400 || http.StatusText(status) == "" {
			t.Errorf("%s has the status %d, which is no error", reason, status)
		}
	}
}

func TestActions(t *testing.T) {
	type button struct{ href, says string }
	tests := []struct {
		name    string
		actions []Action
		want    []button
	}{
		{"none", nil, nil},
		{"in the order given", []Action{{Kind: ActionRetry, URL: "/a"}, {Kind: ActionRestart, URL: "/b?c=d&e=f"}, {Kind: ActionChoose, URL: "/c"}},
			[]button{{"/a", "Try again"}, {"/b?c=d&e=f", "Start again"}, {"/c", "Choose another way to sign in"}}},
		{"C-2A: back to a host, which is named", []Action{{Kind: ActionReturn, URL: "https://app.example.com/cb?error=invalid_scope&state=a%2Bb"}},
			[]button{{"https://app.example.com/cb?error=invalid_scope&state=a%2Bb", "Return to app.example.com"}}},
		{"back to an app by its private-use scheme", []Action{{Kind: ActionReturn, URL: "com.example.app:/cb?error=invalid_scope"}},
			[]button{{"com.example.app:/cb?error=invalid_scope", "Return to the app"}}},
		{"back to an app on loopback", []Action{{Kind: ActionReturn, URL: "http://127.0.0.1:1234/cb"}, {Kind: ActionReturn, URL: "http://[::1]:1234/cb"}, {Kind: ActionReturn, URL: "http://localhost:1234/cb"}},
			[]button{{"http://127.0.0.1:1234/cb", "Return to the app"}, {"http://[::1]:1234/cb", "Return to the app"}, {"http://localhost:1234/cb", "Return to the app"}}},
		{"L-24: nothing that runs, reads or carries content",
			[]Action{{Kind: ActionReturn, URL: "javascript:alert(1)"}, {Kind: ActionReturn, URL: "JavaScript:alert(1)"}, {Kind: ActionReturn, URL: "data:text/html,x"},
				{Kind: ActionReturn, URL: "vbscript:x"}, {Kind: ActionReturn, URL: "blob:https://app.example.com/x"}, {Kind: ActionReturn, URL: "file:///etc/passwd"}}, nil},
		{"L-02: nothing that looks like a path and is none",
			[]Action{{Kind: ActionRestart, URL: "//evil.example/"}, {Kind: ActionRestart, URL: `/\evil.example/`}, {Kind: ActionRestart, URL: "https:evil.example"},
				{Kind: ActionRestart, URL: "evil.example"}, {Kind: ActionRestart, URL: ""}, {Kind: ActionRestart, URL: "https://u:p@evil.example/"}, {Kind: ActionRestart, URL: "http://evil.example/"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []button
			for _, a := range elements(document(t, ErrorPage{Reason: ReasonExpired, Actions: tt.actions}), "a") {
				got = append(got, button{attr(a, "href"), words(a)})
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEveryReasonHasItsOwnTitleOrAdvice(t *testing.T) {
	seen := map[string]Reason{}
	for _, reason := range slices.Sorted(maps.Keys(statuses)) {
		text := words(elements(document(t, ErrorPage{Reason: reason}), "main")[0])
		if other, ok := seen[text]; ok {
			t.Errorf("%s and %s cannot be told apart", reason, other)
		}
		seen[text] = reason
	}
}
