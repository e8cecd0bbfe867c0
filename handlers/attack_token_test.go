package handlers_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

func TestHostileTokens(t *testing.T) { attackAll(t, tokenThemes()) }

// mutilated are what is nearly a token.
var mutilated = []struct {
	name string
	make func(token string) string
}{
	{"cut short by one", func(s string) string { return s[:len(s)-1] }},
	{"extended by one", func(s string) string { return s + "A" }},
	{"with one character changed", flipped},
	{"in another case", strings.ToUpper},
	{"without its prefix", func(s string) string { return s[4:] }},
	{"with the prefix of another kind", func(s string) string { return "kmx_" + s[4:] }},
	{"of the prefix alone", func(s string) string { return s[:4] }},
	{"twice over", func(s string) string { return s + s }},
	{"in quotes", func(s string) string { return `"` + s + `"` }},
	{"with a space inside", func(s string) string { return s[:20] + " " + s[20:] }},
	{"encoded once more", func(s string) string { return "%6b" + s[1:] }},
	{"with the padding of base64", func(s string) string { return s + "=" }},
	{"as the subject of a JWT that nobody signed", func(s string) string {
		part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
		return part(`{"alg":"none","typ":"at+jwt"}`) + "." + part(`{"sub":"@alice:example.org","jti":"`+s+`"}`) + "."
	}},
}

// asBearer puts a token into the Authorization header.
func asBearer(w *wire, token string) { w.header.Set("Authorization", "Bearer "+token) }

func inField(name string) func(*wire, string) {
	return func(w *wire, token string) { w.form.Set(name, token) }
}

func inJSON(name string) func(*wire, string) {
	return func(w *wire, token string) { w.json[name] = token }
}

// presented is a request with its token in place.
func presented(w *wire, token string, place func(*wire, string)) *wire {
	w.token, w.place = token, place
	place(w, token)
	return w
}

