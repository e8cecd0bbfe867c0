package fakesynapse_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	api    = "urn:matrix:client:api:*"
	oldAPI = "urn:matrix:org.matrix.msc2967.client:api:*"
	dev    = "urn:matrix:client:device:"
	oldDev = "urn:matrix:org.matrix.msc2967.client:device:"
)

// tokenCases are about alice, who has the devices A and B.
var tokenCases = []struct {
	name, says string
	status     int
	errcode    string
	text       string
	device     string
}{
	{"a token for a device", `{"active":true,"scope":"openid ` + api + ` ` + dev + `A","username":"alice","device_id":"A","expires_in":300,"sub":"1","more":[]}`, 200, "", "", "A"},
	{"the device by itself", `{"active":true,"scope":"` + api + `","username":"alice","device_id":"B"}`, 200, "", "", "B"},
	{"the device of the scope", `{"active":true,"scope":"` + api + ` ` + dev + `B","username":"alice"}`, 200, "", "", "B"},
	{"the device of both scopes", `{"active":true,"scope":"` + api + ` ` + dev + `B ` + oldDev + `B","username":"alice","device_id":null}`, 200, "", "", "B"},
	{"the older scopes", `{"active":true,"scope":"` + oldAPI + ` ` + oldDev + `A","username":"alice"}`, 200, "", "", "A"},
	{"what is said beats the scope", `{"active":true,"scope":"` + api + ` ` + dev + `A ` + dev + `X","username":"alice","device_id":"B"}`, 200, "", "", "B"},
	{"a token for no device", `{"active":true,"scope":"` + api + `","username":"alice","expires_in":null,"sub":null}`, 200, "", "", ""},
	{"more space in the scope", `{"active":true,"scope":"  ` + api + `  ` + dev + `A ","username":"alice"}`, 200, "", "", "A"},
	{"two devices", `{"active":true,"scope":"` + api + ` ` + dev + `A ` + oldDev + `B","username":"alice"}`, 500, "M_FORBIDDEN", "Multiple device IDs in scope", ""},
	{"a device without a name", `{"active":true,"scope":"` + api + ` ` + dev + `","username":"alice"}`, 500, "M_FORBIDDEN", "Invalid device ID in introspection result", ""},
	{"a device of 256 characters", `{"active":true,"scope":"` + api + `","username":"alice","device_id":"` + strings.Repeat("x", 256) + `"}`, 500, "M_FORBIDDEN", "Invalid device ID in introspection result", ""},
	{"a device that is not there", `{"active":true,"scope":"` + api + `","username":"alice","device_id":"X"}`, 401, "M_UNKNOWN_TOKEN", "Token is not active", ""},
	{"a token that is over", `{"active":false}`, 401, "M_UNKNOWN_TOKEN", "Token is not active", ""},
	{"a token that is over at once", `{"active":true,"scope":"` + api + `","username":"alice","expires_in":0}`, 401, "M_UNKNOWN_TOKEN", "Token is not active", ""},
	{"a token that was over", `{"active":true,"scope":"` + api + `","username":"alice","expires_in":-5}`, 401, "M_UNKNOWN_TOKEN", "Token is not active", ""},
	{"a token for ages", `{"active":true,"scope":"` + api + `","username":"alice","expires_in":99999999999999999999}`, 200, "", "", ""},
	{"a token for something else", `{"active":true,"scope":"openid","username":"alice"}`, 401, "M_UNKNOWN_TOKEN", "Token doesn't grant access to the Matrix C-S API", ""},
	{"a token for nothing", `{"active":true,"username":"alice"}`, 401, "M_UNKNOWN_TOKEN", "Token doesn't grant access to the Matrix C-S API", ""},
	{"another part of the API", `{"active":true,"scope":"` + api + `x","username":"alice"}`, 401, "M_UNKNOWN_TOKEN", "Token doesn't grant access to the Matrix C-S API", ""},
	{"scopes with a line end between", `{"active":true,"scope":"openid\n` + api + `","username":"alice"}`, 401, "M_UNKNOWN_TOKEN", "Token doesn't grant access to the Matrix C-S API", ""},
	{"no user", `{"active":true,"scope":"` + api + `"}`, 500, "M_FORBIDDEN", "Invalid username claim in the introspection result", ""},
	{"a user who is not there", `{"active":true,"scope":"` + api + `","username":"bob"}`, 500, "M_FORBIDDEN", "User not found", ""},
	{"an empty user", `{"active":true,"scope":"` + api + `","username":""}`, 500, "M_FORBIDDEN", "User not found", ""},
	{"active as text", `{"active":"true","scope":"` + api + `","username":"alice"}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"active as a number", `{"active":1,"scope":"` + api + `","username":"alice"}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"active as null", `{"active":null}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"no active", `{"scope":"` + api + `","username":"alice"}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"active in other case", `{"Active":true,"scope":"` + api + `","username":"alice"}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"a life as text", `{"active":true,"scope":"` + api + `","username":"alice","expires_in":"300"}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"a life with a fraction", `{"active":true,"scope":"` + api + `","username":"alice","expires_in":300.0}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"a life with an exponent", `{"active":true,"scope":"` + api + `","username":"alice","expires_in":3e2}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"a life that is true", `{"active":true,"scope":"` + api + `","username":"alice","expires_in":true}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"a scope as a list", `{"active":true,"scope":["` + api + `"],"username":"alice"}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"a user as a number", `{"active":true,"scope":"` + api + `","username":1}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"a device as a number", `{"active":true,"scope":"` + api + `","username":"alice","device_id":1}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"a subject as a number", `{"active":true,"scope":"` + api + `","username":"alice","sub":1}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"the key that Synapse adds", `{"active":true,"scope":"` + api + `","username":"alice","retrieved_at_ms":1}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"even when it is over", `{"active":false,"retrieved_at_ms":1}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"a wrong type in what is over", `{"active":false,"scope":1}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"a list", `[]`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"null", `null`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"nothing", ``, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"no JSON", `<html>`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"no UTF-8", `{"active":true,"x":"` + "\xff" + `"}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
	{"the last of two keys", `{"active":false,"active":true,"scope":"` + api + `","username":"alice"}`, 200, "", "", ""},
	{"an answer of a MiB", `{"active":true,"scope":"` + api + `","username":"alice","x":"` + strings.Repeat("x", 1<<20-80) + `"}`, 200, "", "", ""},
	{"an answer of more", `{"active":true,"scope":"` + api + `","username":"alice","x":"` + strings.Repeat("x", 1<<20) + `"}`, 503, "M_UNKNOWN", "Unable to introspect the access token", ""},
}

// whoami asks who a token is, and wants that to be answered.
func (tt *target) whoami(t *testing.T, token string) (status int, body map[string]any) {
	t.Helper()
	return tt.get(t, "/_matrix/client/v3/account/whoami", token, &body), body
}

// whoever makes alice, with her devices.
func (tt *target) whoever(t *testing.T) (named func(string) string) {
	t.Helper()
	named = strangers()
	tt.post(t, "provision_user", named(`{"localpart":"alice"}`))
	tt.post(t, "sync_devices", named(`{"localpart":"alice","devices":["A","B"]}`))
	return named
}

func TestItAsksAboutTokensAsSynapseDoes(t *testing.T) {
	each(t, false, func(tt *target) {
		named := tt.whoever(tt.T)
		for _, c := range tokenCases {
			tt.Run(c.name, func(t *testing.T) {
				token := tt.says(200, named(c.says))
				for _, when := range []string{"", " the second time"} {
					status, body := tt.whoami(t, token)
					want := map[string]any{"errcode": c.errcode, "error": c.text}
					switch {
					case c.status == 401:
						want["soft_logout"] = false
					case c.errcode == "":
						want = map[string]any{"user_id": named("@alice:example.com"), "is_guest": false}
						if c.device != "" {
							want["device_id"] = c.device
						}
					}
					if diff := cmp.Diff(want, body); status != c.status || diff != "" {
						t.Errorf("%d%s: -want +got\n%s", status, when, diff)
					}
				}
			})
		}
	})
}

func TestTheStatusOfTheAnswerMatters(t *testing.T) {
	each(t, false, func(tt *target) {
		named := tt.whoever(tt.T)
		good := named(`{"active":true,"scope":"` + api + `","username":"alice"}`)
		for status, want := range map[int]int{200: 200, 201: 200, 202: 200, 400: 503, 401: 503, 403: 503, 404: 503, 429: 503, 500: 503, 502: 503, 503: 503} {
			if got, body := tt.whoami(tt.T, tt.says(status, good)); got != want {
				tt.Errorf("%d makes %d %v, want %d", status, got, body, want)
			}
		}
		for status, want := range map[int]int{301: 401, 302: 401, 303: 401, 307: 401, 308: 401} { // of what is elsewhere, nobody has said a thing
			if got, body := tt.whoami(tt.T, tt.says(status, "/elsewhere?token={token}x")); got != want {
				tt.Errorf("%d makes %d %v, want %d", status, got, body, want)
			}
		}
	})
}

func TestItRemembersWhatItWasTold(t *testing.T) {
	each(t, false, func(tt *target) {
		named := tt.whoever(tt.T)
		asked := func() int {
			_, bodies := tt.asked()
			return len(bodies)
		}
		forDevice := named(`{"active":true,"scope":"` + api + `","username":"alice","device_id":"A"}`)
		tests := []struct {
			name, says string
			status     int
			once       bool
		}{
			{"a good token", forDevice, 200, true},
			{"a token that is over", `{"active":false}`, 401, true},
			{"a token that names nobody", named(`{"active":true,"scope":"` + api + `","username":"bob"}`), 500, true},
			{"a token for a device that is not there", named(`{"active":true,"scope":"` + api + `","username":"alice","device_id":"X"}`), 401, false},
			{"an answer that is none", `[]`, 503, false},
		}
		for _, c := range tests {
			tt.Run(c.name, func(t *testing.T) {
				token, before := tt.says(200, c.says), asked()
				for range 3 {
					if status, body := tt.whoami(t, token); status != c.status {
						t.Errorf("%d %v", status, body)
					}
				}
				if n := asked() - before; n != map[bool]int{true: 1, false: 3}[c.once] {
					t.Errorf("it has asked %d times", n)
				}
			})
		}
		tt.Run("until the device is gone", func(t *testing.T) {
			token := tt.says(200, forDevice)
			if status, body := tt.whoami(t, token); status != 200 {
				t.Fatalf("%d %v", status, body)
			}
			before := asked()
			tt.post(t, "delete_device", named(`{"localpart":"alice","device_id":"A"}`))
			for range 2 {
				if status, body := tt.whoami(t, token); status != 401 {
					t.Errorf("%d %v", status, body)
				}
			}
			// The first answer is the remembered one.
			if n := asked() - before; n != 1 {
				t.Errorf("it has asked %d times", n)
			}
			tt.post(t, "upsert_device", named(`{"localpart":"alice","device_id":"A"}`))
			if status, body := tt.whoami(t, token); status != 200 {
				t.Errorf("%d %v", status, body)
			}
		})
	})
}

func TestTheQuestionIsSynapses(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		each(t, http2, func(tt *target) {
			tt.whoami(tt.T, "a+b&d=%")
			headers, bodies := tt.asked()
			if len(headers) == 0 {
				tt.Fatal("nobody has asked")
			}
			got := headers[len(headers)-1]
			got.Del("Content-Length")
			got.Del("Accept-Encoding") // of the test's own server
			want := http.Header{
				"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}, "Authorization": {"Bearer " + sharedSecret},
				"X-Mas-Supports-Device-Id": {"1"}, "User-Agent": {"Synapse/1.163.2"},
				":": {"POST /sub/oauth2/introspect " + map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"}[http2]},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				tt.Errorf("-want +got\n%s", diff)
			}
			if form := bodies[len(bodies)-1]; form != "token=a%2Bb%26d%3D%25&token_type_hint=access_token" {
				tt.Errorf("the form is %s", form)
			}
		})
	}
}
