package fakesynapse_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"keymaker/internal/clock"
	"keymaker/internal/fakesynapse"
	"keymaker/internal/secret"
	"keymaker/internal/synapsetest"
)

func TestMain(m *testing.M) { os.Exit(synapsetest.Run(m, "the fake one's answers")) }

const sharedSecret = "between-you-and-me"

// target is a Synapse that the tables are run against.
type target struct {
	*testing.T
	url string
	// user is what it knows of a user; the devices' names are "" for none.
	user func(t *testing.T, localpart string) (fakesynapse.User, bool)
	*authorization
}

// authorization is the authorization server, which says of a token what the
// test has told it.
type authorization struct {
	*httptest.Server
	mu      sync.Mutex
	replies map[string]reply
	seen    []http.Header
	bodies  []string
}

type reply struct {
	status int
	body   string
}

func newAuthorization(t *testing.T) *authorization {
	a := &authorization{replies: map[string]reply{}}
	a.Server = httptest.NewUnstartedServer(a)
	a.Config.Protocols = new(http.Protocols)
	a.Config.Protocols.SetHTTP1(true)
	a.Config.Protocols.SetUnencryptedHTTP2(true)
	a.Start()
	t.Cleanup(a.Close)
	return a
}

func (a *authorization) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	token := form.Get("token")
	if r.URL.Path == "/elsewhere" {
		token = r.URL.Query().Get("token")
	}
	a.mu.Lock()
	header := r.Header.Clone()
	header.Set(":", r.Method+" "+r.URL.Path+" "+r.Proto)
	a.seen, a.bodies = append(a.seen, header), append(a.bodies, string(body))
	answer, ok := a.replies[token]
	a.mu.Unlock()
	if !ok {
		answer = reply{200, `{"active":false}`}
	}
	if answer.status >= 300 && answer.status < 400 {
		w.Header().Set("Location", answer.body)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

// says makes a token, and says that of it.
func (a *authorization) says(status int, body string) (token string) {
	token = secret.Token()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replies[token] = reply{status, strings.ReplaceAll(body, "{token}", token)}
	return token
}

// asked is what Synapse has sent so far.
func (a *authorization) asked() (headers []http.Header, bodies []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.seen), slices.Clone(a.bodies)
}

// each runs a test against the fake, and against a real Synapse where there is
// one.
func each(t *testing.T, http2 bool, test func(*target)) {
	t.Run("the fake", func(t *testing.T) {
		a := newAuthorization(t)
		s, at := fakesynapse.Start(t, clock.System{})
		s.Delegate(a.URL+"/sub/", sharedSecret)
		if http2 {
			s.ForceHTTP2()
		}
		test(&target{t, at, func(_ *testing.T, localpart string) (fakesynapse.User, bool) { return s.User(localpart) }, a})
	})
	if !synapsetest.Wanted() {
		return
	}
	t.Run("the real one", func(t *testing.T) {
		a := newAuthorization(t)
		s := synapsetest.Start(t, synapsetest.Options{ServerName: fakesynapse.ServerName, Endpoint: a.URL + "/sub/", Secret: sharedSecret, ForceHTTP2: http2})
		tt := &target{t, s.URL, nil, a}
		tt.post(t, "provision_user", `{"localpart":"admin"}`)
		admin := a.says(200, `{"active":true,"username":"admin","scope":"urn:matrix:client:api:* urn:synapse:admin:*"}`)
		tt.user = func(t *testing.T, localpart string) (fakesynapse.User, bool) { return tt.askAdmin(t, admin, localpart) }
		test(tt)
	})
}

// askAdmin reads a user with Synapse's administration API.
func (tt *target) askAdmin(t *testing.T, token, localpart string) (fakesynapse.User, bool) {
	t.Helper()
	path := "/_synapse/admin/v2/users/" + url.PathEscape("@"+localpart+":"+fakesynapse.ServerName)
	var u struct {
		DisplayName *string `json:"displayname"`
		AvatarURL   *string `json:"avatar_url"`
		Threepids   []struct {
			Medium, Address string
		}
		Locked, Deactivated, Erased, Suspended bool
	}
	if status := tt.get(t, path, token, &u); status == http.StatusNotFound {
		return fakesynapse.User{}, false
	}
	var list struct {
		Devices []struct {
			ID   string  `json:"device_id"`
			Name *string `json:"display_name"`
		}
	}
	tt.get(t, path+"/devices", token, &list)
	user := fakesynapse.User{Locked: u.Locked, Deactivated: u.Deactivated, Erased: u.Erased, Suspended: u.Suspended, Devices: map[string]string{}}
	if u.DisplayName != nil {
		user.DisplayName = *u.DisplayName
	}
	if u.AvatarURL != nil {
		user.AvatarURL = *u.AvatarURL
	}
	for _, p := range u.Threepids {
		user.Emails = append(user.Emails, p.Address)
	}
	slices.Sort(user.Emails)
	for _, d := range list.Devices {
		user.Devices[d.ID] = ""
		if d.Name != nil {
			user.Devices[d.ID] = *d.Name
		}
	}
	return user, true
}

func (tt *target) get(t *testing.T, path, token string, into any) (status int) {
	t.Helper()
	status, body, _ := tt.do(t, http.MethodGet, path, http.Header{"Authorization": {"Bearer " + token}}, "")
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%s: %d %s", path, status, body)
	}
	return status
}

// post makes a call of the provisioning API as it should be made.
func (tt *target) post(t *testing.T, name, body string) (status int, answer string) {
	t.Helper()
	status, answer, _ = tt.do(t, http.MethodPost, "/_synapse/mas/"+name, http.Header{"Authorization": {"Bearer " + sharedSecret}}, body)
	return status, answer
}

func (tt *target) do(t *testing.T, method, path string, header http.Header, body string) (status int, answer, contentType string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, tt.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text), response.Header.Get("Content-Type")
}

var people atomic.Int32

// strangers replaces alice and bob in a text by people whom no other case has.
func strangers() func(string) string {
	n := people.Add(1)
	return strings.NewReplacer("alice", fmt.Sprintf("alice%d", n), "bob", fmt.Sprintf("bob%d", n)).Replace
}
