package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

const (
	sessionsLink = accountPath + "?action=org.matrix.devices_list"
	viewLink     = accountPath + "?action=org.matrix.device_view&device_id="
	deleteLink   = accountPath + "?action=org.matrix.device_delete&device_id="

	sessionsSays = "Sign out of the chosen ones"
	viewSays     = "Save the name"
	deleteSays   = "Sign out of this session?"
)

// atHome is a browser in which somebody has signed in to their account.
func atHome(e *harness.Env, user string) *harness.Browser {
	e.T.Helper()
	b := e.NewBrowser()
	b.SignIn(b.Visit(accountPath), user)
	return b
}

// logInFrom logs a user in on a device with an approval in a browser.
func logInFrom(e *harness.Env, b *harness.Browser, user, device string) harness.Tokens {
	e.T.Helper()
	id, _ := e.Register(harness.WebClient)
	r := e.NewRequest(id, "openid "+harness.ScopeStable+device)
	a := e.Exchange(r, b.Approve(r, user).Get("code"))
	if a.Status != http.StatusOK {
		e.T.Fatalf("exchange: status %d: %s", a.Status, a.Body)
	}
	return harness.Tokens{ClientID: id, Access: a.Text("access_token"), Refresh: a.Text("refresh_token")}
}

func TestAccountSessions(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) {
		o.Provider = "name = \"The <demo> one\""
		o.Global = "trusted_proxies = [\"127.0.0.0/8\"]"
	})
	b := atHome(e, "alice")
	logInFrom(e, b, "alice", "HERE")
	elsewhere := e.LogIn("alice", "ELSEWHERE")
	e.LogInLegacy("alice", "LEGACY")
	id, _ := e.Register(metadataOf(t, map[string]any{"client_name": "<i>Wiki</i> \u202e"}))
	e.LogInWith(e.NewRequest(id, "openid"), "alice")

	t.Run("H-02 H-06: one list has the sessions of every kind, with what is known of them", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		now := e.Clock.Now().UTC().Format("2006-01-02 15:04 UTC")
		p := b.Visit(sessionsLink)
		expectPage(t, p, http.StatusOK, "<i>Wiki</i> · Last seen "+now)
		p = b.Visit(viewLink + "ELSEWHERE")
		for _, says := range []string{"Session My App", "App My App", "Belongs to example.com", "Device ID ELSEWHERE", "Signed in with The <demo> one",
			"Kind Matrix app, newer sign-in (OAuth)", "Signed in since " + now, "Last seen " + now, "IP address 127.0.0.1"} {
			expectPage(t, p, http.StatusOK, says)
		}
		expectPage(t, b.Visit(viewLink+"LEGACY"), http.StatusOK, "Kind Matrix app, older sign-in (SSO)")
	})
	t.Run("H-06: it says which session is of this browser", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		expectPage(t, b.Visit(viewLink+"HERE"), http.StatusOK, "From this browser")
		for _, device := range []string{"ELSEWHERE", "LEGACY"} {
			if p := b.Visit(viewLink + device); p.StatusCode != http.StatusOK || strings.Contains(p.Text(), "From this browser") {
				t.Errorf("%s: status %d:\n%s", device, p.StatusCode, p.Text())
			}
		}
		other := atHome(e, "alice")
		if p := other.Visit(viewLink + "HERE"); p.StatusCode != http.StatusOK || strings.Contains(p.Text(), "From this browser") {
			t.Errorf("in another browser: status %d:\n%s", p.StatusCode, p.Text())
		}
	})
	t.Run("H-06: a session that was approved on the page of a legacy client is of this browser too", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		a := sendJSON(e, loginPath, fmt.Sprintf(`{"type":"m.login.token","token":%q,"device_id":"LEGACYHERE"}`, e.LoginToken(b, "alice")))
		harness.ExpectJSON(t, a, http.StatusOK)
		expectPage(t, b.Visit(viewLink+"LEGACYHERE"), http.StatusOK, "From this browser")
	})
	t.Run("H-06 L-15: it says from where a session was used last, however many proxies there are", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		e.Clock.Advance(3 * time.Minute)
		header := map[string]string{"Authorization": "Bearer " + elsewhere.Access, "X-Forwarded-For": "192.0.2.1, 2001:db8::7"}
		if a := e.Do(http.MethodGet, whoamiPath, header, ""); a.Status != http.StatusOK {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
		if err := e.Server.Store().FlushUsage(t.Context()); err != nil {
			t.Fatal(err)
		}
		expectPage(t, b.Visit(viewLink+"ELSEWHERE"), http.StatusOK, "IP address 2001:db8::7")
		e.Clock.Advance(time.Minute)
		a := e.Do(http.MethodPost, tokenPath, map[string]string{"Content-Type": form, "X-Forwarded-For": "203.0.113.9"},
			url.Values{"grant_type": {"refresh_token"}, "refresh_token": {elsewhere.Refresh}, "client_id": {elsewhere.ClientID}}.Encode())
		if a.Status != http.StatusOK {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
		expectPage(t, b.Visit(viewLink+"ELSEWHERE"), http.StatusOK, "IP address 203.0.113.9")
	})
	t.Run("H-06: the homeserver that asks about a token is not where it was used", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		tokens := e.LogIn("alice", "ASKED")
		execute(e, "UPDATE devices SET last_seen_address = '198.51.100.4' WHERE device_id = 'ASKED'")
		e.Clock.Advance(3 * time.Minute)
		if a := e.Introspect(tokens.Access); a.JSON()["active"] != true {
			t.Fatalf("introspection says %s", a.Body)
		}
		if err := e.Server.Store().FlushUsage(t.Context()); err != nil {
			t.Fatal(err)
		}
		expectPage(t, b.Visit(viewLink+"ASKED"), http.StatusOK, "IP address 198.51.100.4")
	})
	t.Run("H-06: a session that was not used for 90 days is marked", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(90*24*time.Hour + time.Minute)
		b := atHome(e, "alice")
		e.LogIn("alice", "RECENT")
		expectPage(t, b.Visit(viewLink+"LEGACY"), http.StatusOK, "Not used for 90 days")
		if p := b.Visit(viewLink + "RECENT"); p.StatusCode != http.StatusOK || strings.Contains(p.Text(), "Not used for 90 days") {
			t.Errorf("status %d:\n%s", p.StatusCode, p.Text())
		}
	})
}

