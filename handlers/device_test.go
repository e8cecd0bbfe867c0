package handlers_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
)

const (
	deviceAuthorizationPath = "/_tuwunel/oidc/device_authorization"
	devicePagePath          = "/_tuwunel/oidc/device"
	deviceGrantType         = "urn:ietf:params:oauth:grant-type:device_code"
	deviceOnly              = `{"client_name":"My TV","client_uri":"https://example.com/","grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"],
		"token_endpoint_auth_method":"none","application_type":"native"}`
	// qrDevice is a Curve25519 key in base64.
	qrDevice = "wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4"
)

// deviceFlow is a device that waits.
type deviceFlow struct {
	clientID, code, userCode, complete string
}

// begin starts a device grant of a device-only client.
func begin(e *harness.Env) deviceFlow {
	e.T.Helper()
	id, _ := e.Register(deviceOnly)
	a := e.Form(deviceAuthorizationPath, url.Values{"client_id": {id}, "scope": {"openid " + harness.ScopeUnstable + qrDevice}})
	expectStatus(e, a, http.StatusOK)
	return deviceFlow{id, a.Text("device_code"), a.Text("user_code"), a.Text("verification_uri_complete")}
}

func (d deviceFlow) values() url.Values {
	return url.Values{"grant_type": {deviceGrantType}, "device_code": {d.code}, "client_id": {d.clientID}}
}

func (d deviceFlow) poll(e *harness.Env) harness.Answer {
	e.T.Helper()
	return e.Form(tokenPath, d.values())
}

// enter types a code on the page and signs in, which ends at the consent page
// or where the code is refused.
func enter(e *harness.Env, b *harness.Browser, typed, user string) harness.Page {
	e.T.Helper()
	entry := b.Visit(devicePagePath)
	choose := b.Post(entry, devicePagePath, url.Values{"csrf_token": {entry.Input("csrf_token")}, "user_code": {typed}})
	if choose.StatusCode != http.StatusOK || len(choose.Links()) != 1 {
		return choose
	}
	return b.SignIn(b.Follow(choose, 0), user)
}

