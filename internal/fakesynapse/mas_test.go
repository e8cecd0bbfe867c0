package fakesynapse_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"keymaker/internal/fakesynapse"
)

// step is a call and what is answered. Without a body it is a GET.
type step struct {
	call, body string
	status     int
	// errcode and text are those of an error; text is looked at when it is there.
	errcode, text string
	// answer is the JSON of a success, {} when it is "".
	answer string
}

func ok(call, body string, status int) step { return step{call: call, body: body, status: status} }

func no(call, body string, status int, errcode, text string) step {
	return step{call: call, body: body, status: status, errcode: errcode, text: text}
}

// is is an answer to query_user.
func is(localpart, name, url string, deactivated bool) step {
	quote := func(s string) string {
		if s == "" {
			return "null"
		}
		return `"` + s + `"`
	}
	answer := `{"user_id":"@` + localpart + `:example.com","display_name":` + quote(name) + `,"avatar_url":` + quote(url) + `,"is_suspended":false,"is_deactivated":` + map[bool]string{true: "true", false: "false"}[deactivated] + `}`
	return step{call: "query_user?localpart=" + localpart, status: 200, answer: answer}
}

var (
	x100 = strings.Repeat("ü", 100)
	x256 = strings.Repeat("é", 256)
	u1k  = "mxc://" + strings.Repeat("x", 994)
)

const (
	missing = "M_MISSING_PARAM"
	bad     = "M_BAD_JSON"
	invalid = "M_INVALID_PARAM"
	unknown = "M_UNKNOWN"
	none    = "M_NOT_FOUND"
	nameNo  = "M_INVALID_USERNAME"
)

