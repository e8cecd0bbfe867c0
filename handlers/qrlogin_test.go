package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

// qrMessages are what two devices say to each other in a QR login (MSC4108), by
// the type of the message.
var qrMessages = map[string]string{
	"m.login.protocols": `{"type":"m.login.protocols","protocols":["device_authorization_grant"],"homeserver":"matrix.example.org"}`,
	"m.login.protocol": `{"type":"m.login.protocol","protocol":"device_authorization_grant","device_authorization_grant":{"verification_uri":"https://m.example/d",` +
		`"verification_uri_complete":"https://m.example/d?user_code=BBBB-CCCC"},"device_id":"wjLpTLRqbqBzLs63aYaEv2Boi6cFEbbM/sSRQ2oAKk4"}`,
	"m.login.protocol_accepted": `{"type":"m.login.protocol_accepted"}`,
	"m.login.success":           `{"type":"m.login.success"}`,
	"m.login.declined":          `{"type":"m.login.declined"}`,
	"m.login.failure":           `{"type":"m.login.failure","reason":"unsupported_protocol","homeserver":"matrix.example.org"}`,
	"m.login.secrets": `{"type":"m.login.secrets","cross_signing":{"master_key":"bMnVpkHI4S2wXRxy+IpaKM5PIAUUkl6DE+n0YLIW/qs","user_signing_key":"8tlgLjUrrb/zGJo4YKGhDTIDCEjtJTAS/Sh2AGNLuIo",` +
		`"self_signing_key":"pfDknmP5a0fVVRE54zhkUgJfzbNmvKcNfIWEW796bQs"},"backup":{"algorithm":"m.megolm_backup.v1.curve25519-aes-sha2","key":"bYYv3aFLQ49jMNcOjuTtBY9EKDby2x1m3gfX81nIKRQ","backup_version":"9"}}`,
}

func TestQRMessages(t *testing.T) {
	e := harness.Start(t, unlimited)
	for kind, message := range qrMessages {
		t.Run("G-33: "+kind+" is carried unchanged by msc4108", func(t *testing.T) {
			e := e.For(t)
			path, etag := meet(e, "")
			expectStatus(e, plain(e, http.MethodPut, path, message, "If-Match", etag), http.StatusAccepted)
			if a := plain(e, http.MethodGet, path, "", "If-None-Match", etag); string(a.Body) != message {
				t.Errorf("the other device reads %q", a.Body)
			}
		})
		t.Run("G-33: "+kind+" is carried unchanged by msc4388", func(t *testing.T) {
			e := e.For(t)
			path, token := begin4388(e, "")
			written := write4388(e, path, token, message)
			expectStatus(e, written, http.StatusOK)
			expectData(e, path, written.Text("sequence_token"), message)
		})
	}
}

// TestQRLogin signs a new device in with the help of an old one, as the two do
// after they have met.
func TestQRLogin(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		t.Run("G-32: a new device is signed in by an old one, and is there before it has its tokens", func(t *testing.T) {
			e := e.For(t)
			old := e.LogIn("alice", "OLDDEVICE")
			session, seen := meet(e, "")
			// say leaves a message, and hears what the other device reads.
			say := func(message string) string {
				t.Helper()
				a := plain(e, http.MethodPut, session, message, "If-Match", seen)
				expectStatus(e, a, http.StatusAccepted)
				heard := plain(e, http.MethodGet, session, "", "If-None-Match", seen)
				seen = a.Header.Get("ETag")
				return string(heard.Body)
			}
			device := func() harness.Answer {
				t.Helper()
				return e.As(old.Access, http.MethodGet, devicesPath+"/"+url.PathEscape(qrDevice), "")
			}

			client, _ := e.Register(deviceOnly)
			begun := e.Form(deviceAuthorizationPath, url.Values{"client_id": {client}, "scope": {harness.ScopeUnstable + qrDevice}})
			expectStatus(e, begun, http.StatusOK)
			flow := deviceFlow{client, begun.Text("device_code"), begun.Text("user_code"), begun.Text("verification_uri_complete")}
			heard := say(flow.complete)

			harness.ExpectMatrixError(t, device(), http.StatusNotFound, "M_NOT_FOUND")
			say("m.login.protocol_accepted")
			if a := flow.poll(e); a.Text("error") != "authorization_pending" {
				t.Fatalf("before the approval: status %d: %s", a.Status, a.Body)
			}
			b := e.NewBrowser()
			entry := b.Visit(heard)
			chosen := b.Post(entry, devicePagePath, url.Values{"csrf_token": {entry.Input("csrf_token")}, "user_code": {entry.Input("user_code")}})
			consent := b.SignIn(b.Visit(chosen.Links()[0]), "alice")
			if page := consent.Text(); !strings.Contains(page, qrDevice) || !strings.Contains(page, "My TV") {
				t.Fatalf("the consent page is\n%s", page)
			}
			expectStatus(e, device(), http.StatusNotFound)
			b.Decide(consent, "approve")

			tokens := flow.poll(e)
			expectStatus(e, tokens, http.StatusOK)
			if a := device(); a.Status != http.StatusOK || a.Text("device_id") != qrDevice {
				t.Errorf("the old device sees status %d: %s", a.Status, a.Body)
			}
			if who := e.WhoAmI(tokens.Text("access_token")); who.Text("user_id") != "@alice:example.org" || who.Text("device_id") != qrDevice {
				t.Errorf("whoami: %s", who.Body)
			}
			if tokens.Text("scope") != harness.ScopeUnstable+qrDevice {
				t.Errorf("the scope is %q", tokens.Text("scope"))
			}
			say("m.login.success")
			if got := say("m.login.secrets"); got != "m.login.secrets" {
				t.Errorf("the new device hears %q", got)
			}
			e.MustRefresh(client, tokens.Text("refresh_token"))
		})
	})
}
