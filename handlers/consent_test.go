package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

const consentTitle = "Let My App use your account?"

func TestConsentPage(t *testing.T) {
	e := harness.Start(t)
	e.LogIn("alice", "TAKEN")
	const everything = "openid profile email offline_access " + harness.ScopeStable
	type m = map[string]any
	tests := []struct {
		name     string
		metadata m
		scope    string
		says     []string
		silent   []string // what the page must not say
	}{
		{"C-60 L-25: the client's name and host, marked as unverified", nil, harness.ScopeStable + "NEW", []string{consentTitle, "My App example.com", "Unverified app"}, nil},
		{"C-60 L-25: a look-alike of another host in punycode", m{"client_name": nil, "client_uri": "https://xn--exmple-4nf.com/", "redirect_uris": []string{"https://xn--exmple-4nf.com/cb"}},
			harness.ScopeStable + "NEW", []string{"Let xn--exmple-4nf.com use your account?", "Unverified app"}, []string{"ex\u0430mple"}},
		{"C-60: where the answer goes, if that is another host", nil, harness.ScopeStable + "NEW", []string{"Afterwards you go to app.example.com."}, nil},
		{"C-60: nothing of it, if it is the same", m{"redirect_uris": []string{"https://example.com/cb"}}, harness.ScopeStable + "NEW", nil, []string{"Afterwards"}},
		{"C-60: an app on the person's device", m{"application_type": "native", "redirect_uris": []string{"com.example.app:/cb"}}, harness.ScopeStable + "NEW",
			[]string{"Afterwards you go back to an app on this device (com.example.app:)"}, nil},
		{"C-60: the account, and a way to another", nil, harness.ScopeStable + "NEW", []string{"Signed in as @alice:example.org Not you?"}, nil},
		{"C-60: what is granted, in words", nil, everything + "NEW", []string{
			"use Matrix as you", "see who you are: @alice:example.org", "see your display name and picture", "see your e-mail address", "stay signed in until you sign out",
		}, nil},
		{"C-60: nothing that is not granted", nil, harness.ScopeStable + "NEW", []string{"use Matrix as you"}, []string{"e-mail", "see who you are", "display name"}},
		{"C-60: the unstable spelling has the same words", nil, harness.ScopeUnstable + "NEW", []string{"use Matrix as you", "Device ID NEW"}, nil},
		{"C-3B: openid alone grants no Matrix and no device", nil, "openid", []string{"see who you are"}, []string{"use Matrix as you", "Device ID"}},
		{"C-60: the device", nil, harness.ScopeStable + "NEW", []string{"Device ID NEW"}, []string{"You already have a session"}},
		{"C-66: a device that is there already would be replaced", nil, harness.ScopeStable + "TAKEN", []string{"You already have a session with this device ID."}, nil},
		{"B-13: without a name the host stands for the client", m{"client_name": nil}, harness.ScopeStable + "NEW", []string{"Let example.com use your account?"}, nil},
		{"L-23: markup in a name is text", m{"client_name": `<script>alert(1)</script><b>"&amp;'`}, harness.ScopeStable + "NEW", []string{`<script>alert(1)</script><b>"&amp;'`}, nil},
		{"L-23: a name cannot turn the text around", m{"client_name": "\u202eppA\u2066\u200b"}, harness.ScopeStable + "NEW", []string{"Let ppA use your account?"}, nil},
		{"L-23: markup in a device id is text", nil, harness.ScopeStable + "<b>x</b>", []string{"Device ID <b>x</b>"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			id, _ := e.Register(metadataOf(t, tt.metadata))
			r := e.NewRequest(id, tt.scope)
			if uris, ok := tt.metadata["redirect_uris"].([]string); ok {
				r.Values.Set("redirect_uri", uris[0])
			}
			p := e.NewBrowser().Consent(r, "alice")
			expectPage(t, p, http.StatusOK, "Approve Cancel")
			for _, words := range tt.says {
				if !strings.Contains(p.Text(), words) {
					t.Errorf("the page does not say %q:\n%s", words, p.Text())
				}
			}
			for _, words := range tt.silent {
				if strings.Contains(p.Text(), words) {
					t.Errorf("the page says %q:\n%s", words, p.Text())
				}
			}
			if p.Has("script") {
				t.Error("there is a script in the page")
			}
		})
	}
}

