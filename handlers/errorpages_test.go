package handlers_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
	dom "golang.org/x/net/html"

	"keymaker/internal/demoidp"
	"keymaker/internal/harness"
)

// failure is one way to an error page, and where its button leads: the beginning
// of an address.
type failure struct {
	leads string
	page  func(t *testing.T) (*harness.Env, harness.Page)
}

// newcomer is a browser that has begun an authorization request, as the demo
// provider's form.
func newcomer(t *testing.T, configure ...func(*harness.Options)) (*harness.Env, *harness.Browser, harness.Request) {
	t.Helper()
	e := harness.Start(t, configure...)
	id, _ := e.Register(harness.WebClient)
	return e, e.NewBrowser(), e.NewRequest(id, harness.ScopeStable+"FAILURE")
}

// changed visits an authorization request in which one parameter is another.
func changed(t *testing.T, name, value string) (*harness.Env, harness.Page) {
	t.Helper()
	e, b, r := newcomer(t)
	r.Values.Set(name, value)
	return e, b.Authorize(r)
}

// refusedBy comes back from the provider with an error.
func refusedBy(code string) func(t *testing.T) (*harness.Env, harness.Page) {
	return func(t *testing.T) (*harness.Env, harness.Page) {
		t.Helper()
		e, b, r := newcomer(t)
		state := stateOf(t, b.Authorize(r))
		return e, back(b, e, url.Values{"error": {code}, "state": {state}})
	}
}

// spoiled signs in at a provider that does something wrong.
func spoiled(f func(i *impostor) fault, configure ...func(*harness.Options)) func(t *testing.T) (*harness.Env, harness.Page) {
	return func(t *testing.T) (*harness.Env, harness.Page) {
		t.Helper()
		i := startImpostor(t, configure...)
		id, _ := i.e.Register(harness.WebClient)
		i.spoil(f(i))
		b := i.e.NewBrowser()
		return i.e, b.SignIn(b.Authorize(i.e.NewRequest(id, harness.ScopeStable+"FAILURE")), "alice")
	}
}

// closedAccount signs in as somebody who may not.
func closedAccount(column string) func(t *testing.T) (*harness.Env, harness.Page) {
	return func(t *testing.T) (*harness.Env, harness.Page) {
		t.Helper()
		e, b, _ := newcomer(t)
		e.LogIn("alice", "FIRST")
		setUser(e, "alice", column, true)
		return e, b.SignIn(b.Visit(accountPath), "alice")
	}
}

// requestFailures are the reasons that a request itself gives.
func requestFailures() map[string]failure {
	return map[string]failure{
		"unknown_client": {accountPath, func(t *testing.T) (*harness.Env, harness.Page) { return changed(t, "client_id", "nobody") }},
		"redirect_uri": {accountPath, func(t *testing.T) (*harness.Env, harness.Page) {
			return changed(t, "redirect_uri", "https://evil.net/")
		}},
		"malformed": {harness.WebRedirect, func(t *testing.T) (*harness.Env, harness.Page) { return changed(t, "code_challenge", "short") }},
		"expired": {restartPath + "?", func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, r := newcomer(t)
			asked := b.Consent(r, "alice")
			e.Clock.Advance(31 * time.Minute)
			return e, b.Decide(asked, "approve")
		}},
		"other_browser": {accountPath, func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, r := newcomer(t)
			return e, e.NewBrowser().Visit(b.Consent(r, "alice").Request.URL.RequestURI())
		}},
		"already_used": {restartPath + "?", func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, r := newcomer(t)
			asked := b.Consent(r, "alice")
			b.Decide(asked, "approve")
			return e, b.Decide(asked, "approve")
		}},
		"csrf": {restartPath + "?", func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, r := newcomer(t)
			asked := b.Consent(r, "alice")
			action, values := b.Fields(asked)
			values.Set("csrf_token", "forged")
			values.Set("decision", "approve")
			return e, b.Post(asked, action, values)
		}},
		"redirect_url": {accountPath, func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, _ := newcomer(t)
			return e, b.Visit(legacyStart("javascript:alert(1)"))
		}},
		"not_found": {accountPath, func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, _ := newcomer(t)
			return e, b.Visit("/nothing")
		}},
		"method_not_allowed": {accountPath, func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, _ := newcomer(t)
			return e, b.Visit(endSessionConfirmPath)
		}},
		"too_large": {accountPath, func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, r := newcomer(t)
			return e, b.Post(b.Consent(r, "alice"), completePath, url.Values{"x": {strings.Repeat("x", 65<<10)}})
		}},
		"too_many_requests": {authorizePath + "?", func(t *testing.T) (*harness.Env, harness.Page) {
			e := limitedTo(t, 10)
			id, _ := e.Register(harness.WebClient)
			exhaust(e)
			return e, e.NewBrowser().Authorize(e.NewRequest(id, harness.ScopeStable+"FAILURE"))
		}},
		"server_trouble": {authorizePath + "?", func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, r := newcomer(t)
			defer broken(e, "INSERT ON authorization_requests")()
			return e, b.Authorize(r)
		}},
	}
}