func TestAccountSessionsAreManyPages(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_rc_per_second = 0" })
	id, _ := e.Register(harness.WebClient)
	for i := range 45 {
		e.LogInWith(e.NewRequest(id, fmt.Sprintf("%sDEVICE%02d", harness.ScopeStable, i)), "alice")
		e.Clock.Advance(time.Minute)
	}
	t.Run("H-02: however many sessions there are, a page is small, and all are found", func(t *testing.T) {
		b := atHome(e.For(t), "alice")
		p := b.Visit(sessionsLink)
		seen := 0
		for range 3 {
			expectPage(t, p, http.StatusOK, sessionsSays)
			seen += strings.Count(p.HTML, `type="checkbox"`)
			if len(p.HTML) > 20_000 {
				t.Errorf("a page has %d bytes", len(p.HTML))
			}
			if next := linkTo(p, "Next page"); next != "" {
				p = b.Visit(next)
			}
		}
		if seen != 45 {
			t.Errorf("%d sessions are listed", seen)
		}
		for _, number := range []string{"99", "-1", "x", "99999999999999999999"} {
			expectPage(t, b.Visit(sessionsLink+"&page="+number), http.StatusOK, sessionsSays)
		}
	})
}

// linkTo is where the link with these words leads; "" when there is none.
func linkTo(p harness.Page, words string) string {
	before, _, found := strings.Cut(p.HTML, ">"+words+"</a>")
	if !found {
		return ""
	}
	href := before[strings.LastIndex(before, `href="`)+len(`href="`):]
	href, _, _ = strings.Cut(href, `"`)
	return strings.ReplaceAll(href, "&amp;", "&")
}