func TestConsentLinks(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(metadataOf(t, map[string]any{
		"tos_uri": "https://example.com/tos", "policy_uri": "https://example.com/privacy", "logo_uri": "https://example.com/logo.png", "client_name#de": "Meine App", "client_name#fi": "Sovellus",
	}))
	b := e.NewBrowser()
	r := e.NewRequest(id, harness.ScopeStable+"LINKS")
	p := b.Consent(r, "alice")
	t.Run("B-15: terms and policy are linked", func(t *testing.T) {
		p := b.For(t).Authorize(r)
		links := strings.Join(p.Links(), " ")
		if !strings.Contains(links, "https://example.com/tos") || !strings.Contains(links, "https://example.com/privacy") {
			t.Errorf("the page links to %s", links)
		}
	})
	t.Run("L-10 L-23: nothing is loaded from the client, not even its logo", func(t *testing.T) {
		p := b.For(t).Authorize(r)
		expectPage(t, p, http.StatusOK, consentTitle)
		if strings.Contains(p.HTML, "logo.png") {
			t.Error("the logo is in the page")
		}
	})
	for accept, want := range map[string]struct{ page, name string }{
		"de-AT, en;q=0.5": {"de", "Meine App"}, "fi-FI, en;q=0.5": {"en", "Sovellus"}, "en, fi;q=0.5": {"en", "My App"}, "th": {"en", "My App"},
	} {
		t.Run("B-17: a localised name is shown to those who read it, whatever the page is in: "+accept, func(t *testing.T) {
			a := e.For(t).Do(http.MethodGet, p.Request.URL.RequestURI(), map[string]string{"Cookie": b.Cookie(), "Accept-Language": accept}, "")
			if a.Header.Get("Content-Language") != want.page || !strings.Contains(string(a.Body), want.name) {
				t.Errorf("Content-Language %q:\n%s", a.Header.Get("Content-Language"), a.Body)
			}
		})
	}
}

func TestConsentFormAction(t *testing.T) {
	e := harness.Start(t)
	tests := []struct{ kind, uri, asked, origin string }{
		{"web", "https://app.example.com/callback", "", "https://app.example.com"},
		{"web", "https://example.com:5173/?x=;script-src", "", "https://example.com:5173"},
		{"native", "http://localhost/cb", "http://localhost:4711/cb", "http://localhost:4711"},
		{"native", "http://[::1]/cb", "http://[::1]:4711/cb", "http:"},
		{"native", "com.example.app:/cb", "", "com.example.app:"},
	}
	for _, tt := range tests {
		t.Run("L-09: the form may lead to "+tt.uri, func(t *testing.T) {
			e := e.For(t)
			id, _ := e.Register(metadataOf(t, map[string]any{"application_type": tt.kind, "redirect_uris": []string{tt.uri}}))
			r := e.NewRequest(id, harness.ScopeStable+"POLICY")
			r.Values.Set("redirect_uri", tt.uri)
			if tt.asked != "" {
				r.Values.Set("redirect_uri", tt.asked)
			}
			b := e.NewBrowser()
			page := b.Consent(r, "alice")
			headers := []http.Header{page.Header}
			if answer := b.Decide(page, "approve"); answer.StatusCode == http.StatusSeeOther {
				headers = append(headers, answer.Header)
			}
			for _, h := range headers {
				if policy := h.Get("Content-Security-Policy"); !strings.HasSuffix(policy, "form-action 'self' "+tt.origin) {
					t.Errorf("Content-Security-Policy is %q", policy)
				}
			}
		})
	}
}