// providerFailures are the reasons that an identity provider gives, or what it
// says of a person.
func providerFailures() map[string]failure {
	return map[string]failure{
		"unknown_provider": {ssoPath + "?", func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, _ := newcomer(t)
			return e, b.Visit(ssoPath + "/nobody?" + url.Values{"redirectUrl": {harness.LegacyRedirect}}.Encode())
		}},
		"callback_missing": {ssoPath + "/", func(t *testing.T) (*harness.Env, harness.Page) {
			e := harness.Start(t, func(o *harness.Options) { o.NoWellKnown = true })
			return e, e.NewBrowser().Visit(legacyStart(harness.LegacyRedirect))
		}},
		"provider_unreachable": {ssoPath + "/", spoiled(func(*impostor) fault { return answering(idpUserinfo, 500, "text/html", "") })},
		"provider_invalid":     {ssoPath + "/", spoiled(func(i *impostor) fault { return i.idToken(func(string) string { return "x" }) })},
		"provider_error":       {ssoPath + "/", refusedBy("server_error")},
		"cancelled":            {ssoPath + "/", refusedBy("access_denied")},
		"no_usable_name": {ssoPath + "/", spoiled(func(*impostor) fault {
			return both(setAt(idpUserinfo, "email", nil), setAt(idpUserinfo, "preferred_username", ""))
		}, func(o *harness.Options) { o.Provider = "unique_id_fallbacks = false" })},
		"name_taken": {ssoPath + "/", func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, r := newcomer(t, func(o *harness.Options) { o.Provider = "unique_id_fallbacks = false" })
			execute(e, "INSERT INTO users (localpart, display_name, email, created_at) VALUES ('alice', '', '', 0)")
			return e, b.Consent(r, "alice")
		}},
		"registration_disabled": {ssoPath + "/", func(t *testing.T) (*harness.Env, harness.Page) {
			e, b, r := newcomer(t, func(o *harness.Options) { o.Provider = "registration = false\ntrusted = true" })
			return e, b.Consent(r, "bob")
		}},
		"linked_elsewhere": {accountPath, func(t *testing.T) (*harness.Env, harness.Page) {
			e := twoProviders(t, "unique_id_fallbacks = false")
			signedInAt(e, "second", "alice")
			bob, _ := signedInAt(e, e.IDP.ClientID, "bob")
			return e, linkOther(t, bob, "alice")
		}},
		"account_locked":      {accountPath + "?switch=1", closedAccount("locked_at")},
		"account_deactivated": {accountPath + "?switch=1", closedAccount("deactivated_at")},
	}
}

// proofFailures are the reasons why a sign-in proves nothing.
func proofFailures() map[string]failure {
	return map[string]failure{
		"other_account": {resetPath + "?", func(t *testing.T) (*harness.Env, harness.Page) {
			e, _ := resetEnv(t)
			logInAt(e, e.IDP.ClientID, "alice", "FIRST")
			b := e.NewBrowser()
			return e, b.SignIn(b.Visit(waits(e, "alice", "FIRST").page()), "bob")
		}},
		"not_fresh": {resetPath + "?", func(t *testing.T) (*harness.Env, harness.Page) {
			e, g := startGitHub(t, believing)
			logInAt(e, githubID, "", "DEVICE")
			w, b := waits(e, "octo-alice", "DEVICE"), octoAtHome(t, e)
			to := leaves(t, e, b, w.page())
			e.Config = strings.Replace(e.Config, believing, "", 1)
			e.Restart()
			g.signedIn(octo)
			return e, b.Visit(callbackOf(e, githubID, to))
		}},
		"homeserver_away": {resetPath + "?", func(t *testing.T) (*harness.Env, harness.Page) {
			home := behindSynapse(t)
			home.LogIn("alice", "PHONE")
			b := home.NewBrowser()
			asked := b.SignIn(b.SignIn(b.Visit(resetLink+"&device_id=PHONE"), "alice"), "alice")
			home.home.FailNext(2, http.StatusBadGateway)
			return home.Env, b.Decide(asked, "approve")
		}},
		"cannot_prove": {accountPath, func(t *testing.T) (*harness.Env, harness.Page) {
			e, _ := startGitHub(t, "")
			logInAt(e, githubID, "", "DEVICE")
			return e, e.NewBrowser().Visit(waits(e, "octo-alice", "DEVICE").page())
		}},
	}
}