func TestDeviceAuthorization(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(deviceOnly)
	web, _ := e.Register(harness.WebClient)
	good := harness.ScopeStable + "AAAABBBCCCDDD"
	t.Run("D-60: a client with a secret authenticates as at the token endpoint", func(t *testing.T) {
		e := e.For(t)
		id, password := e.Register(strings.Replace(deviceOnly, `"none"`, `"client_secret_basic"`, 1))
		for _, tt := range []struct {
			password string
			status   int
		}{{password, 200}, {"wrong", 401}} {
			a := e.Do(http.MethodPost, deviceAuthorizationPath, map[string]string{"Content-Type": "application/x-www-form-urlencoded",
				"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+tt.password))}, url.Values{"scope": {good}}.Encode())
			expectStatus(e, a, tt.status)
		}
	})
	t.Run("B-21: a device-only client needs no redirect_uris, and has none", func(t *testing.T) {
		a := e.For(t).Do(http.MethodPost, registerPath, map[string]string{"Content-Type": "application/json"}, deviceOnly)
		if a.Status != http.StatusCreated || a.JSON()["redirect_uris"] != nil || a.JSON()["response_types"] != nil {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
	t.Run("A-34 G-01: the answer", func(t *testing.T) {
		e := e.For(t)
		a := e.Form(deviceAuthorizationPath, url.Values{"client_id": {id}, "scope": {good}, "prompt": {"create"}, "login_hint": {"mxid:@a:b"}})
		expectStatus(e, a, http.StatusOK)
		doc := a.JSON()
		if doc["expires_in"] != float64(1200) || doc["interval"] != float64(5) || doc["verification_uri"] != e.URL+devicePagePath {
			t.Errorf("the answer is %s", a.Body)
		}
		if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(a.Text("user_code")) || len(a.Text("device_code")) < 43 {
			t.Errorf("G-12: the answer is %s", a.Body)
		}
		if a.Text("verification_uri_complete") != e.URL+devicePagePath+"?user_code="+a.Text("user_code") || a.Header.Get("Cache-Control") != "no-store" ||
			a.Header.Get("Access-Control-Allow-Origin") != "*" || strings.Contains(string(a.Body), "Header") {
			t.Errorf("the answer is %s with %v", a.Body, a.Header)
		}
	})
	tests := []struct {
		name   string
		form   url.Values
		status int
		code   string
	}{
		{"G-02: an unknown client", url.Values{"client_id": {"nobody"}, "scope": {good}}, 401, "invalid_client"},
		{"G-02: no client", url.Values{"scope": {good}}, 400, "invalid_request"},
		{"G-03: a client without the grant", url.Values{"client_id": {web}, "scope": {good}}, 400, "unauthorized_client"},
		{"G-04: no scope", url.Values{"client_id": {id}}, 400, "invalid_scope"},
		{"G-01: a repeated parameter", url.Values{"client_id": {id}, "scope": {good, good}}, 400, "invalid_request"},
		{"G-02: a client_id twice", url.Values{"client_id": {id, id}, "scope": {good}}, 400, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			harness.ExpectOAuthError(t, e.For(t).Form(deviceAuthorizationPath, tt.form), tt.status, tt.code)
		})
	}
	for name, scope := range map[string]string{
		"C-30: two spaces in a row": "urn:matrix:client:api:*  urn:matrix:client:device:AAAABBBCCCDDD", "C-30: a line feed": good + "\nopenid", "C-30: a quotation mark": good + ` "`,
		"C-33 C-3A: nothing that is known": "urn:matrix:client:api:read", "C-35: two devices": good + " urn:matrix:client:device:OTHER",
		"C-35: two devices in two spellings": good + " urn:matrix:org.matrix.msc2967.client:device:OTHER", "C-36: an empty device": harness.ScopeStable,
		"C-36: a device with a backslash": good + `\`, "C-38: a device of 256 characters": harness.ScopeStable + strings.Repeat("d", 256),
		"C-3B: a device without the api": "urn:matrix:client:device:AAAABBBCCCDDD",
	} {
		t.Run("G-04 "+name+" is refused before anybody is asked", func(t *testing.T) {
			a := e.For(t).Form(deviceAuthorizationPath, url.Values{"client_id": {id}, "scope": {scope}})
			harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_scope")
		})
	}
	t.Run("G-01 L-14: on an https issuer people and devices are sent to https", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Issuer = "https://auth.example.org" }).For(t)
		id, _ := e.Register(deviceOnly)
		a := e.Form(deviceAuthorizationPath, url.Values{"client_id": {id}, "scope": {good}})
		harness.ExpectJSON(t, a, http.StatusOK)
		const page = "https://auth.example.org" + devicePagePath
		if a.Text("verification_uri") != page || a.Text("verification_uri_complete") != page+"?user_code="+a.Text("user_code") {
			t.Errorf("the answer is %s", a.Body)
		}
	})
}

func TestDevicePoll(t *testing.T) {
	want := func(e *harness.Env, a harness.Answer, code string) {
		e.T.Helper()
		harness.ExpectOAuthError(e.T, a, http.StatusBadRequest, code)
	}
	decide := func(e *harness.Env, d deviceFlow, decision string) {
		e.T.Helper()
		b := e.NewBrowser()
		if end := b.Decide(enter(e, b, d.userCode, "alice"), decision); end.StatusCode != http.StatusOK {
			e.T.Fatalf("decide: status %d:\n%s", end.StatusCode, end.HTML)
		}
	}
	tests := []struct {
		name string
		do   func(e *harness.Env, d deviceFlow)
	}{
		{"G-20: nobody has answered", func(e *harness.Env, d deviceFlow) { want(e, d.poll(e), "authorization_pending") }},
		{"G-21: too fast, and each time the interval grows by five seconds", func(e *harness.Env, d deviceFlow) {
			want(e, d.poll(e), "authorization_pending")
			e.Clock.Advance(4 * time.Second)
			want(e, d.poll(e), "slow_down")
			e.Clock.Advance(9 * time.Second)
			want(e, d.poll(e), "slow_down")
			e.Clock.Advance(15 * time.Second)
			want(e, d.poll(e), "authorization_pending")
		}},
		{"G-14 G-22: denied", func(e *harness.Env, d deviceFlow) {
			decide(e, d, "cancel")
			want(e, d.poll(e), "access_denied")
		}},
		{"G-23: expired without an answer", func(e *harness.Env, d deviceFlow) {
			e.Clock.Advance(19 * time.Minute)
			want(e, d.poll(e), "authorization_pending")
			e.Clock.Advance(time.Minute)
			want(e, d.poll(e), "expired_token")
		}},
		{"G-23: expired, and no less so when what is old is swept away", func(e *harness.Env, d deviceFlow) {
			e.Clock.Advance(20*time.Minute + 23*time.Hour)
			if _, err := e.Server.Store().Sweep(e.T.Context()); err != nil {
				e.T.Fatal(err)
			}
			want(e, d.poll(e), "expired_token")
		}},
		{"G-23: expired after the approval", func(e *harness.Env, d deviceFlow) {
			decide(e, d, "approve")
			e.Clock.Advance(20 * time.Minute)
			want(e, d.poll(e), "expired_token")
		}},
		{"G-24: unknown", func(e *harness.Env, d deviceFlow) {
			for _, code := range []string{"kmd_" + secret.Token(), "kmd_", "x", strings.Repeat("x", 5000), d.userCode, d.code + "x"} {
				unknown := d
				unknown.code = code
				want(e, unknown.poll(e), "invalid_grant")
			}
			want(e, d.poll(e), "authorization_pending")
		}},
		{"G-24: of another client, pending and approved", func(e *harness.Env, d deviceFlow) {
			mine := d.clientID
			d.clientID, _ = e.Register(strings.Replace(deviceOnly, "My TV", "Another TV", 1))
			want(e, d.poll(e), "invalid_grant")
			decide(e, d, "approve")
			want(e, d.poll(e), "invalid_grant")
			d.clientID = mine
			expectStatus(e, d.poll(e), http.StatusOK)
		}},
		{"G-24 D-61: of a client with a secret, without it", func(e *harness.Env, _ deviceFlow) {
			id, password := e.Register(strings.Replace(deviceOnly, `"none"`, `"client_secret_post"`, 1))
			secret := url.Values{"client_id": {id}, "client_secret": {password}}
			a := e.Form(deviceAuthorizationPath, with(secret, "scope", harness.ScopeStable+"SECRETIVETV"))
			expectStatus(e, a, http.StatusOK)
			d := deviceFlow{clientID: id, code: a.Text("device_code"), userCode: a.Text("user_code")}
			decide(e, d, "approve")
			harness.ExpectOAuthError(e.T, d.poll(e), http.StatusUnauthorized, "invalid_client")
			harness.ExpectJSON(e.T, e.Form(tokenPath, with(d.values(), "client_secret", password)), http.StatusOK)
		}},
		{"G-25: no device_code", func(e *harness.Env, d deviceFlow) {
			d.code = ""
			want(e, d.poll(e), "invalid_request")
		}},
		{"G-26 G-28 C-37: tokens, the same for thirty seconds, then none", func(e *harness.Env, d deviceFlow) {
			decide(e, d, "approve")
			first := d.poll(e)
			expectStatus(e, first, http.StatusOK)
			if who := e.WhoAmI(first.Text("access_token")); who.Text("user_id") != "@alice:example.org" || who.Text("device_id") != qrDevice {
				e.T.Errorf("whoami: %s", who.Body)
			}
			if first.Text("id_token") == "" || first.Text("scope") != "openid "+harness.ScopeUnstable+qrDevice || first.Text("token_type") != "Bearer" {
				e.T.Errorf("the answer is %s", first.Body)
			}
			e.Clock.Advance(30 * time.Second)
			again := d.poll(e)
			if again.Text("access_token") != first.Text("access_token") || again.Text("refresh_token") != first.Text("refresh_token") {
				e.T.Errorf("the answer was %s, then %s", first.Body, again.Body)
			}
			e.Clock.Advance(time.Second)
			want(e, d.poll(e), "invalid_grant")
			e.MustRefresh(d.clientID, first.Text("refresh_token"))
		}},
		{"G-28: the same tokens after a restart", func(e *harness.Env, d deviceFlow) {
			decide(e, d, "approve")
			first := d.poll(e)
			expectStatus(e, first, http.StatusOK)
			e.Restart()
			if again := d.poll(e); again.Text("access_token") != first.Text("access_token") || again.Text("refresh_token") != first.Text("refresh_token") {
				e.T.Errorf("the answer was %s, then %s", first.Body, again.Body)
			}
		}},
		{"G-28: no answer again once the refresh token was used", func(e *harness.Env, d deviceFlow) {
			decide(e, d, "approve")
			e.MustRefresh(d.clientID, d.poll(e).Text("refresh_token"))
			want(e, d.poll(e), "invalid_grant")
		}},
		{"G-28: no answer again once the session has ended", func(e *harness.Env, d deviceFlow) {
			decide(e, d, "approve")
			expectStatus(e, e.Form(revokePath, url.Values{"token": {d.poll(e).Text("refresh_token")}, "client_id": {d.clientID}}), http.StatusOK)
			want(e, d.poll(e), "invalid_grant")
		}},
	}
	onEach(t, func(t *testing.T, e *harness.Env) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				e := e.For(t)
				e.Clock.Advance(time.Minute) // the page lets codes be tried again
				tt.do(e, begin(e))
			})
		}
		t.Run("G-26 L-27: a hundred polls at once are one set of tokens", func(t *testing.T) {
			e := e.For(t)
			d := begin(e)
			decide(e, d, "approve")
			answers := make([]string, 100)
			var polls sync.WaitGroup
			for i := range answers {
				polls.Go(func() {
					a, err := e.Try(http.MethodPost, tokenPath, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, d.values().Encode())
					answers[i] = fmt.Sprint(a.Status, err, a.Text("access_token"), a.Text("refresh_token"))
				})
			}
			polls.Wait()
			for _, a := range answers {
				if a != answers[0] || !strings.HasPrefix(a, "200") {
					t.Fatalf("one answer is %s, another %s", answers[0], a)
				}
			}
		})
	})
}

func TestDeviceGrantSwitchedOff(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Global = "oidc_device_grant = false" })
	id, _ := e.Register(harness.WebClient)
	t.Run("G-05 A-03g A-03l: neither its endpoint nor its grant type is in the metadata", func(t *testing.T) {
		doc := e.For(t).Get(metadataPath).JSON()
		if _, there := doc["device_authorization_endpoint"]; there || doc["issuer"] != e.Issuer || slices.Contains(strs(doc["grant_types_supported"]), deviceGrantType) {
			t.Errorf("the metadata is %v", doc)
		}
	})
	t.Run("G-05: the grant type is unsupported_grant_type", func(t *testing.T) {
		a := e.For(t).Form(tokenPath, deviceFlow{clientID: id, code: "x"}.values())
		harness.ExpectOAuthError(t, a, http.StatusBadRequest, "unsupported_grant_type")
	})
	t.Run("G-05 B-20: it is pruned from a registration, and refused where it is the only way in", func(t *testing.T) {
		e := e.For(t)
		a := register(e, metadataOf(t, map[string]any{"grant_types": []string{"authorization_code", "refresh_token", deviceGrantType}}))
		if a.Status != http.StatusCreated || !slices.Equal(strs(a.JSON()["grant_types"]), []string{"authorization_code", "refresh_token"}) {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
		harness.ExpectOAuthError(t, register(e, deviceOnly), http.StatusBadRequest, "invalid_client_metadata")
	})
	t.Run("G-05: nothing of it answers, and no device can meet another", func(t *testing.T) {
		e := e.For(t)
		expectPage(t, e.NewBrowser().Visit(devicePagePath), http.StatusNotFound, "")
		expectStatus(e, e.Form(deviceAuthorizationPath, url.Values{"client_id": {id}}), http.StatusNotFound)
		if flags, _ := e.Get("/_matrix/client/versions").JSON()["unstable_features"].(map[string]any); flags["org.matrix.msc4108"] != false {
			t.Errorf("the flags are %v", flags)
		}
	})
}