func TestConsentIsOfOneBrowser(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	r := e.NewRequest(id, harness.ScopeStable+"BOUND")
	owner := e.NewBrowser()
	page := owner.Consent(r, "alice")
	action, values := owner.Fields(page)
	values.Set("decision", "approve")
	t.Run("C-06: the browser carries an unguessable id and nothing else", func(t *testing.T) {
		q := e.For(t).NewBrowser().Consent(r, "alice").Request.URL.Query()
		if request := q.Get("oidc_req_id"); len(request) < 22 || len(q) != 1 {
			t.Errorf("the query is %v", q)
		}
	})
	stranger := e.NewBrowser()
	signedIn := e.NewBrowser()
	signedIn.Consent(e.NewRequest(id, harness.ScopeStable+"OTHER"), "bob")
	for name, b := range map[string]*harness.Browser{"without cookies": stranger, "in which somebody else signed in": signedIn} {
		for _, path := range []string{page.Request.URL.RequestURI(), ssoPath + "/" + e.IDP.ClientID + "?" + page.Request.URL.RawQuery} {
			t.Run("C-62 L-07: in a browser "+name+" the request is not there: "+strings.SplitN(path, "?", 2)[0], func(t *testing.T) {
				p := b.For(t).Visit(path)
				if p.StatusCode != http.StatusForbidden && p.StatusCode != http.StatusBadRequest {
					t.Errorf("status %d", p.StatusCode)
				}
				expectDeadEnd(t, p, p.StatusCode, "This sign-in")
				for _, private := range []string{"alice", "My App", "BOUND"} {
					if strings.Contains(p.Text(), private) {
						t.Errorf("the page tells of %s:\n%s", private, p.Text())
					}
				}
			})
		}
		t.Run("C-62: a browser "+name+" cannot send the form", func(t *testing.T) {
			p := b.For(t).Post(page, action, values)
			if p.StatusCode != http.StatusForbidden && p.StatusCode != http.StatusBadRequest || p.Header.Get("Location") != "" {
				t.Errorf("status %d to %q", p.StatusCode, p.Header.Get("Location"))
			}
		})
	}
	t.Run("C-62: a browser without cookies is told that it is the wrong one", func(t *testing.T) {
		expectPage(t, stranger.For(t).Visit(page.Request.URL.RequestURI()), http.StatusForbidden, "This sign-in belongs to another browser")
	})
	for _, request := range []string{"", "x", "' OR 1=1 --", strings.Repeat("A", 43)} {
		t.Run(fmt.Sprintf("C-06: there is no request %.10q", request), func(t *testing.T) {
			p := owner.For(t).Visit(completePath + "?" + url.Values{"oidc_req_id": {request}}.Encode())
			expectDeadEnd(t, p, http.StatusBadRequest, "This sign-in has expired")
		})
	}
	t.Run("C-62: its own browser goes on", func(t *testing.T) {
		e := e.For(t)
		end := owner.Post(page, action, values)
		harness.ExpectJSON(t, e.Exchange(r, harness.Returned(end).Get("code")), http.StatusOK)
	})
}

func TestConsentForm(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	b := e.NewBrowser()
	other := b.Consent(e.NewRequest(id, harness.ScopeStable+"OTHERFORM"), "alice")
	const (
		tooOld = "This page is too old"
		wrong  = "The app made a mistake"
	)
	fetch := func(site, origin string) map[string]string {
		return map[string]string{"Sec-Fetch-Site": site, "Origin": origin}
	}
	tests := []struct {
		name   string
		header map[string]string
		set    url.Values
		status int
		says   string
	}{
		{"L-06: without its token", nil, url.Values{"csrf_token": nil}, 403, tooOld},
		{"L-06: with an empty token", nil, url.Values{"csrf_token": {""}}, 403, tooOld},
		{"L-06: with a wrong token", nil, url.Values{"csrf_token": {strings.Repeat("0", 64)}}, 403, tooOld},
		{"L-06: with the token of another request", nil, url.Values{"csrf_token": {other.Input("csrf_token")}}, 403, tooOld},
		{"L-06: from another site", fetch("cross-site", ""), nil, 403, tooOld},
		{"L-06: from another host of the site", fetch("same-site", ""), nil, 403, tooOld},
		{"L-06: from another origin, in a browser without Sec-Fetch-Site", fetch("", "https://evil.net"), nil, 403, tooOld},
		{"L-06: from no origin", fetch("", "null"), nil, 403, tooOld},
		{"C-69: with neither answer", nil, url.Values{"decision": nil}, 400, wrong},
		{"C-69: with another answer", nil, url.Values{"decision": {"Approve"}}, 400, wrong},
		{"C-03: with two answers", nil, url.Values{"decision": {"approve", "cancel"}}, 400, wrong},
		{"C-03: as JSON", map[string]string{"Content-Type": "application/json"}, nil, 400, wrong},
		{"L-06: too large", nil, url.Values{"x": {strings.Repeat("x", 65<<10)}}, 413, "That is too much for us"},
		{"L-06: from our own page", fetch("same-origin", e.URL), nil, 303, ""},
		{"L-06: from our own page, in a browser without Sec-Fetch-Site", fetch("", e.URL), nil, 303, ""},
		{"L-06: from something that sends neither header", nil, nil, 303, ""},
		{"L-15 L-06: from our own page, through a proxy that asks by another name", map[string]string{"Origin": e.URL, "Host": "keymaker.internal:8080"}, nil, 303, ""},
		{"L-15 L-06: from another origin that is called like the Host", map[string]string{"Origin": "http://evil.net", "Host": "keymaker.internal:8080"}, nil, 403, tooOld},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s, the form is answered with %d", tt.name, tt.status), func(t *testing.T) {
			e := e.For(t)
			page := b.Authorize(e.NewRequest(id, harness.ScopeStable+"FORM"))
			_, values := b.Fields(page)
			values.Set("decision", "approve")
			for name, v := range tt.set {
				values[name] = v
			}
			header := map[string]string{"Content-Type": form, "Cookie": b.Cookie()}
			for name, v := range tt.header {
				if v != "" {
					header[name] = v
				}
			}
			a := e.Do(http.MethodPost, completePath, header, values.Encode())
			if a.Status != tt.status || !strings.Contains(string(a.Body), tt.says) {
				t.Fatalf("status %d, want %d and %q:\n%s", a.Status, tt.status, tt.says, a.Body)
			}
			if given := strings.Contains(a.Header.Get("Location"), "code="); given != (tt.status == http.StatusSeeOther) {
				t.Errorf("on to %q", a.Header.Get("Location"))
			}
			expectPageHeaders(t, a.Header)
		})
	}
}