func TestEveryErrorPage(t *testing.T) {
	all := map[string]failure{}
	for _, some := range []map[string]failure{requestFailures(), providerFailures(), proofFailures()} {
		maps.Copy(all, some)
	}
	reasons := reasonsInTheCode(t)
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, reasons) {
		t.Errorf("the reasons are\n%q, tried are\n%q", reasons, got)
	}
	said := englishErrors(t)
	for _, reason := range reasons {
		t.Run("L-18: the page of "+reason+" says what happened and what to do, leads on, and has the reference of the log", func(t *testing.T) {
			f, ok := all[reason]
			if !ok {
				t.Fatal("nobody has tried it")
			}
			e, p := f.page(t)
			expectWords(t, p, said[reason])
			if line := logged(e, referenceOf(t, p)); !strings.Contains(line, `"msg":"request refused"`) {
				t.Errorf("the log says %q", line)
			}
			links := p.Links()
			if len(links) == 0 || !strings.HasPrefix(links[0], f.leads) {
				t.Fatalf("the page leads to %q, want %s…", links, f.leads)
			}
			if !strings.HasPrefix(links[0], "/") {
				return
			}
			e.Clock.Advance(time.Minute)
			if a := e.Get(links[0]); a.Status >= http.StatusInternalServerError && reason != "callback_missing" || a.Status == http.StatusNotFound {
				t.Errorf("%s answers %d", links[0], a.Status)
			}
		})
	}
}

// errorText is what an error page says, up to the first value.
type errorText struct{ Title, What, Next string }

// englishErrors are the texts of all reasons.
func englishErrors(t *testing.T) map[string]errorText {
	t.Helper()
	source := must(os.ReadFile("../templates/messages/en.toml"))
	var all struct {
		Error map[string]json.RawMessage
	}
	var read map[string]any
	if err := toml.Unmarshal(source, &read); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(must(json.Marshal(read)), &all); err != nil {
		t.Fatal(err)
	}
	texts := map[string]errorText{}
	for reason, raw := range all.Error {
		var text errorText
		if json.Unmarshal(raw, &text) == nil {
			texts[reason] = text
		}
	}
	return texts
}

// value is what a message puts in, with or without words for its absence.
var value = regexp.MustCompile(`\{\{if .*?\{\{end\}\}|\{\{[^}]*\}\}`)

// expectWords wants the title, what happened and what to do now of one reason, and
// no place for a value left empty.
func expectWords(t *testing.T, p harness.Page, want errorText) {
	t.Helper()
	root := must(dom.Parse(strings.NewReader(p.HTML)))
	var got []string
	for n := range root.Descendants() {
		if n.Parent != nil && n.Parent.Data == "main" && (n.Data == "h1" || n.Data == "p") {
			var text strings.Builder
			for d := range n.Descendants() {
				if d.Type == dom.TextNode {
					text.WriteString(d.Data)
				}
			}
			got = append(got, text.String())
		}
	}
	if len(got) < 3 {
		t.Fatalf("the page says %q", got)
	}
	for i, text := range []string{want.Title, want.What, want.Next} {
		parts := value.Split(text, -1)
		for j := range parts {
			parts[j] = regexp.QuoteMeta(parts[j])
		}
		if pattern := "^" + strings.Join(parts, ".*") + "$"; text == "" || !regexp.MustCompile(pattern).MatchString(got[i]) {
			t.Errorf("the page says %q, want %q", got[i], text)
		}
	}
}

// reasonsInTheCode are all reasons that an error page can have.
func reasonsInTheCode(t *testing.T) []string {
	t.Helper()
	source := must(os.ReadFile("../templates/reason.go"))
	var all []string
	for _, match := range regexp.MustCompile(`(?m)^\tReason\w+ Reason = "(\w+)"$`).FindAllSubmatch(source, -1) {
		all = append(all, string(match[1]))
	}
	if len(all) < 20 {
		t.Fatalf("the reasons are %q", all)
	}
	slices.Sort(all)
	return all
}

// TestAnErrorLeadsBackToADevicesCode: what was typed on the page for a device's
// code begins there once more.
func TestAnErrorLeadsBackToADevicesCode(t *testing.T) {
	e := harness.Start(t, unlimited)
	if err := e.IDP.SetUser(demoidp.User{Subject: "subject-carol", Username: "carol"}); err != nil {
		t.Fatal(err)
	}
	t.Run("L-06: a forged entry", func(t *testing.T) {
		b := e.For(t).NewBrowser()
		p := b.Post(b.Visit(devicePagePath), devicePagePath, url.Values{"csrf_token": {"forged"}, "user_code": {"BCDF-GHJK"}})
		expectPage(t, p, http.StatusForbidden, "Start again")
		expectPage(t, b.Follow(p, 0), http.StatusOK, "Enter the code")
	})
	t.Run("C-67: who may not sign in can do so with another account", func(t *testing.T) {
		e := e.For(t)
		e.LogIn("alice", "FIRST")
		setUser(e, "alice", "locked_at", true)
		b := e.NewBrowser()
		p := enter(e, b, begin(e).userCode, "alice")
		expectPage(t, p, http.StatusForbidden, "Sign in with another account")
		expectPage(t, b.SignIn(b.Follow(p, 0), "carol"), http.StatusOK, "use your account?")
	})
}