func TestAccountRename(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "RENAMED")
	e.LogIn("bob", "BOBSDEVICE")
	b := atHome(e, "alice")
	rename := func(b *harness.Browser, name string) harness.Page {
		p := b.Visit(viewLink + "RENAMED")
		action, values := b.Fields(p)
		values.Set("name", name)
		values.Set("decision", "approve")
		return b.Post(p, action, values)
	}
	t.Run("H-12: a name that is given here is the device's", func(t *testing.T) {
		e := e.For(t)
		p := rename(b.For(t), "  My \u202e<b>phone</b>  ")
		expectPage(t, p, http.StatusOK, "Session My <b>phone</b>")
		if a := e.As(tokens.Access, http.MethodGet, devicesPath+"/RENAMED", ""); a.Text("display_name") != "My <b>phone</b>" {
			t.Errorf("the device is %s", a.Body)
		}
	})
	t.Run("H-12: a name that is too long is refused", func(t *testing.T) {
		expectPage(t, rename(b.For(t), strings.Repeat("ä", 101)), http.StatusBadRequest, "mistake")
		expectPage(t, rename(b.For(t), strings.Repeat("ä", 100)), http.StatusOK, strings.Repeat("ä", 99))
	})
	t.Run("H-12 L-06: the form names one device, whoever changes it", func(t *testing.T) {
		b := b.For(t)
		p := b.Visit(viewLink + "RENAMED")
		action, values := b.Fields(p)
		values.Set("oidc_req_id", url.Values{"do": {"rename"}, "device_id": {"BOBSDEVICE"}}.Encode())
		values.Set("decision", "approve")
		expectPage(t, b.Post(p, action, values), http.StatusForbidden, "This page is too old")
	})
}

func TestAccountEndsSessions(t *testing.T) {
	e := harness.Start(t)
	b := atHome(e, "alice")
	t.Run("H-04: opening the link ends nothing, and says what is lost", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		tokens := e.LogIn("alice", "KEPT")
		p := b.Visit(deleteLink + "KEPT")
		expectPage(t, p, http.StatusOK, "If this is your only session and you have no recovery key, your encrypted messages are lost")
		expectPage(t, b.Decide(p, "cancel"), http.StatusOK, sessionsSays)
		expectAlive(t, e, tokens.Access)
	})
	t.Run("H-06 E-03 E-04 E-05: ending a session kills its tokens and removes its device, at once", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		tokens, other := e.LogIn("alice", "ENDED"), e.LogIn("alice", "STAYS")
		p := b.Decide(b.Visit(deleteLink+"ENDED"), "approve")
		expectPage(t, p, http.StatusOK, sessionsSays)
		if p.Request.URL.RequestURI() != sessionsLink {
			t.Errorf("ended at %s", p.Request.URL)
		}
		expectDead(t, e, tokens.Access)
		expectInvalidGrant(t, e.Refresh(tokens.ClientID, tokens.Refresh))
		expectInactive(t, e.Introspect(tokens.Access))
		if a := e.As(other.Access, http.MethodGet, devicesPath+"/ENDED", ""); a.Status != http.StatusNotFound {
			t.Errorf("the device is there: %s", a.Body)
		}
		expectAlive(t, e, other.Access)
		expectPage(t, b.Visit(deleteLink+"ENDED"), http.StatusNotFound, "This session is not there any more.")
	})
	t.Run("H-06: the audit log says that the person did it on the account page", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		e.LogIn("alice", "LOGGED")
		expectPage(t, b.Decide(b.Visit(deleteLink+"LOGGED"), "approve"), http.StatusOK, sessionsSays)
		events, err := e.Server.Store().AuditEvents(t.Context(), "alice", 1)
		if err != nil || events[0].Action != "session_ended" || events[0].Actor != "user" || events[0].Reason != "ended_by_user" || events[0].DeviceID != "LOGGED" {
			t.Errorf("the newest event is %+v, error %v", events, err)
		}
	})
	t.Run("H-06: a second press of the button changes nothing", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		e.LogIn("alice", "TWICE")
		p := b.Visit(deleteLink + "TWICE")
		b.Decide(p, "approve")
		again := e.LogIn("alice", "TWICE")
		expectPage(t, b.Decide(p, "approve"), http.StatusOK, sessionsSays)
		expectAlive(t, e, again.Access)
	})
	t.Run("H-06: several are ended at once", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		one, two, three := e.LogIn("alice", "ONE"), e.LogInLegacy("alice", "TWO"), e.LogIn("alice", "THREE")
		p := b.Visit(sessionsLink)
		action, values := b.Fields(p)
		values.Del("place")
		values["place"] = []string{"device_id=ONE", "device_id=TWO"}
		values.Set("decision", "approve")
		p = b.Post(p, action, values)
		expectPage(t, p, http.StatusOK, "Sign out of these sessions?")
		expectAlive(t, e, one.Access)
		b.Decide(p, "approve")
		expectDead(t, e, one.Access)
		expectDead(t, e, two.Access)
		expectAlive(t, e, three.Access)
	})
	t.Run("H-06: without a choice the list is shown again", func(t *testing.T) {
		b := b.For(t)
		p := b.Visit(sessionsLink)
		action, values := b.Fields(p)
		for _, chosen := range [][]string{nil, {"nonsense"}, {"device_id"}} {
			values["place"], values["decision"] = chosen, []string{"approve"}
			if p := b.Post(p, action, values); p.StatusCode != http.StatusOK && p.StatusCode != http.StatusNotFound {
				t.Errorf("%q: status %d", chosen, p.StatusCode)
			}
		}
	})
	t.Run("H-06: a device that has no session any more is listed, and can be removed", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		tokens := e.LogIn("alice", "IDLE")
		next := e.MustRefresh(tokens.ClientID, tokens.Refresh)
		expectAlive(t, e, next.Access)
		e.Refresh(next.ClientID, next.Refresh)
		e.Clock.Advance(time.Second)
		expectInvalidGrant(t, e.Refresh(tokens.ClientID, tokens.Refresh)) // a replay: the session ends and the device stays
		expectPage(t, b.Visit(viewLink+"IDLE"), http.StatusOK, "Signed out")
		expectPage(t, b.Decide(b.Visit(deleteLink+"IDLE"), "approve"), http.StatusOK, sessionsSays)
		expectPage(t, b.Visit(viewLink+"IDLE"), http.StatusNotFound, "not there any more")
	})
}

