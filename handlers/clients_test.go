package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/harness"
)

func TestEqualRegistrationsShareAClient(t *testing.T) {
	e := harness.Start(t)
	first, _ := e.Register(harness.WebClient)
	type m = map[string]any
	tests := []struct {
		name    string
		changes m
		same    bool
	}{
		{"the same metadata", m{}, true},
		{"the same lists in another order", m{"grant_types": []string{"refresh_token", "authorization_code"}}, true},
		{"what is pruned to the same", m{"grant_types": []string{"authorization_code", "refresh_token", "password"}, "unknown": 1, "response_types": nil}, true},
		{"another name", m{"client_name": "My App 2"}, false},
		{"one redirect URI more", m{"redirect_uris": []string{"https://app.example.com/callback", "https://example.com/"}}, false},
		{"a redirect URI in another case", m{"redirect_uris": []string{"https://APP.example.com/callback"}}, false},
		{"another application_type", m{"application_type": "native"}, false},
		{"a name in another language", m{"client_name#fr": "Mon appli"}, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("B-41: %s: the same client is %v", tt.name, tt.same), func(t *testing.T) {
			a := register(e.For(t), metadataOf(t, tt.changes))
			harness.ExpectJSON(t, a, http.StatusCreated)
			if same := a.Text("client_id") == first; same != tt.same {
				t.Errorf("client_id %q after %q", a.Text("client_id"), first)
			}
		})
	}
	t.Run("B-41: the order of redirect URIs and of contacts makes no other client", func(t *testing.T) {
		e := e.For(t)
		one, two := []string{"https://example.com/a", "https://example.com/b"}, []string{"https://example.com/b", "https://example.com/a"}
		a, b := register(e, metadataOf(t, m{"redirect_uris": one, "contacts": two})), register(e, metadataOf(t, m{"redirect_uris": two, "contacts": one}))
		harness.ExpectJSON(t, b, http.StatusCreated)
		if a.Text("client_id") != b.Text("client_id") {
			t.Errorf("they are %q and %q", a.Text("client_id"), b.Text("client_id"))
		}
	})
	t.Run("B-45: a client does not choose its client_id", func(t *testing.T) {
		a := register(e.For(t), metadataOf(t, map[string]any{"client_id": "@alice:example.org", "client_secret": "x"}))
		if id := a.Text("client_id"); a.Status != http.StatusCreated || id == "" || strings.ContainsAny(id, "@:") {
			t.Errorf("status %d, client_id %q", a.Status, id)
		}
		if _, there := a.JSON()["client_secret"]; there {
			t.Error("a public client has a client_secret")
		}
	})
}

func TestEqualRegistrationsAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		var done sync.WaitGroup
		ids := make([]string, crowd)
		for i := range ids {
			done.Go(func() {
				a, err := e.Try(http.MethodPost, registerPath, map[string]string{"Content-Type": "application/json"}, harness.WebClient)
				if ids[i] = a.Text("client_id"); err != nil || a.Status != http.StatusCreated {
					t.Errorf("status %d, %v: %s", a.Status, err, a.Body)
				}
			})
		}
		done.Wait()
		if ids = slices.Compact(slices.Sorted(slices.Values(ids))); len(ids) != 1 {
			t.Errorf("B-41 L-27: equal registrations at once end with %d clients", len(ids))
		}
	})
}

func TestClientsWithASecret(t *testing.T) {
	e := harness.Start(t)
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		body := metadataOf(t, map[string]any{"token_endpoint_auth_method": method})
		t.Run("B-40: "+method+" gets a secret of at least 128 bits that never expires", func(t *testing.T) {
			a := register(e.For(t), body)
			if got := a.Text("client_secret"); len(got) < 22 {
				t.Errorf("client_secret has %d characters", len(got))
			}
			if got := a.JSON()["client_secret_expires_at"]; got != float64(0) {
				t.Errorf("client_secret_expires_at is %v", got)
			}
			if got := a.Text("token_endpoint_auth_method"); got != method {
				t.Errorf("token_endpoint_auth_method is %q", got)
			}
		})
		t.Run("B-40: two registrations with "+method+" are two clients with two secrets", func(t *testing.T) {
			e := e.For(t)
			a, b := register(e, body), register(e, body)
			if a.Text("client_id") == b.Text("client_id") || a.Text("client_secret") == b.Text("client_secret") {
				t.Errorf("%s and %s", a.Text("client_id"), b.Text("client_id"))
			}
		})
		t.Run("B-40: the secret of "+method+" is not in the database", func(t *testing.T) {
			e := e.For(t)
			a := register(e, body)
			var found int
			err := database(e).QueryRowContext(t.Context(), "SELECT count(*) FROM clients WHERE instr(metadata, ?) > 0 OR secret_hash = ?",
				a.Text("client_secret"), []byte(a.Text("client_secret"))).Scan(&found)
			if a.Text("client_secret") == "" || err != nil || found != 0 {
				t.Errorf("found %d times, %v", found, err)
			}
		})
	}
}