// places are the endpoints that take a token, each with a good one.
var places = []struct {
	name              string // with the items
	good              func(e *harness.Env) *wire
	succeeds, refused func(t *testing.T, w *wire, a harness.Answer)
}{
	{"K-01: whoami takes no access token ", func(e *harness.Env) *wire {
		return presented(fetched(e, whoamiPath), e.LogIn("alice", "WHOAMI").Access, asBearer)
	}, ok, unknownToken},
	{"F-22: userinfo takes no access token ", func(e *harness.Env) *wire {
		return presented(fetched(e, userinfoPath), e.LogIn("alice", "USERINFO").Access, asBearer)
	}, ok, func(t *testing.T, _ *wire, a harness.Answer) {
		t.Helper()
		harness.ExpectOAuthError(t, a, http.StatusUnauthorized, "invalid_token")
	}},
	{"F-03: introspection calls inactive an access token ", func(e *harness.Env) *wire {
		w := posting(e, synapsePath, url.Values{}, "Authorization", "Bearer "+harness.HomeserverSecret)
		return presented(w, e.LogIn("alice", "INTROSPECTED").Access, inField("token"))
	}, func(t *testing.T, _ *wire, a harness.Answer) {
		t.Helper()
		if a.JSON()["active"] != true {
			t.Errorf("without the attack: %s", a.Body)
		}
	}, func(t *testing.T, _ *wire, a harness.Answer) {
		t.Helper()
		if a.Status != http.StatusOK || strings.TrimSpace(string(a.Body)) != `{"active":false}` {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	}},
	{"D-2A: the token endpoint takes no refresh token ", func(e *harness.Env) *wire {
		tokens := e.LogIn("alice", "REFRESHING")
		return presented(posting(e, tokenPath, refreshForm(tokens.ClientID, "")), tokens.Refresh, inField("refresh_token"))
	}, tokensCome, noTokens},
	{"I-0D: the legacy refresh takes no refresh token ", func(e *harness.Env) *wire {
		return presented(postingJSON(e, legacyRefreshPath, map[string]any{}), e.LogInLegacy("alice", "OLDREFRESH").Refresh, inJSON("refresh_token"))
	}, tokensCome, unknownToken},
	{"I-09: the legacy login takes no login token ", func(e *harness.Env) *wire {
		return presented(postingJSON(e, loginPath, map[string]any{"type": "m.login.token"}), e.LoginToken(e.NewBrowser(), "alice"), inJSON("token"))
	}, tokensCome, func(t *testing.T, _ *wire, a harness.Answer) {
		t.Helper()
		harness.ExpectMatrixError(t, a, http.StatusForbidden, "M_FORBIDDEN")
	}},
	{"D-03: the token endpoint takes no code ", func(e *harness.Env) *wire {
		w := exchanging(e)
		return presented(w, w.form.Get("code"), inField("code"))
	}, tokensCome, noTokens},
	{"G-24: the token endpoint takes no device code ", func(e *harness.Env) *wire {
		e.Clock.Advance(time.Minute) // the page lets codes be tried again
		d, b := begin(e), e.NewBrowser()
		b.Decide(enter(e, b, d.userCode, "alice"), "approve")
		return presented(posting(e, tokenPath, d.values()), d.code, inField("device_code"))
	}, tokensCome, noTokens},
}

func unknownToken(t *testing.T, _ *wire, a harness.Answer) {
	t.Helper()
	harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
}

func tokenThemes() []theme {
	var all []theme
	for _, p := range places {
		th := theme{good: p.good, succeeds: p.succeeds, refused: p.refused}
		for _, m := range mutilated {
			th.attacks = append(th.attacks, attack{name: p.name + m.name, change: func(w *wire) { w.place(w, m.make(w.token)) }})
		}
		all = append(all, th)
	}
	return append(all, bearerTheme(), basicTheme())
}

// bearerTheme is about where a token stands, and of what kind it is.
func bearerTheme() theme {
	missing := func(t *testing.T, _ *wire, a harness.Answer) {
		t.Helper()
		harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_MISSING_TOKEN")
	}
	without := func(change func(*wire)) func(*wire) {
		return func(w *wire) {
			w.header.Del("Authorization")
			change(w)
		}
	}
	return theme{
		good: func(e *harness.Env) *wire {
			return presented(fetched(e, whoamiPath), e.LogIn("alice", "BEARING").Access, asBearer)
		},
		succeeds: ok, refused: unknownToken,
		attacks: []attack{
			{name: "K-06: an access token in the query", change: without(func(w *wire) { w.query = url.Values{"access_token": {w.token}} }), refused: missing},
			{name: "K-06: an access token in a form", change: without(func(w *wire) { w.form = url.Values{"access_token": {w.token}} }), refused: missing},
			{name: "K-06: an access token in a cookie", change: without(func(w *wire) { w.header.Set("Cookie", "access_token="+w.token) }), refused: missing},
			{name: "K-01: an access token as Basic", change: func(w *wire) { w.header.Set("Authorization", "Basic "+w.token) }, refused: missing},
			{name: "K-01: an access token without a scheme", change: func(w *wire) { w.header.Set("Authorization", w.token) }, refused: missing},
			{name: "K-01: an access token behind a made-up one", change: func(w *wire) { w.header["Authorization"] = []string{"Bearer kma_x", "Bearer " + w.token} }},
			{name: "K-01: two access tokens in one header", change: func(w *wire) { w.header.Set("Authorization", "Bearer "+w.token+", Bearer "+w.token) }},
			{name: "D-29: a refresh token as a bearer token", change: func(w *wire) { asBearer(w, w.e.LogIn("bob", "BEARERREFRESH").Refresh) }},
			{name: "K-01: an ID token as a bearer token", change: func(w *wire) { asBearer(w, w.e.LogIn("bob", "BEARERID").IDToken) }},
			{name: "K-01: the homeserver's secret as a bearer token", change: func(w *wire) { asBearer(w, harness.HomeserverSecret) }},
			{name: "K-01: a login token as a bearer token", change: func(w *wire) { asBearer(w, w.e.LoginToken(w.e.NewBrowser(), "bob")) }},
		},
	}
}

// basicTheme is about how a client proves who it is.
func basicTheme() theme {
	credentials := func(text string) func(*wire) {
		return func(w *wire) {
			w.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(text, "ID", w.token))))
		}
	}
	return theme{
		good: func(e *harness.Env) *wire {
			id, password := e.Register(confidential("client_secret_basic"))
			w := posting(e, introspectPath, url.Values{"token": {e.LogIn("alice", "ASKEDABOUT").Access}}, "Authorization", basic(id, password))
			w.token = id
			return w
		},
		succeeds: ok,
		refused: func(t *testing.T, _ *wire, a harness.Answer) {
			t.Helper()
			if a.Status != http.StatusUnauthorized && a.Status != http.StatusBadRequest || a.JSON()["active"] != nil {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		},
		attacks: []attack{
			{name: "D-61: Basic with a wrong secret", change: credentials("ID:wrong")},
			{name: "D-61: Basic with an empty secret", change: credentials("ID:")},
			{name: "D-61: Basic without a colon", change: credentials("ID")},
			{name: "D-61: Basic with nothing", change: credentials("")},
			{name: "D-61: Basic with NUL behind the client", change: credentials("ID\x00:x")},
			{name: "D-61: Basic with encoded NUL behind the client", change: credentials("ID%00:x")},
			{name: "D-61: Basic with bytes that are no UTF-8", change: credentials("\xff\xfe:x")},
			{name: "D-61: Basic with SQL for a client", change: credentials("' OR 1=1 --:x")},
			{name: "D-61: Basic that is not base64", change: header("Authorization", "Basic !!!")},
			{name: "D-61: Basic and a secret in the form", change: field("client_secret", "x")},
			{name: "D-61: Basic and another client in the form", change: field("client_id", "somebody-else")},
			{name: "D-61: no credentials", change: header("Authorization")},
		},
	}
}