func TestAccountSignsOutElsewhere(t *testing.T) {
	e := harness.Start(t)
	b, other := atHome(e, "alice"), atHome(e, "alice")
	bob := e.LogIn("bob", "BOBS")
	t.Run("H-06: all others are signed out, browsers included, and nobody else", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		here, there, legacy := logInFrom(e, b, "alice", "HERE"), e.LogIn("alice", "THERE"), e.LogInLegacy("alice", "LEGACY")
		flight := approved(e, there.ClientID, harness.ScopeStable+"FLIGHT")
		token := e.LoginToken(e.NewBrowser(), "alice")
		p := b.Visit(linkTo(b.Visit(sessionsLink), "Sign out everywhere else"))
		expectPage(t, p, http.StatusOK, "Sign out everywhere else?")
		expectAlive(t, e, there.Access)
		b.Decide(p, "approve")
		expectAlive(t, e, here.Access)
		expectAlive(t, e, bob.Access)
		expectDead(t, e, there.Access)
		expectDead(t, e, legacy.Access)
		expectInvalidGrant(t, e.Exchange(flight.Request, flight.code))
		harness.ExpectMatrixError(t, withToken(e, token), http.StatusForbidden, "M_FORBIDDEN")
		expectPage(t, b.Visit(accountPath), http.StatusOK, accountSays)
		a := e.Do(http.MethodGet, accountPath, map[string]string{"Cookie": other.Cookie()}, "")
		if a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), e.IDP.Issuer) {
			t.Errorf("the other browser is still signed in: status %d to %q", a.Status, a.Header.Get("Location"))
		}
	})
}

func TestAccountNews(t *testing.T) {
	e := harness.Start(t)
	b := atHome(e, "alice")
	tokens := e.LogIn("alice", "NEWS")
	t.Run("H-06: a sign-in from elsewhere is news until the person says that it was theirs", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		p := b.Visit(accountPath)
		expectPage(t, p, http.StatusOK, "New sign-ins")
		expectPage(t, p, http.StatusOK, "Device ID NEWS")
		expectPage(t, b.Visit(accountPath), http.StatusOK, "New sign-ins")
		e.Clock.Advance(time.Minute)
		e.LogIn("alice", "MEANWHILE") // while the page is open
		p = b.Decide(p, "approve")
		expectPage(t, p, http.StatusOK, "Device ID MEANWHILE")
		if strings.Contains(p.Text(), "Device ID NEWS") {
			t.Errorf("it is still news:\n%s", p.Text())
		}
	})
	t.Run("H-06: one that was not theirs is ended from there", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		stranger := e.LogIn("alice", "STRANGER")
		p := b.Visit(accountPath)
		link := linkTo(p, "This was not me")
		expectPage(t, p, http.StatusOK, "Device ID STRANGER")
		for _, l := range p.Links() {
			if strings.HasSuffix(l, "STRANGER") {
				link = l
			}
		}
		b.Decide(b.Visit(link), "approve")
		expectDead(t, e, stranger.Access)
		expectAlive(t, e, tokens.Access)
	})
	t.Run("H-06: what this browser has approved is no news", func(t *testing.T) {
		e := e.For(t)
		b := atHome(e, "bob")
		logInFrom(e, b, "bob", "OWN")
		if p := b.Visit(accountPath); p.StatusCode != http.StatusOK || strings.Contains(p.Text(), "New sign-ins") {
			t.Errorf("status %d:\n%s", p.StatusCode, p.Text())
		}
	})
}

