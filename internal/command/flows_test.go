package command_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/demo/journey"
	"keymaker/internal/harness"
)

// flow is one way of a client through the server, from the beginning to the end.
type flow struct {
	name string
	walk func(e *harness.Env, user string) error
	// pause keeps below the limits that no configuration lifts.
	pause time.Duration
}

var flows = []flow{
	{name: "the whole journey of the demonstration", walk: func(e *harness.Env, user string) error {
		return journey.Run(e.T.Context(), journey.Options{Issuer: e.Issuer, HomeserverSecret: harness.HomeserverSecret, Username: user, Out: io.Discard})
	}},
	{name: "a device that is approved on another one", walk: deviceGrant, pause: 4 * time.Second},
	{name: "a legacy login and its refresh", walk: func(e *harness.Env, user string) error {
		tokens := e.LogInLegacy(user, "LEGACY")
		a := e.Do(http.MethodPost, "/_matrix/client/v3/refresh", map[string]string{"Content-Type": "application/json"}, `{"refresh_token":"`+tokens.Refresh+`"}`)
		if err := expect(a, http.StatusOK); err != nil {
			return err
		}
		return expect(e.WhoAmI(a.Text("access_token")), http.StatusOK)
	}},
	{name: "a chain of refreshes, and a logout", walk: func(e *harness.Env, user string) error {
		tokens := e.LogIn(user, "CHAIN")
		for range 5 {
			next := e.MustRefresh(tokens.ClientID, tokens.Refresh)
			if err := expect(e.Introspect(next.Access), http.StatusOK); err != nil {
				return err
			}
			tokens.Access, tokens.Refresh = next.Access, next.Refresh
		}
		if err := expect(e.As(tokens.Access, http.MethodPost, "/_matrix/client/v3/logout", "{}"), http.StatusOK); err != nil {
			return err
		}
		return expect(e.WhoAmI(tokens.Access), http.StatusUnauthorized)
	}},
	{name: "a rendezvous of two devices", walk: rendezvous, pause: 1500 * time.Millisecond},
}

func expect(a harness.Answer, status int) error {
	if a.Status != status {
		return fmt.Errorf("status %d, want %d: %s", a.Status, status, a.Body)
	}
	return nil
}

func deviceGrant(e *harness.Env, user string) error {
	const grant = "urn:ietf:params:oauth:grant-type:device_code"
	id, _ := e.Register(`{"client_name":"TV","client_uri":"https://example.com/","token_endpoint_auth_method":"none","grant_types":["` + grant + `","refresh_token"],"application_type":"native"}`)
	began := e.Form("/_tuwunel/oidc/device_authorization", url.Values{"client_id": {id}, "scope": {"openid " + harness.ScopeStable + "ATHOME"}})
	if err := expect(began, http.StatusOK); err != nil {
		return err
	}
	b := e.NewBrowser()
	entry := b.Visit("/_tuwunel/oidc/device")
	if entry.StatusCode != http.StatusOK {
		return fmt.Errorf("the page for the code: status %d", entry.StatusCode)
	}
	page := b.Post(entry, "/_tuwunel/oidc/device", url.Values{"csrf_token": {entry.Input("csrf_token")}, "user_code": {began.Text("user_code")}})
	if page.StatusCode != http.StatusOK {
		return fmt.Errorf("the code: status %d", page.StatusCode)
	}
	if len(page.Links()) == 1 {
		page = b.Follow(page, 0)
	}
	page = b.SignIn(page, user)
	if done := b.Decide(page, "approve"); done.StatusCode != http.StatusOK || !strings.Contains(done.HTML, "Your device is connected") {
		return fmt.Errorf("approve: status %d:\n%s\nafter:\n%s", done.StatusCode, done.HTML, page.HTML)
	}
	tokens := e.Form(tokenPath, url.Values{"grant_type": {grant}, "device_code": {began.Text("device_code")}, "client_id": {id}})
	if err := expect(tokens, http.StatusOK); err != nil {
		return err
	}
	return expect(e.WhoAmI(tokens.Text("access_token")), http.StatusOK)
}

func rendezvous(e *harness.Env, _ string) error {
	text := map[string]string{"Content-Type": "text/plain"}
	began := e.Do(http.MethodPost, "/_matrix/client/unstable/org.matrix.msc4108/rendezvous", text, "from the first")
	if err := expect(began, http.StatusCreated); err != nil {
		return err
	}
	at, tag := began.Text("url"), began.Header.Get("ETag")
	for i := range 4 {
		read := e.Do(http.MethodGet, at, nil, "")
		if err := expect(read, http.StatusOK); err != nil {
			return err
		}
		if read.Header.Get("ETag") != tag {
			return fmt.Errorf("round %d: ETag %q, want %q", i, read.Header.Get("ETag"), tag)
		}
		put := e.Do(http.MethodPut, at, map[string]string{"Content-Type": "text/plain", "If-Match": tag}, fmt.Sprintf("message %d", i))
		if err := expect(put, http.StatusAccepted); err != nil {
			return err
		}
		tag = put.Header.Get("ETag")
	}
	return nil
}

// trial is a test in which a flow may fail without the test failing.
type trial struct {
	testing.TB
	ctx     context.Context
	failure string
}

func (t *trial) Context() context.Context        { return t.ctx }
func (t *trial) Error(args ...any)               { t.failure += fmt.Sprintln(args...) }
func (t *trial) Errorf(form string, args ...any) { t.failure += fmt.Sprintf(form, args...) + "\n" }
func (t *trial) Fatal(args ...any)               { t.Error(args...); panic(t) }
func (t *trial) Fatalf(f string, args ...any)    { t.Errorf(f, args...); panic(t) }
func (t *trial) Helper()                         {}

// try walks a flow once, and returns what went wrong.
func try(t testing.TB, at *harness.Env, walk func(e *harness.Env) error) (failure string) {
	attempt := &trial{TB: t, ctx: context.Background()}
	e := *at
	e.T = attempt
	defer func() {
		if p := recover(); p != nil && p != any(attempt) {
			panic(p)
		}
		failure = attempt.failure
	}()
	if err := walk(&e); err != nil {
		attempt.Error(err)
	}
	return attempt.failure
}

func (f *fleet) try(t testing.TB, w flow, user string) (failure string) {
	return try(t, f.Env, func(e *harness.Env) error { return w.walk(e, user) })
}
