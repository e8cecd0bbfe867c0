package provisioning_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/clock"
	"keymaker/internal/provisioning"
	"keymaker/internal/secret"
)

const sharedSecret = "between-you-and-me"

func newClient(t testing.TB, endpoint string) *provisioning.Client {
	t.Helper()
	c, err := provisioning.New(provisioning.Options{Endpoint: endpoint, Secret: sharedSecret, Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// seen is a request as the homeserver gets it.
type seen struct {
	Method, URI string
	Header      http.Header
	Body        string
}

// homeserver answers with what it is told, in this order; the last goes on.
type homeserver struct {
	*httptest.Server
	mu      sync.Mutex
	answers []reply
	seen    []seen
}

// reply is an answer, of JSON unless kind says something else.
type reply struct {
	status int
	body   string
	kind   string
}

func serve(t testing.TB, answers ...reply) *homeserver {
	t.Helper()
	h := &homeserver{answers: answers}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *homeserver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	h.seen = append(h.seen, seen{r.Method, r.RequestURI, r.Header, string(body)})
	a := h.answers[0]
	if len(h.answers) > 1 {
		h.answers = h.answers[1:]
	}
	h.mu.Unlock()
	if a.kind == "" {
		a.kind = "application/json"
	}
	w.Header().Set("Content-Type", a.kind)
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func pointer[T any](v T) *T { return &v }

const described = `{"user_id":"@alice:example.com","display_name":"Alice","avatar_url":null,"is_suspended":true,"is_deactivated":false}`

// calls are all of them, with what goes over the wire.
var calls = []struct {
	name   string
	call   func(context.Context, *provisioning.Client) error
	answer reply
	method string
	uri    string
	body   string
}{
	{"QueryUser", func(ctx context.Context, c *provisioning.Client) error {
		_, err := c.QueryUser(ctx, "alice")
		return err
	}, reply{status: 200, body: described}, "GET", "query_user?localpart=alice", ""},
	{"LocalpartAvailable", func(ctx context.Context, c *provisioning.Client) error {
		return c.LocalpartAvailable(ctx, "a+b/c=d")
	}, reply{status: 200, body: "{}"}, "GET", "is_localpart_available?localpart=a%2Bb%2Fc%3Dd", ""},
	{"ProvisionUser", func(ctx context.Context, c *provisioning.Client) error {
		_, err := c.ProvisionUser(ctx, "alice", provisioning.Profile{})
		return err
	}, reply{status: 201, body: "{}"}, "POST", "provision_user", `{"localpart":"alice"}`},
	{"DeleteUser", func(ctx context.Context, c *provisioning.Client) error {
		return c.DeleteUser(ctx, "alice", false)
	}, reply{status: 200, body: "{}"}, "POST", "delete_user", `{"localpart":"alice","erase":false}`},
	{"ReactivateUser", func(ctx context.Context, c *provisioning.Client) error {
		return c.ReactivateUser(ctx, "alice")
	}, reply{status: 200, body: "{}"}, "POST", "reactivate_user", `{"localpart":"alice"}`},
	{"SetDisplayName", func(ctx context.Context, c *provisioning.Client) error {
		return c.SetDisplayName(ctx, "alice", "Alice")
	}, reply{status: 200, body: "{}"}, "POST", "set_displayname", `{"localpart":"alice","displayname":"Alice"}`},
	{"UnsetDisplayName", func(ctx context.Context, c *provisioning.Client) error {
		return c.UnsetDisplayName(ctx, "alice")
	}, reply{status: 200, body: "{}"}, "POST", "unset_displayname", `{"localpart":"alice"}`},
	{"UpsertDevice", func(ctx context.Context, c *provisioning.Client) error {
		_, err := c.UpsertDevice(ctx, "alice", "DEVICE", "Phone")
		return err
	}, reply{status: 201, body: "{}"}, "POST", "upsert_device", `{"localpart":"alice","device_id":"DEVICE","display_name":"Phone"}`},
	{"UpdateDeviceDisplayName", func(ctx context.Context, c *provisioning.Client) error {
		return c.UpdateDeviceDisplayName(ctx, "alice", "DEVICE", "Phone")
	}, reply{status: 200, body: "{}"}, "POST", "update_device_display_name", `{"localpart":"alice","device_id":"DEVICE","display_name":"Phone"}`},
	{"DeleteDevice", func(ctx context.Context, c *provisioning.Client) error {
		return c.DeleteDevice(ctx, "alice", "DEVICE")
	}, reply{status: 204}, "POST", "delete_device", `{"localpart":"alice","device_id":"DEVICE"}`},
	{"SyncDevices", func(ctx context.Context, c *provisioning.Client) error {
		return c.SyncDevices(ctx, "alice", []string{"A", "B"})
	}, reply{status: 200, body: "{}"}, "POST", "sync_devices", `{"localpart":"alice","devices":["A","B"]}`},
	{"AllowCrossSigningReset", func(ctx context.Context, c *provisioning.Client) error {
		return c.AllowCrossSigningReset(ctx, "alice")
	}, reply{status: 200, body: "{}"}, "POST", "allow_cross_signing_reset", `{"localpart":"alice"}`},
}

func TestCallsAsTheyAreSent(t *testing.T) {
	for _, tt := range calls {
		t.Run(tt.name, func(t *testing.T) {
			h := serve(t, tt.answer)
			if err := tt.call(t.Context(), newClient(t, h.URL)); err != nil {
				t.Fatal(err)
			}
			if len(h.seen) != 1 {
				t.Fatalf("%d requests", len(h.seen))
			}
			got := h.seen[0]
			if got.Method != tt.method || got.URI != "/_synapse/mas/"+tt.uri {
				t.Errorf("sent %s %s", got.Method, got.URI)
			}
			want := map[string]string{"Authorization": "Bearer " + sharedSecret, "Accept": "application/json", "Content-Type": "application/json", "Idempotency-Key": "", "Accept-Encoding": ""}
			if tt.body == "" {
				want["Content-Type"] = ""
			}
			for name, value := range want {
				if got.Header.Get(name) != value {
					t.Errorf("%s is %q", name, got.Header.Get(name))
				}
			}
			sameJSON(t, got.Body, tt.body)
		})
	}
}

// sameJSON compares two objects, or two empty bodies.
func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if want == "" && got == "" {
		return
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("body %q: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestProfileFields(t *testing.T) {
	long := strings.Repeat("é", 300)
	tests := []struct {
		name    string
		profile provisioning.Profile
		body    string
	}{
		{"what is nil is left alone", provisioning.Profile{}, `{"localpart":"alice"}`},
		{"what is there is set", provisioning.Profile{DisplayName: pointer("Alice"), AvatarURL: pointer("mxc://a/b"), Emails: &[]string{"a@x", "b@x"}, Locked: pointer(true)},
			`{"localpart":"alice","set_displayname":"Alice","set_avatar_url":"mxc://a/b","set_emails":["a@x","b@x"],"locked":true}`},
		{"what is empty is unset", provisioning.Profile{DisplayName: pointer(""), AvatarURL: pointer(""), Emails: &[]string{}, Locked: pointer(false)},
			`{"localpart":"alice","unset_displayname":true,"unset_avatar_url":true,"unset_emails":true,"locked":false}`},
		{"no list of addresses is an empty one", provisioning.Profile{Emails: pointer([]string(nil))}, `{"localpart":"alice","unset_emails":true}`},
		{"a long name is cut to 256 characters", provisioning.Profile{DisplayName: &long}, `{"localpart":"alice","set_displayname":"` + long[:2*256] + `"}`},
		{"a name of NUL alone is none", provisioning.Profile{DisplayName: pointer("\x00")}, `{"localpart":"alice","unset_displayname":true}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := serve(t, reply{status: 200, body: "{}"})
			if created, err := newClient(t, h.URL).ProvisionUser(t.Context(), "alice", tt.profile); err != nil || created {
				t.Fatalf("created %t, %v", created, err)
			}
			sameJSON(t, h.seen[0].Body, tt.body)
		})
	}
}

func TestNamesAreCutToWhatIsTaken(t *testing.T) {
	tests := []struct {
		name, sent, want string
		max              int
	}{
		{"a short name is whole", "Phone", "Phone", 0},
		{"one of the greatest length is whole", strings.Repeat("ü", 100), strings.Repeat("ü", 100), 0},
		{"characters count, not bytes", strings.Repeat("📱", 101), strings.Repeat("📱", 100), 0},
		{"NUL is left out before it is counted", "\x00" + strings.Repeat("x", 100), strings.Repeat("x", 100), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := serve(t, reply{status: 200, body: "{}"})
			c := newClient(t, h.URL)
			if _, err := c.UpsertDevice(t.Context(), "alice", "D", tt.sent); err != nil {
				t.Fatal(err)
			}
			if err := c.UpdateDeviceDisplayName(t.Context(), "alice", "D", tt.sent); err != nil {
				t.Fatal(err)
			}
			for _, request := range h.seen {
				sameJSON(t, request.Body, fmt.Sprintf(`{"localpart":"alice","device_id":"D","display_name":%q}`, tt.want))
			}
		})
	}
	t.Run("a device without a name is sent without one", func(t *testing.T) {
		h := serve(t, reply{status: 200, body: "{}"})
		if _, err := newClient(t, h.URL).UpsertDevice(t.Context(), "alice", "D", ""); err != nil {
			t.Fatal(err)
		}
		sameJSON(t, h.seen[0].Body, `{"localpart":"alice","device_id":"D"}`)
	})
	t.Run("the name of a user has 256 characters", func(t *testing.T) {
		h := serve(t, reply{status: 200, body: "{}"})
		if err := newClient(t, h.URL).SetDisplayName(t.Context(), "alice", strings.Repeat("é", 257)); err != nil {
			t.Fatal(err)
		}
		sameJSON(t, h.seen[0].Body, `{"localpart":"alice","displayname":"`+strings.Repeat("é", 256)+`"}`)
	})
	t.Run("no devices are an empty list", func(t *testing.T) {
		h := serve(t, reply{status: 200, body: "{}"})
		if err := newClient(t, h.URL).SyncDevices(t.Context(), "alice", nil); err != nil {
			t.Fatal(err)
		}
		sameJSON(t, h.seen[0].Body, `{"localpart":"alice","devices":[]}`)
	})
}

func TestWhatTheAnswersSay(t *testing.T) {
	t.Run("who the user is", func(t *testing.T) {
		c := newClient(t, serve(t, reply{status: 200, body: described}).URL)
		got, err := c.QueryUser(t.Context(), "alice")
		want := provisioning.User{UserID: "@alice:example.com", DisplayName: "Alice", Suspended: true}
		if err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	})
	for status, want := range map[int]bool{201: true, 200: false} {
		t.Run(fmt.Sprintf("%d says whether it is new", status), func(t *testing.T) {
			c := newClient(t, serve(t, reply{status: status, body: "{}"}).URL)
			if created, err := c.ProvisionUser(t.Context(), "alice", provisioning.Profile{}); err != nil || created != want {
				t.Errorf("user: %t, %v", created, err)
			}
			if created, err := c.UpsertDevice(t.Context(), "alice", "D", ""); err != nil || created != want {
				t.Errorf("device: %t, %v", created, err)
			}
		})
	}
}

func TestANewUserWithoutANameIsGivenNone(t *testing.T) {
	h := serve(t, reply{status: 201, body: "{}"}, reply{status: 200, body: "{}"})
	created, err := newClient(t, h.URL).ProvisionUser(t.Context(), "alice", provisioning.Profile{DisplayName: pointer("")})
	if err != nil || !created || len(h.seen) != 2 || h.seen[1].URI != "/_synapse/mas/unset_displayname" {
		t.Errorf("created %t, %v, sent %v", created, err, h.seen)
	}
}

func TestAUserWhoIsMadeByTwoAtOnceExists(t *testing.T) {
	h := serve(t, reply{status: 400, body: `{"errcode":"M_USER_IN_USE"}`}, reply{status: 200, body: "{}"})
	created, err := newClient(t, h.URL).ProvisionUser(t.Context(), "alice", provisioning.Profile{})
	if err != nil || created || len(h.seen) != 2 || h.seen[0].Body != h.seen[1].Body {
		t.Errorf("created %t, %v, sent %v", created, err, h.seen)
	}
}

func TestEndpoints(t *testing.T) {
	for _, suffix := range []string{"", "/", "//", "/sub/path", "/sub/path/", "/a%20b/"} {
		t.Run("the path "+suffix+" is kept", func(t *testing.T) {
			h := serve(t, reply{status: 200, body: "{}"})
			if err := newClient(t, h.URL+suffix).ReactivateUser(t.Context(), "alice"); err != nil {
				t.Fatal(err)
			}
			if want := strings.TrimRight(suffix, "/") + "/_synapse/mas/reactivate_user"; h.seen[0].URI != want {
				t.Errorf("sent to %s, want %s", h.seen[0].URI, want)
			}
		})
	}
	wrong := []struct{ name, endpoint, secret string }{
		{"nothing", "", sharedSecret},
		{"no scheme", "localhost:8008", sharedSecret},
		{"another scheme", "unix:///run/synapse", sharedSecret},
		{"no host", "http:///x", sharedSecret},
		{"a port alone", "http://:8008", sharedSecret},
		{"no URL", "http://[", sharedSecret},
		{"a password", "http://a:" + sharedSecret + "@localhost", sharedSecret},
		{"a query", "http://localhost/?a", sharedSecret},
		{"an empty query", "http://localhost/?", sharedSecret},
		{"a fragment", "http://localhost/#a", sharedSecret},
		{"no secret", "http://localhost", ""},
		{"a secret with a space", "http://localhost", sharedSecret + " x"},
		{"a secret with a line end", "http://localhost", sharedSecret + "\n"},
		{"a secret that is not ASCII", "http://localhost", sharedSecret + "é"},
	}
	for _, tt := range wrong {
		t.Run(tt.name+" is refused", func(t *testing.T) {
			_, err := provisioning.New(provisioning.Options{Endpoint: tt.endpoint, Secret: secret.Text(tt.secret), Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
			if err == nil || strings.Contains(err.Error(), sharedSecret) {
				t.Errorf("error %v", err)
			}
		})
	}
}