// sweep removes what is needed no more, as a running server does every hour.
func sweep(e *harness.Env) {
	e.T.Helper()
	if _, err := e.Server.Store().Sweep(e.T.Context()); err != nil {
		e.T.Fatal(err)
	}
}

func TestUsedClientsStay(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "KEPTDEVICE")
	unused, _ := e.Register(metadataOf(t, map[string]any{"client_name": "Unused"}))
	e.Clock.Advance(90 * 24 * time.Hour)
	sweep(e)
	t.Run("B-42 D-2C: a client with a live session is there after months, and refreshes", func(t *testing.T) {
		e.For(t).MustRefresh(tokens.ClientID, tokens.Refresh)
	})
	t.Run("B-42: one that nobody used is gone", func(t *testing.T) {
		e := e.For(t)
		if a := e.Get("/_tuwunel/oidc/authorize?" + e.NewRequest(unused, harness.ScopeStable+"X").Values.Encode()); a.Status != http.StatusBadRequest {
			t.Errorf("status %d", a.Status)
		}
	})
	t.Run("B-43: who registers again is known, and can log in at once", func(t *testing.T) {
		e := e.For(t)
		if id, _ := e.Register(harness.WebClient); id != tokens.ClientID {
			t.Errorf("client_id %q, was %q", id, tokens.ClientID)
		}
		e.LogIn("alice", "KEPTDEVICE2")
	})
}

// TestClientsInUseStay registers a client for everything that may be on its way,
// waits until the registrations are a day old, and then for another month.
func TestClientsInUseStay(t *testing.T) {
	e := harness.Start(t, unlimited)
	client := func(name string) string {
		id, _ := e.Register(metadataOf(t, map[string]any{"client_name": name}))
		return id
	}
	const day = 24 * time.Hour
	known := func(e *harness.Env, id string) bool {
		e.T.Helper()
		return e.NewBrowser().Authorize(e.NewRequest(id, "openid")).StatusCode != http.StatusBadRequest
	}
	asked, coded, pushing, ended := client("asked"), client("coded"), client("pushing"), client("ended")
	tv, _ := e.Register(strings.Replace(deviceOnly, "My TV", "The TV", 1))
	e.Clock.Advance(day / 2)
	young := client("young")
	tokens := e.LogInWith(e.NewRequest(ended, harness.ScopeStable+"ENDED"), "alice")
	expectRevoked(t, e.Form(revokePath, url.Values{"token": {tokens.Access}}))
	e.Clock.Advance(day/2 - 10*time.Second)
	over := e.LogInWith(e.NewRequest(asked, harness.ScopeStable+"OVER"), "alice")
	expectRevoked(t, e.Form(revokePath, url.Values{"token": {over.Access}}))
	b := e.NewBrowser()
	question := e.NewRequest(asked, harness.ScopeStable+"ASKED")
	page := b.Consent(question, "alice")
	code := approved(e, coded, harness.ScopeStable+"CODED")
	uri := pushed(e, e.NewRequest(pushing, "openid"))
	flow := beginWith(e, url.Values{"client_id": {tv}})
	flow.clientID = tv
	e.Clock.Advance(30 * time.Second)
	sweep(e)

	t.Run("B-42: a registration that is not a day old stays", func(t *testing.T) {
		e := e.For(t)
		expectLogin(t, e, e.NewBrowser().Authorize(e.NewRequest(young, "openid")))
	})
	t.Run("B-42 D-2B: one whose sessions have ended stays, so that its device is told that they have", func(t *testing.T) {
		expectInvalidGrant(t, e.For(t).Refresh(ended, tokens.Refresh))
	})
	t.Run("B-42: one whose question a person is reading stays, and gets its tokens", func(t *testing.T) {
		e := e.For(t)
		a := e.Exchange(question, harness.Returned(b.For(t).Decide(page, "approve")).Get("code"))
		harness.ExpectJSON(t, a, http.StatusOK)
	})
	t.Run("B-42: one with a code stays, and exchanges it", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectJSON(t, e.Form(tokenPath, code.values()), http.StatusOK)
	})
	t.Run("B-42: one that has pushed a request stays", func(t *testing.T) {
		e := e.For(t)
		expectLogin(t, e, e.NewBrowser().Authorize(uri))
	})
	t.Run("B-42: one whose device waits for a person stays", func(t *testing.T) {
		harness.ExpectOAuthError(t, flow.poll(e.For(t)), http.StatusBadRequest, "authorization_pending")
	})
	e.Clock.Advance(31 * day)
	sweep(e)
	t.Run("D-2B: the refresh token of a session that is forgotten is refused like any other", func(t *testing.T) {
		expectInvalidGrant(t, e.For(t).Refresh(asked, over.Refresh))
	})
	t.Run("B-42: a month later those with a session are there, and the others are gone", func(t *testing.T) {
		e := e.For(t)
		for id, want := range map[string]bool{asked: true, coded: true, young: false, pushing: false, ended: false} {
			if got := known(e, id); got != want {
				t.Errorf("client %s is known: %v, want %v", id, got, want)
			}
		}
	})
}