// masCases are about alice and bob. After the steps, user is alice, or "" in
// every field when nobody is.
var masCases = []struct {
	name  string
	steps []step
	user  *fakesynapse.User
}{
	{"a user is made, and then there", []step{
		no("query_user?localpart=alice", "", 404, none, "User not found"),
		ok("provision_user", `{"localpart":"alice"}`, 201), ok("provision_user", `{"localpart":"alice"}`, 200), is("alice", "alice", "", false),
	}, &fakesynapse.User{DisplayName: "alice"}},
	{"a user is made with all there is", []step{
		ok("provision_user", `{"localpart":"alice","set_displayname":"A","set_avatar_url":"mxc://a/b","set_emails":["B@X.org"," a@x.org"],"locked":true,"more":{}}`, 201),
		is("alice", "A", "mxc://a/b", false),
	}, &fakesynapse.User{DisplayName: "A", AvatarURL: "mxc://a/b", Emails: []string{"a@x.org", "b@x.org"}, Locked: true}},
	{"what is not said is left", []step{
		ok("provision_user", `{"localpart":"alice","set_displayname":"A","set_avatar_url":"mxc://a/b","set_emails":["a@x.net"],"locked":true}`, 201),
		ok("provision_user", `{"localpart":"alice"}`, 200),
		ok("provision_user", `{"localpart":"alice","set_displayname":null,"set_avatar_url":null,"set_emails":null,"locked":null}`, 200),
		ok("provision_user", `{"localpart":"alice","unset_displayname":false,"unset_avatar_url":false,"unset_emails":false}`, 200),
	}, &fakesynapse.User{DisplayName: "A", AvatarURL: "mxc://a/b", Emails: []string{"a@x.net"}, Locked: true}},
	{"what is unset goes", []step{
		ok("provision_user", `{"localpart":"alice","set_displayname":"A","set_avatar_url":"mxc://a/b","set_emails":["a@x.com"],"locked":true}`, 201),
		ok("provision_user", `{"localpart":"alice","unset_displayname":true,"unset_avatar_url":true,"unset_emails":true,"locked":false}`, 200),
		is("alice", "", "", false),
	}, &fakesynapse.User{}},
	{"what is set to nothing goes too", []step{
		ok("provision_user", `{"localpart":"alice","set_displayname":"A","set_avatar_url":"mxc://a/b","set_emails":["a@x.info"]}`, 201),
		ok("provision_user", `{"localpart":"alice","set_displayname":"","set_avatar_url":"","set_emails":[]}`, 200),
	}, &fakesynapse.User{}},
	{"a new user without a name is called by the localpart, unless the name is set to nothing", []step{
		ok("provision_user", `{"localpart":"alice","unset_displayname":true}`, 201), is("alice", "alice", "", false),
		ok("provision_user", `{"localpart":"bob","set_displayname":""}`, 201), is("bob", "", "", false),
	}, nil},
	{"space around a name stays with a new user alone", []step{
		ok("provision_user", `{"localpart":"alice","set_displayname":" A "}`, 201), is("alice", " A ", "", false),
		ok("provision_user", `{"localpart":"alice","set_displayname":" B "}`, 200), is("alice", "B", "", false),
		ok("set_displayname", `{"localpart":"alice","displayname":" C "}`, 200), is("alice", "C", "", false),
		ok("set_displayname", `{"localpart":"alice","displayname":"  "}`, 200),
		{call: "query_user?localpart=alice", status: 200, answer: `{"user_id":"@alice:example.com","display_name":"","avatar_url":null,"is_suspended":false,"is_deactivated":false}`},
	}, nil},
	{"a set and an unset exclude each other, whatever their values", []step{
		no("provision_user", `{"localpart":"alice","set_displayname":"A","unset_displayname":true}`, 400, invalid, ""),
		no("provision_user", `{"localpart":"alice","set_displayname":null,"unset_displayname":false}`, 400, invalid, ""),
		no("provision_user", `{"localpart":"alice","set_avatar_url":"A","unset_avatar_url":true}`, 400, invalid, ""),
		no("provision_user", `{"localpart":"alice","set_emails":[],"unset_emails":true}`, 400, invalid, ""),
		no("provision_user", `{"localpart":1,"set_emails":1,"unset_emails":1}`, 400, invalid, ""),
		no("query_user?localpart=alice", "", 404, none, ""),
	}, nil},
	{"the types are strict", []step{
		no("provision_user", `{}`, 400, missing, ""),
		no("provision_user", `{"localpart":null}`, 400, bad, ""),
		no("provision_user", `{"localpart":1}`, 400, bad, ""),
		no("provision_user", `{"localpart":["alice"]}`, 400, bad, ""),
		no("provision_user", `{"localpart":"alice","set_displayname":1}`, 400, bad, ""),
		no("provision_user", `{"localpart":"alice","unset_displayname":null}`, 400, bad, ""),
		no("provision_user", `{"localpart":"alice","unset_displayname":"true"}`, 400, bad, ""),
		no("provision_user", `{"localpart":"alice","unset_emails":1}`, 400, bad, ""),
		no("provision_user", `{"localpart":"alice","set_emails":"a@x"}`, 400, bad, ""),
		no("provision_user", `{"localpart":"alice","set_emails":[1]}`, 400, bad, ""),
		no("provision_user", `{"localpart":"alice","locked":0}`, 400, bad, ""),
		no("provision_user", `{"locked":0}`, 400, bad, ""),
		no("query_user?localpart=alice", "", 404, none, ""),
	}, nil},
	{"a body is an object", []step{
		no("provision_user", ` `, 400, "M_NOT_JSON", "Content not JSON."),
		no("provision_user", `x`, 400, "M_NOT_JSON", "Content not JSON."),
		no("provision_user", "\"\xff\"", 400, "M_NOT_JSON", "Content not JSON."),
		no("provision_user", `{"localpart":"alice"} x`, 400, "M_NOT_JSON", "Content not JSON."),
		no("provision_user", `{"localpart":NaN}`, 400, "M_NOT_JSON", "Content not JSON."),
		no("provision_user", `[]`, 400, bad, "Content must be a JSON object."),
		no("provision_user", `null`, 400, bad, "Content must be a JSON object."),
		no("provision_user", `"alice"`, 400, bad, "Content must be a JSON object."),
	}, nil},
	{"the last of two equal keys counts", []step{ok("provision_user", `{"localpart":1,"localpart":"alice"}`, 201)}, &fakesynapse.User{DisplayName: "alice"}},
	{"a key in other case is another key", []step{no("provision_user", `{"Localpart":"alice"}`, 400, missing, "")}, nil},
	{"a name that is too long is refused, but for a new user", []step{
		ok("provision_user", `{"localpart":"alice","set_displayname":"`+x256+`x"}`, 201),
		no("provision_user", `{"localpart":"alice","set_displayname":"`+x256+`x"}`, 400, unknown, "Displayname is too long (max 256)"),
		no("set_displayname", `{"localpart":"alice","displayname":"`+x256+`x"}`, 400, unknown, "Displayname is too long (max 256)"),
		ok("set_displayname", `{"localpart":"alice","displayname":"`+x256+`"}`, 200),
	}, &fakesynapse.User{DisplayName: x256}},
	{"a picture's address that is too long is refused once all else is done", []step{
		no("provision_user", `{"localpart":"alice","set_avatar_url":"`+u1k+`x","set_emails":["a@x.biz"],"locked":true}`, 400, unknown, "Avatar URL is too long (max 1000)"),
		ok("provision_user", `{"localpart":"bob","set_avatar_url":"`+u1k+`"}`, 201),
	}, &fakesynapse.User{DisplayName: "alice", Emails: []string{"a@x.biz"}, Locked: true}},
	{"an address that is none is refused once the user is made", []step{
		no("provision_user", `{"localpart":"alice","set_emails":["a@x.edu","a@b@c"]}`, 400, unknown, "Unable to parse email address"),
		no("provision_user", `{"localpart":"alice","set_emails":["x"]}`, 400, unknown, "Unable to parse email address"),
	}, &fakesynapse.User{DisplayName: "alice"}},
	{"addresses are replaced", []step{
		ok("provision_user", `{"localpart":"alice","set_emails":["a@x.dev","b@x.dev"]}`, 201),
		ok("provision_user", `{"localpart":"alice","set_emails":["C@x.dev","B@x.dev","c@x.dev"]}`, 200),
	}, &fakesynapse.User{DisplayName: "alice", Emails: []string{"b@x.dev", "c@x.dev"}}},
	{"an address is taken from whoever had it", []step{
		ok("provision_user", `{"localpart":"alice","set_emails":["a@x.eu","b@x.eu"]}`, 201), ok("provision_user", `{"localpart":"bob","set_emails":["a@x.eu"]}`, 201),
	}, &fakesynapse.User{DisplayName: "alice", Emails: []string{"b@x.eu"}}},
	{"nobody new may have a bad name", []step{
		no("provision_user", `{"localpart":"_alice"}`, 400, nameNo, "User ID may not begin with _"),
		no("provision_user", `{"localpart":""}`, 400, nameNo, "User ID cannot be empty"),
		no("provision_user", `{"localpart":"Alice"}`, 400, nameNo, "User ID can only contain characters a-z, 0-9, or '=_-./+'"),
		no("provision_user", `{"localpart":"é"}`, 400, nameNo, ""),
		no("provision_user", `{"localpart":"1234567"}`, 400, nameNo, "Numeric user IDs are reserved for guest users."),
	}, nil},
	{"a name is free, or is not", []step{
		ok("is_localpart_available?localpart=alice", "", 200),
		ok("provision_user", `{"localpart":"alice"}`, 201),
		no("is_localpart_available?localpart=alice", "", 400, "M_USER_IN_USE", "User ID already taken."),
		ok("delete_user", `{"localpart":"alice","erase":true}`, 200),
		no("is_localpart_available?localpart=alice", "", 400, "M_USER_IN_USE", "User ID already taken."),
		no("is_localpart_available", "", 400, unknown, "Missing localpart"),
		no("is_localpart_available?localpart=", "", 400, nameNo, "User ID cannot be empty"),
		no("is_localpart_available?localpart=_alice", "", 400, nameNo, "User ID may not begin with _"),
		no("is_localpart_available?localpart=aLice", "", 400, nameNo, "User ID can only contain characters a-z, 0-9, or '=_-./+'"),
		no("is_localpart_available?localpart=a%20b", "", 400, nameNo, ""),
		no("is_localpart_available?localpart=a:b", "", 400, nameNo, ""),
		no("is_localpart_available?localpart=%C3%A9", "", 400, unknown, "Query parameter 'localpart' must be ascii"),
		no("is_localpart_available?localpart=123", "", 400, nameNo, "Numeric user IDs are reserved for guest users."),
		no("is_localpart_available?localpart="+strings.Repeat("a", 243), "", 400, nameNo, "User ID may not be longer than 255 characters"),
		ok("is_localpart_available?localpart="+strings.Repeat("a", 242), "", 200),
		ok("is_localpart_available?localpart=a%3D%2F%2B.-_9", "", 200),
	}, nil},
	{"a question about a user needs one", []step{
		no("query_user", "", 400, missing, "Missing string query parameter 'localpart'"),
		no("query_user?localpart=", "", 404, none, "User not found"),
		no("query_user?localpart=%C3%A9", "", 400, unknown, "Query parameter 'localpart' must be ascii"),
	}, nil},
	{"who is unknown has nothing done to them", []step{
		no("delete_user", `{"localpart":"alice","erase":true}`, 404, none, "User not found"),
		no("reactivate_user", `{"localpart":"alice"}`, 404, none, "User not found"),
		no("set_displayname", `{"localpart":"alice","displayname":"A"}`, 404, none, "User not found"),
		no("unset_displayname", `{"localpart":"alice"}`, 404, none, "User not found"),
		no("upsert_device", `{"localpart":"alice","device_id":"A","display_name":"`+x100+`x"}`, 404, none, "User not found"),
		no("update_device_display_name", `{"localpart":"alice","device_id":"A","display_name":"A"}`, 404, none, "User not found"),
		no("delete_device", `{"localpart":"alice","device_id":"A"}`, 404, none, "User not found"),
		no("sync_devices", `{"localpart":"alice","devices":[]}`, 404, none, "User not found"),
		no("allow_cross_signing_reset", `{"localpart":"alice"}`, 404, none, "User not found"),
	}, nil},
	{"every call needs its keys", []step{
		no("delete_user", `{"localpart":"alice"}`, 400, missing, ""), no("delete_user", `{"localpart":"alice","erase":"true"}`, 400, bad, ""),
		no("delete_user", `{}`, 400, bad, ""), no("delete_user", `{"localpart":"alice","erase":null}`, 400, bad, ""),
		no("reactivate_user", `{}`, 400, missing, ""), no("set_displayname", `{"localpart":"alice"}`, 400, missing, ""),
		no("set_displayname", `{"localpart":"alice","displayname":null}`, 400, bad, ""), no("unset_displayname", `{}`, 400, missing, ""),
		no("upsert_device", `{"localpart":"alice"}`, 400, missing, ""), no("upsert_device", `{"localpart":"alice","device_id":"A","display_name":1}`, 400, bad, ""),
		no("update_device_display_name", `{"localpart":"alice","device_id":"A"}`, 400, missing, ""),
		no("update_device_display_name", `{"localpart":"alice","device_id":"A","display_name":null}`, 400, bad, ""),
		no("delete_device", `{"device_id":"A"}`, 400, missing, ""), no("sync_devices", `{"localpart":"alice"}`, 400, missing, ""),
		no("sync_devices", `{"localpart":"alice","devices":null}`, 400, bad, ""), no("sync_devices", `{"localpart":"alice","devices":[1,2]}`, 400, bad, ""),
		no("sync_devices", `{"localpart":"alice","devices":{}}`, 400, bad, ""), no("allow_cross_signing_reset", `{}`, 400, missing, ""),
	}, nil},
	{"a deactivated user keeps the name and nothing else", []step{
		ok("provision_user", `{"localpart":"alice","set_displayname":"A","set_avatar_url":"mxc://a/b","set_emails":["a@x.nl"],"locked":true}`, 201),
		ok("upsert_device", `{"localpart":"alice","device_id":"A"}`, 201),
		ok("delete_user", `{"localpart":"alice","erase":false}`, 200), is("alice", "A", "mxc://a/b", true),
		ok("delete_user", `{"localpart":"alice","erase":false}`, 200),
	}, &fakesynapse.User{DisplayName: "A", AvatarURL: "mxc://a/b", Locked: true, Deactivated: true}},
	{"an erased user has no name", []step{
		ok("provision_user", `{"localpart":"alice","set_displayname":"A","set_avatar_url":"mxc://a/b"}`, 201),
		ok("delete_user", `{"localpart":"alice","erase":true}`, 200), is("alice", "", "", true),
	}, &fakesynapse.User{Deactivated: true, Erased: true}},
	{"a deactivated user is changed like any other", []step{
		ok("provision_user", `{"localpart":"alice"}`, 201), ok("delete_user", `{"localpart":"alice","erase":true}`, 200),
		ok("provision_user", `{"localpart":"alice","set_displayname":"B"}`, 200), ok("upsert_device", `{"localpart":"alice","device_id":"A"}`, 201),
		is("alice", "B", "", true),
	}, &fakesynapse.User{DisplayName: "B", Deactivated: true, Erased: true, Devices: map[string]string{"A": ""}}},
	{"a reactivated user gets nothing back", []step{
		ok("provision_user", `{"localpart":"alice","set_emails":["a@x.be"]}`, 201), ok("upsert_device", `{"localpart":"alice","device_id":"A"}`, 201),
		ok("delete_user", `{"localpart":"alice","erase":true}`, 200), ok("reactivate_user", `{"localpart":"alice"}`, 200), ok("reactivate_user", `{"localpart":"alice"}`, 200),
		is("alice", "", "", false),
	}, &fakesynapse.User{}},
	{"a name is set and unset", []step{
		ok("provision_user", `{"localpart":"alice"}`, 201), ok("set_displayname", `{"localpart":"alice","displayname":"B"}`, 200), is("alice", "B", "", false),
		ok("unset_displayname", `{"localpart":"alice"}`, 200), ok("unset_displayname", `{"localpart":"alice"}`, 200), is("alice", "", "", false),
		ok("set_displayname", `{"localpart":"alice","displayname":""}`, 200), is("alice", "", "", false),
	}, &fakesynapse.User{}},
	{"a device is made, and named when it is told", []step{
		ok("provision_user", `{"localpart":"alice"}`, 201), ok("upsert_device", `{"localpart":"alice","device_id":"A","display_name":"First"}`, 201),
		ok("upsert_device", `{"localpart":"alice","device_id":"A"}`, 200), ok("upsert_device", `{"localpart":"alice","device_id":"A","display_name":null}`, 200),
		ok("upsert_device", `{"localpart":"alice","device_id":"B"}`, 201), ok("upsert_device", `{"localpart":"alice","device_id":"B","display_name":"Second"}`, 200),
		ok("upsert_device", `{"localpart":"alice","device_id":"C","display_name":"Third"}`, 201), ok("upsert_device", `{"localpart":"alice","device_id":"C","display_name":""}`, 200),
		ok("upsert_device", `{"localpart":"alice","device_id":"D","display_name":"`+x100+`"}`, 201),
		no("upsert_device", `{"localpart":"alice","device_id":"E","display_name":"`+x100+`x"}`, 400, "M_TOO_LARGE", "Device display name is too long (max 100)"),
		no("upsert_device", `{"localpart":"alice","device_id":"A","display_name":"`+x100+`x"}`, 400, "M_TOO_LARGE", ""),
	}, &fakesynapse.User{DisplayName: "alice", Devices: map[string]string{"A": "First", "B": "Second", "C": "", "D": x100}}},
	{"a device is named if it is there", []step{
		ok("provision_user", `{"localpart":"alice"}`, 201), ok("upsert_device", `{"localpart":"alice","device_id":"A","display_name":"First"}`, 201),
		ok("update_device_display_name", `{"localpart":"alice","device_id":"A","display_name":"Second"}`, 200),
		no("update_device_display_name", `{"localpart":"alice","device_id":"B","display_name":"Second"}`, 404, none, "Not found"),
		no("update_device_display_name", `{"localpart":"alice","device_id":"B","display_name":"`+x100+`x"}`, 400, "M_TOO_LARGE", ""),
	}, &fakesynapse.User{DisplayName: "alice", Devices: map[string]string{"A": "Second"}}},
	{"a device is deleted, there or not", []step{
		ok("provision_user", `{"localpart":"alice"}`, 201), ok("upsert_device", `{"localpart":"alice","device_id":"A"}`, 201), ok("upsert_device", `{"localpart":"alice","device_id":"B"}`, 201),
		ok("delete_device", `{"localpart":"alice","device_id":"A"}`, 204), ok("delete_device", `{"localpart":"alice","device_id":"A"}`, 204),
	}, &fakesynapse.User{DisplayName: "alice", Devices: map[string]string{"B": ""}}},
	{"the devices become those of the list", []step{
		ok("provision_user", `{"localpart":"alice"}`, 201), ok("upsert_device", `{"localpart":"alice","device_id":"A","display_name":"First"}`, 201), ok("upsert_device", `{"localpart":"alice","device_id":"B"}`, 201),
		ok("sync_devices", `{"localpart":"alice","devices":["A","C","C"]}`, 200),
	}, &fakesynapse.User{DisplayName: "alice", Devices: map[string]string{"A": "First", "C": ""}}},
	{"the devices become none", []step{
		ok("provision_user", `{"localpart":"alice"}`, 201), ok("upsert_device", `{"localpart":"alice","device_id":"A"}`, 201), ok("sync_devices", `{"localpart":"alice","devices":[]}`, 200),
	}, &fakesynapse.User{DisplayName: "alice"}},
	{"cross-signing may be reset without there being any", []step{
		ok("provision_user", `{"localpart":"alice"}`, 201), ok("allow_cross_signing_reset", `{"localpart":"alice"}`, 200),
	}, &fakesynapse.User{DisplayName: "alice"}},
}