func TestAccountFormsAreProtected(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "TARGET")
	b := atHome(e, "alice")
	page := b.Visit(deleteLink + "TARGET")
	action, good := b.Fields(page)
	good.Set("decision", "approve")
	change := func(name string, values ...string) url.Values {
		changed := url.Values{}
		for k, v := range good {
			changed[k] = slices.Clone(v)
		}
		changed[name] = values
		return changed
	}
	bob := atHome(e, "bob")
	post := func(e *harness.Env, b *harness.Browser, origin string, values url.Values) harness.Answer {
		header := map[string]string{"Content-Type": form, "Cookie": b.Cookie()}
		if origin != "" {
			header["Origin"] = origin
		}
		return e.Do(http.MethodPost, action, header, values.Encode())
	}
	tests := []struct {
		name   string
		by     *harness.Browser
		origin string
		values url.Values
		status int
	}{
		{"without a token", b, e.URL, change("csrf_token"), 403},
		{"with a token that was made up", b, e.URL, change("csrf_token", strings.Repeat("0", 64)), 403},
		{"with the token twice", b, e.URL, change("csrf_token", good.Get("csrf_token"), good.Get("csrf_token")), 400},
		{"with the decision twice", b, e.URL, change("decision", "approve", "approve"), 400},
		{"without a decision", b, e.URL, change("decision"), 400},
		{"about something else", b, e.URL, change("oidc_req_id", "do=end_others"), 403},
		{"about what is no form", b, e.URL, change("oidc_req_id", "%zz"), 403},
		{"from another site", b, "https://evil.example.net", good, 403},
		{"from nowhere", b, "null", good, 403},
		{"by another person", bob, e.URL, good, 403},
		{"by nobody", e.NewBrowser(), e.URL, good, 403},
	}
	for _, tt := range tests {
		t.Run("H-04 L-06: a form "+tt.name+" ends nothing", func(t *testing.T) {
			e := e.For(t)
			if a := post(e, tt.by, tt.origin, tt.values); a.Status != tt.status || !strings.Contains(string(a.Body), "<h1>") {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
			expectAlive(t, e, tokens.Access)
		})
	}
	t.Run("H-04 L-02: what is in the query of a POST is not looked at", func(t *testing.T) {
		e := e.For(t)
		a := e.Do(http.MethodPost, action+"?"+good.Encode(), map[string]string{"Content-Type": form, "Cookie": b.Cookie(), "Origin": e.URL}, "")
		if a.Status == http.StatusSeeOther || !strings.Contains(string(a.Body), "<h1>") {
			t.Errorf("status %d", a.Status)
		}
		expectAlive(t, e, tokens.Access)
	})
	t.Run("H-04 L-06: another person's page knows nothing of it", func(t *testing.T) {
		e, bob := e.For(t), bob.For(t)
		p := bob.Visit(sessionsLink + "&device_id=TARGET")
		expectPage(t, p, http.StatusOK, "You are not signed in with any app.")
		expectPage(t, bob.Visit(deleteLink+"TARGET"), http.StatusNotFound, "not there any more")
		expectAlive(t, e, tokens.Access)
	})
	t.Run("H-04: the form as it was shown does it", func(t *testing.T) {
		e := e.For(t)
		if a := post(e, b, e.URL, good); a.Status != http.StatusSeeOther {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
		expectDead(t, e, tokens.Access)
	})
}

// formFor is the form on a page that does something, with its first button
// pressed.
func formFor(t *testing.T, p harness.Page, do string) (action string, values url.Values) {
	t.Helper()
	for _, form := range strings.Split(p.HTML, "<form ")[1:] {
		one := harness.Page{Response: p.Response, HTML: "<form " + form}
		action, values = one.Form()
		if about, err := url.ParseQuery(values.Get("oidc_req_id")); err == nil && about.Get("do") == do {
			values.Set("decision", "approve")
			return action, values
		}
	}
	t.Fatalf("no form does %q at %s:\n%s", do, p.Request.URL, p.Text())
	return "", nil
}
