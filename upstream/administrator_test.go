package upstream_test

import (
	"encoding/json"
	"testing"

	"keymaker/internal/config"
	"keymaker/upstream"
)

func TestWhoAdministers(t *testing.T) {
	for _, tt := range []struct {
		name, claim string
		values      []string
		claims      string
		want        bool
	}{
		{"nobody without admin_claim", "", []string{"admins"}, `{"":"admins"}`, false},
		{"a claim that is true", "admin", nil, `{"admin":true}`, true},
		{"a claim that is true in words", "admin", nil, `{"admin":"true"}`, true},
		{"a claim that is false", "admin", nil, `{"admin":false}`, false},
		{"a claim that is something, where true is wanted", "admin", nil, `{"admin":["true"]}`, false},
		{"a claim that is not there", "admin", nil, `{}`, false},
		{"a text that is one of the values", "role", []string{"root", "admins"}, `{"role":"admins"}`, true},
		{"a text that has one of the values in it", "role", []string{"admins"}, `{"role":"not admins"}`, false},
		{"a text in other letters", "role", []string{"admins"}, `{"role":"Admins"}`, false},
		{"true, where a value is wanted", "role", []string{"true"}, `{"role":true}`, false},
		{"a list with a value in it", "groups", []string{"admins"}, `{"groups":["users","admins"]}`, true},
		{"a list without", "groups", []string{"admins"}, `{"groups":["users",["admins"],1,null]}`, false},
		{"an object with a value as a key", "urn:zitadel:iam:org:project:roles", []string{"admins"}, `{"urn:zitadel:iam:org:project:roles":{"admins":{"1":"example.com"}}}`, true},
		{"an object without", "roles", []string{"admins"}, `{"roles":{"users":{"admins":1},"admins":null}}`, false},
		{"a list in an object in an object", "/resource_access/keymaker/roles", []string{"admins"}, `{"resource_access":{"keymaker":{"roles":["admins"]}}}`, true},
		{"the same of another application", "/resource_access/keymaker/roles", []string{"admins"}, `{"resource_access":{"other":{"roles":["admins"]}}}`, false},
		{"a path through what is no object", "/resource_access/keymaker/roles", []string{"admins"}, `{"resource_access":["keymaker"]}`, false},
		{"a path with a slash and a tilde in it", "/https:~1~1example.com~1a~0b", []string{"admins"}, `{"https://example.com/a~b":"admins"}`, true},
		{"a name with slashes that is no path", "https://example.com/roles", []string{"admins"}, `{"https://example.com/roles":["admins"]}`, true},
	} {
		t.Run("C-3D: "+tt.name, func(t *testing.T) {
			var claims upstream.Claims
			if err := json.Unmarshal([]byte(tt.claims), &claims); err != nil {
				t.Fatal(err)
			}
			if got := upstream.Administers(config.IdentityProvider{AdminClaim: tt.claim, AdminValues: tt.values}, claims); got != tt.want {
				t.Errorf("it is %v", got)
			}
		})
	}
}