// TestItAnswersAsSynapseDoes has two subjects: the table is what Synapse does.
func TestItAnswersAsSynapseDoes(t *testing.T) {
	each(t, false, func(tt *target) {
		for _, c := range masCases {
			tt.Run(c.name, func(t *testing.T) {
				named := strangers()
				for _, s := range c.steps {
					tt.expectStep(t, s, named)
				}
				if c.user == nil {
					return
				}
				want := *c.user
				want.DisplayName = named(want.DisplayName)
				got, _ := tt.user(t, named("alice"))
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		}
	})
}

func (tt *target) expectStep(t *testing.T, s step, named func(string) string) {
	t.Helper()
	method := http.MethodPost
	if s.body == "" {
		method = http.MethodGet
	}
	status, body, kind := tt.do(t, method, "/_synapse/mas/"+named(s.call), http.Header{"Authorization": {"Bearer " + sharedSecret}}, named(s.body))
	shown := s.call + " " + s.body[:min(len(s.body), 200)]
	if status != s.status || kind != "application/json" {
		t.Fatalf("%s: %d %s %s; want %d", shown, status, kind, body, s.status)
	}
	if s.status == http.StatusNoContent {
		if body != "" {
			t.Errorf("%s: the answer is %s", shown, body)
		}
		return
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%s: %s", shown, body)
	}
	want := map[string]any{}
	switch {
	case s.errcode != "":
		want["errcode"], want["error"] = s.errcode, s.text
		if s.text == "" {
			want["error"] = got["error"]
		}
	case s.answer != "":
		if err := json.Unmarshal([]byte(named(s.answer)), &want); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", shown, diff)
	}
}

func TestWhoMayCall(t *testing.T) {
	bearer := "Bearer " + sharedSecret
	query := "/_synapse/mas/query_user?localpart=nobody"
	tests := []struct {
		name, method, path string
		header             http.Header
		status             int
		errcode, text      string
	}{
		{"whoever knows the secret", "GET", query, http.Header{"Authorization": {bearer}}, 404, none, "User not found"},
		{"in the query too", "GET", query + "&access_token=" + sharedSecret, nil, 404, none, "User not found"},
		{"but not in both", "GET", query + "&access_token=" + sharedSecret, http.Header{"Authorization": {bearer}}, 401, "M_MISSING_TOKEN", "Mixing Authorization headers and access_token query parameters."},
		{"nor twice", "GET", query, http.Header{"Authorization": {bearer, bearer}}, 401, "M_MISSING_TOKEN", "Too many Authorization headers."},
		{"not whoever knows another", "GET", query, http.Header{"Authorization": {"Bearer x"}}, 403, unknown, "This endpoint must only be called by MAS"},
		{"not whoever knows none", "GET", query, nil, 401, "M_MISSING_TOKEN", "Missing access token"},
		{"not by another scheme", "GET", query, http.Header{"Authorization": {"Basic " + sharedSecret}}, 401, "M_MISSING_TOKEN", "Invalid Authorization header."},
		{"not in lower case", "GET", query, http.Header{"Authorization": {"bearer " + sharedSecret}}, 401, "M_MISSING_TOKEN", "Invalid Authorization header."},
		{"not with a space more", "GET", query, http.Header{"Authorization": {"Bearer  " + sharedSecret}}, 401, "M_MISSING_TOKEN", "Invalid Authorization header."},
		{"nobody by another method", "DELETE", query, http.Header{"Authorization": {"Bearer x"}}, 405, "M_UNRECOGNIZED", "Unrecognized request"},
		{"nobody may POST what is to GET", "POST", query, http.Header{"Authorization": {bearer}}, 405, "M_UNRECOGNIZED", "Unrecognized request"},
		{"nor GET what is to POST", "GET", "/_synapse/mas/provision_user", http.Header{"Authorization": {bearer}}, 405, "M_UNRECOGNIZED", "Unrecognized request"},
		{"nobody elsewhere", "GET", "/_synapse/max/query_user", http.Header{"Authorization": {bearer}}, 404, "M_UNRECOGNIZED", "Unrecognized request"},
		{"nobody may ask what there is not", "GET", "/_synapse/mas/unheard_of", http.Header{"Authorization": {bearer}}, 404, "", ""},
		{"nor with a slash more", "GET", "/_synapse/mas/query_user/", http.Header{"Authorization": {bearer}}, 404, "", ""},
	}
	each(t, false, func(target *target) {
		for _, tt := range tests {
			target.Run(tt.name, func(t *testing.T) {
				status, body, _ := target.do(t, tt.method, tt.path, tt.header.Clone(), "")
				var got struct{ Errcode, Error string }
				_ = json.Unmarshal([]byte(body), &got)
				if status != tt.status || got.Errcode != tt.errcode || got.Error != tt.text {
					t.Errorf("%d %s", status, body)
				}
			})
		}
	})
}
