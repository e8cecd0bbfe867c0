package provisioning_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keymaker/internal/clock"
	"keymaker/internal/provisioning"
)

// kinds are all errors of the package.
var kinds = []error{
	provisioning.ErrUnavailable, provisioning.ErrSecret, provisioning.ErrDisabled, provisioning.ErrNotFound,
	provisioning.ErrNameInUse, provisioning.ErrNameInvalid, provisioning.ErrNameExclusive,
}

// expectKind wants an error to be of one kind, or of none.
func expectKind(t *testing.T, err, want error) {
	t.Helper()
	if err == nil {
		t.Error("no error")
	}
	for _, kind := range kinds {
		if errors.Is(err, kind) != errors.Is(want, kind) {
			t.Errorf("error %v; want %v", err, want)
		}
	}
}

const html = "<!DOCTYPE html><title>alice between-you-and-me</title>"

func TestAnswersThatAreNoSuccess(t *testing.T) {
	tests := []struct {
		name string
		reply
		want error
		says string
	}{
		{"a wrong secret", reply{403, `{"errcode":"M_UNKNOWN","error":"This endpoint must only be called by MAS"}`, ""}, provisioning.ErrSecret, "403 Forbidden, M_UNKNOWN"},
		{"a secret that got lost", reply{401, `{"errcode":"M_MISSING_TOKEN","error":"Missing access token"}`, ""}, provisioning.ErrSecret, "M_MISSING_TOKEN"},
		{"a proxy's 403", reply{403, html, "text/html"}, provisioning.ErrSecret, "403"},
		{"no such user", reply{404, `{"errcode":"M_NOT_FOUND","error":"User not found"}`, ""}, provisioning.ErrNotFound, ""},
		{"no such call", reply{404, `{"errcode":"M_UNRECOGNIZED","error":"Unrecognized request"}`, ""}, provisioning.ErrDisabled, "M_UNRECOGNIZED"},
		{"a web server's 404", reply{404, html, "text/html"}, provisioning.ErrDisabled, "404"},
		{"no such method", reply{405, `{"errcode":"M_UNRECOGNIZED"}`, ""}, provisioning.ErrDisabled, "405"},
		{"a name in use", reply{400, `{"errcode":"M_USER_IN_USE"}`, ""}, provisioning.ErrNameInUse, ""},
		{"an invalid name", reply{400, `{"errcode":"M_INVALID_USERNAME"}`, ""}, provisioning.ErrNameInvalid, ""},
		{"a reserved name", reply{400, `{"errcode":"M_EXCLUSIVE"}`, ""}, provisioning.ErrNameExclusive, ""},
		{"an error of the server", reply{500, `{"errcode":"M_UNKNOWN","error":"Internal server error"}`, ""}, provisioning.ErrUnavailable, "it answered 500 Internal Server Error, M_UNKNOWN"},
		{"a proxy's error page", reply{502, html, "text/html"}, provisioning.ErrUnavailable, "502 Bad Gateway"},
		{"a server that is starting", reply{503, html, "text/html"}, provisioning.ErrUnavailable, "503"},
		{"a server that asks for patience", reply{429, `{"errcode":"M_LIMIT_EXCEEDED"}`, ""}, provisioning.ErrUnavailable, "M_LIMIT_EXCEEDED"},
		{"a redirect", reply{301, html, "text/html"}, provisioning.ErrUnavailable, "not followed"},
		{"a page", reply{200, html, "text/html"}, provisioning.ErrUnavailable, "no JSON object"},
		{"an object that is called a page", reply{200, "{}", "text/html"}, provisioning.ErrUnavailable, "no JSON object"},
		{"an object that is called nothing", reply{200, "{}", ";"}, provisioning.ErrUnavailable, "no JSON object"},
		{"a list", reply{200, "[]", ""}, provisioning.ErrUnavailable, "no JSON object"},
		{"null", reply{200, "null", ""}, provisioning.ErrUnavailable, "no JSON object"},
		{"nothing", reply{200, "", ""}, provisioning.ErrUnavailable, "no JSON object"},
		{"half an object", reply{200, `{"a":`, ""}, provisioning.ErrUnavailable, "no JSON object"},
		{"an object and more", reply{201, `{} alice`, ""}, provisioning.ErrUnavailable, "no JSON object"},
		{"a success of another kind", reply{202, `{}`, ""}, provisioning.ErrUnavailable, "202 Accepted"},
		{"an answer over the limit", reply{200, `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, ""}, provisioning.ErrUnavailable, "longer than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, call := range calls {
				h := serve(t, tt.reply)
				err := call.call(t.Context(), newClient(t, h.URL))
				expectKind(t, err, tt.want)
				if err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "alice") || strings.Contains(err.Error(), sharedSecret)) {
					t.Errorf("%s: error %q", call.name, err)
				}
			}
		})
	}
	t.Run("the largest answer is read", func(t *testing.T) {
		body := `{"a":"` + strings.Repeat("x", 1<<20-8) + `"}`
		if err := newClient(t, serve(t, reply{status: 200, body: body}).URL).ReactivateUser(t.Context(), "alice"); err != nil {
			t.Errorf("%d bytes: %v", len(body), err)
		}
	})
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name string
		reply
		want provisioning.Refused
	}{
		{"keep the code", reply{400, `{"errcode":"M_TOO_LARGE","error":"alice"}`, ""}, provisioning.Refused{Status: 400, Errcode: "M_TOO_LARGE"}},
		{"keep the code of another namespace", reply{400, `{"errcode":"ORG.MATRIX.A_1"}`, ""}, provisioning.Refused{Status: 400, Errcode: "ORG.MATRIX.A_1"}},
		{"need no code", reply{413, html, "text/html"}, provisioning.Refused{Status: 413}},
		{"drop a code that is a text", reply{400, `{"errcode":"hello alice"}`, ""}, provisioning.Refused{Status: 400}},
		{"drop a code that is no text", reply{400, `{"errcode":4}`, ""}, provisioning.Refused{Status: 400}},
		{"are those of a name with another status", reply{409, `{"errcode":"M_USER_IN_USE"}`, ""}, provisioning.Refused{Status: 409, Errcode: "M_USER_IN_USE"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := newClient(t, serve(t, tt.reply).URL).ReactivateUser(t.Context(), "alice")
			expectKind(t, err, nil)
			var refused *provisioning.Refused
			if !errors.As(err, &refused) || *refused != tt.want || strings.Contains(err.Error(), "alice") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Tuwunel says M_FORBIDDEN of the secret, Synapse of what was asked.
func TestWhatIsForbiddenIsFoundOut(t *testing.T) {
	forbidden := reply{403, `{"errcode":"M_FORBIDDEN"}`, ""}
	for name, tt := range map[string]struct {
		second reply
		want   error
	}{
		"the call, when the homeserver takes another":     {reply{400, `{"errcode":"M_UNKNOWN"}`, ""}, nil},
		"the secret, when the homeserver takes no other":  {forbidden, provisioning.ErrSecret},
		"nobody knows what, when there is no answer then": {reply{502, html, "text/html"}, provisioning.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, forbidden, tt.second)
			err := newClient(t, h.URL).DeleteUser(t.Context(), "alice", true)
			expectKind(t, err, tt.want)
			if refused := new(provisioning.Refused); errors.As(err, &refused) != (tt.want == nil) {
				t.Errorf("error %v", err)
			}
			if len(h.seen) != 2 || h.seen[1].URI != "/_synapse/mas/is_localpart_available" {
				t.Errorf("sent %v", h.seen)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		reply
		want error
	}{
		"a refusal for want of a name is right":  {reply{400, `{"errcode":"M_UNKNOWN","error":"Missing localpart"}`, ""}, nil},
		"a success is another server's":          {reply{200, "{}", ""}, provisioning.ErrDisabled},
		"another refusal is":                     {reply{418, "{}", ""}, provisioning.ErrDisabled},
		"so is one that does not know the call":  {reply{404, `{"errcode":"M_UNRECOGNIZED"}`, ""}, provisioning.ErrDisabled},
		"Synapse's refusal of the secret is one": {reply{403, `{"errcode":"M_UNKNOWN"}`, ""}, provisioning.ErrSecret},
		"so is Tuwunel's":                        {reply{403, `{"errcode":"M_FORBIDDEN"}`, ""}, provisioning.ErrSecret},
		"an outage is one":                       {reply{502, html, "text/html"}, provisioning.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, tt.reply)
			err := newClient(t, h.URL).Check(t.Context())
			if tt.want != nil {
				expectKind(t, err, tt.want)
			} else if err != nil {
				t.Error(err)
			}
			if len(h.seen) != 1 || h.seen[0].URI != "/_synapse/mas/is_localpart_available" || h.seen[0].Method != "GET" {
				t.Errorf("sent %v", h.seen)
			}
		})
	}
}

func TestAUserWhoIsNotDescribedIsNoAnswer(t *testing.T) {
	for name, body := range map[string]string{
		"no id":             strings.Replace(described, "user_id", "id", 1),
		"an id of no text":  strings.Replace(described, `"@alice:example.com"`, "1", 1),
		"a name of no text": strings.Replace(described, `"Alice"`, "[]", 1),
		"no state":          strings.Replace(described, "is_suspended", "x", 1),
		"a state of text":   strings.Replace(described, "false", `"false"`, 1),
		"an empty object":   "{}",
	} {
		t.Run(name, func(t *testing.T) {
			u, err := newClient(t, serve(t, reply{status: 200, body: body}).URL).QueryUser(t.Context(), "alice")
			expectKind(t, err, provisioning.ErrUnavailable)
			if u != (provisioning.User{}) || err != nil && strings.Contains(err.Error(), "Alice") {
				t.Errorf("%+v, %v", u, err)
			}
		})
	}
}

func TestANameThatCannotBeAskedForIsInvalid(t *testing.T) {
	h := serve(t, reply{status: 200, body: "{}"})
	expectKind(t, newClient(t, h.URL).LocalpartAvailable(t.Context(), "élise"), provisioning.ErrNameInvalid)
	if len(h.seen) != 0 {
		t.Errorf("sent %v", h.seen)
	}
}

func TestARedirectTakesTheSecretNowhere(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("the redirect was followed")
		_, _ = io.WriteString(w, "{}")
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		h := httptest.NewServer(http.RedirectHandler(other.URL, status))
		defer h.Close()
		for _, call := range calls {
			expectKind(t, call.call(t.Context(), newClient(t, h.URL)), provisioning.ErrUnavailable)
		}
	}
}

func TestNoProxyIsUsed(t *testing.T) {
	if newClient(t, "http://homeserver.example").HasProxy() {
		t.Error("a proxy would learn the secret")
	}
}

func TestNothingSecretIsLogged(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, answer := range []reply{{200, described, ""}, {400, `{"errcode":"M_UNKNOWN","error":"alice ` + sharedSecret + `"}`, ""}, {502, html, "text/html"}, {200, html, "text/html"}} {
		c, err := provisioning.New(provisioning.Options{Endpoint: serve(t, answer).URL, Secret: sharedSecret, Clock: clock.System{}, Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range calls {
			_ = call.call(t.Context(), c)
		}
	}
	if log.Len() == 0 {
		t.Error("nothing is logged")
	}
	for _, word := range []string{"alice", "Alice", "DEVICE", "Phone", sharedSecret} {
		if strings.Contains(log.String(), word) {
			t.Errorf("the log has %q:\n%s", word, log.String())
		}
	}
}