func TestConsentIsForWhoWasShown(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	b := e.NewBrowser()
	page := b.Consent(e.NewRequest(id, harness.ScopeStable+"SWITCH"), "alice")
	var asBob harness.Page
	t.Run("C-60: Not you? leads to the provider's form, and back as somebody else", func(t *testing.T) {
		b := b.For(t)
		at := b.Follow(page, 0)
		expectLogin(t, e.For(t), at)
		asBob = b.SignIn(at, "bob")
		expectPage(t, asBob, http.StatusOK, "Signed in as @bob:example.org")
	})
	t.Run("C-62: the page that was shown to the one is no approval by the other", func(t *testing.T) {
		expectPage(t, b.For(t).Decide(page, "approve"), http.StatusForbidden, "This page is too old")
	})
	t.Run("C-60: the one who approves is the one who was shown", func(t *testing.T) {
		if code := harness.Returned(b.For(t).Decide(asBob, "approve")).Get("code"); code == "" {
			t.Error("there is no code")
		}
	})
}

func TestConsentIsAnsweredOnce(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	for _, first := range []string{"approve", "cancel"} {
		b := e.NewBrowser()
		r := e.NewRequest(id, harness.ScopeStable+"ONCE")
		page := b.Consent(r, "alice")
		answer := b.Decide(page, first)
		again := map[string]func(*harness.Browser) harness.Page{
			"approving once more":    func(b *harness.Browser) harness.Page { return b.Decide(page, "approve") },
			"cancelling then":        func(b *harness.Browser) harness.Page { return b.Decide(page, "cancel") },
			"going back to the page": func(b *harness.Browser) harness.Page { return b.Visit(page.Request.URL.RequestURI()) },
			"signing in for it once more": func(b *harness.Browser) harness.Page {
				return b.Visit(ssoPath + "/" + e.IDP.ClientID + "?" + page.Request.URL.RawQuery)
			},
			"signing in as somebody else then": func(b *harness.Browser) harness.Page { return b.Follow(page, 0) },
		}
		for name, do := range again {
			t.Run("C-69: after "+first+", "+name+" shows that it is finished", func(t *testing.T) {
				expectDeadEnd(t, do(b.For(t)), http.StatusConflict, "This sign-in is already finished")
			})
		}
		if first == "approve" {
			t.Run("C-69: the one code works", func(t *testing.T) {
				e := e.For(t)
				harness.ExpectJSON(t, e.Exchange(r, harness.Returned(answer).Get("code")), http.StatusOK)
			})
		}
	}
}

func TestRequestsExpire(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	t.Run("C-06: a person has half an hour to approve", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		inTime, late := b.Consent(e.NewRequest(id, harness.ScopeStable+"INTIME"), "alice"), b.Authorize(e.NewRequest(id, harness.ScopeStable+"LATE"))
		e.Clock.Advance(29 * time.Minute)
		if end := b.Decide(inTime, "approve"); end.StatusCode != http.StatusSeeOther {
			t.Errorf("after 29 minutes: status %d", end.StatusCode)
		}
		e.Clock.Advance(2 * time.Minute)
		expectDeadEnd(t, b.Decide(late, "approve"), http.StatusBadRequest, "This sign-in has expired")
		expectDeadEnd(t, b.Visit(late.Request.URL.RequestURI()), http.StatusBadRequest, "This sign-in has expired")
	})
	t.Run("C-06: a person has five minutes at the provider", func(t *testing.T) {
		e := e.For(t)
		b := e.NewBrowser()
		at := b.Authorize(e.NewRequest(id, harness.ScopeStable+"SLOW"))
		e.Clock.Advance(5*time.Minute + time.Second)
		expectDeadEnd(t, b.SignIn(at, "alice"), http.StatusBadRequest, "This sign-in has expired")
	})
}
