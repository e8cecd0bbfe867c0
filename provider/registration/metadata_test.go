package registration_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/language"

	"keymaker/internal/secret"
	"keymaker/provider/registration"
)

const full = `{` + native + `,"client_name":"App","client_name#fr":"Appli","client_name#pt-BR":"Aplicativo","logo_uri":"https://example.com/l",` +
	`"tos_uri":"https://example.com/tos","tos_uri#fr":"https://example.com/cgu","policy_uri":"https://example.com/p",` +
	`"contacts":["b@example.com","a@example.com"],"software_id":"app","software_version":"1"}`

func TestMetadataIsStoredAsJSON(t *testing.T) {
	for _, body := range []string{full, `{` + web + `}`} {
		m := parse(t, body, strict)
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var again registration.Metadata
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Errorf("metadata read back from storage (-want +got):\n%s", diff)
		}
		if strings.Contains(string(data), "null") || strings.Contains(string(data), "[]") {
			t.Errorf("B-01: %s has a null or an empty array", data)
		}
	}
}

func TestUnmarshalReplaces(t *testing.T) {
	m := parse(t, full, strict)
	if err := json.Unmarshal([]byte(`{"client_name":"Other"}`), &m); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(registration.Metadata{ClientName: "Other"}, m); diff != "" {
		t.Errorf("leftovers of the value before (-want +got):\n%s", diff)
	}
	for _, bad := range []string{`[]`, `{"client_name":1}`, `{"client_name#fr":1}`} {
		if err := json.Unmarshal([]byte(bad), &m); err == nil {
			t.Errorf("%s was read as metadata", bad)
		}
	}
}

func TestCanonical(t *testing.T) {
	const body = `{"client_uri":"https://example.com/","contacts":["a","b"],"client_name":"X","client_name#fr":"Y",` +
		`"redirect_uris":["https://example.com/a","https://example.com/b"],"x":1}`
	one := parse(t, body, strict)
	same := parse(t, `{"client_name#fr":"Y","redirect_uris":["https://example.com/b","https://example.com/a"],"client_name":" X ",`+
		`"grant_types":["refresh_token","authorization_code","other"],"response_types":["code"],"contacts":["b","a"],"client_uri":"https://example.com/"}`, strict)
	if got, want := string(same.Canonical()), string(one.Canonical()); got != want {
		t.Errorf("B-41: the same metadata in another order is\n%s, not\n%s", got, want)
	}
	if same.RedirectURIs[0] != "https://example.com/b" || same.Contacts[0] != "b" {
		t.Error("B-41: Canonical changed the order in the metadata itself")
	}
	for _, change := range [][2]string{
		{`"client_name":"X"`, `"client_name":"Z"`},
		{`"client_name#fr":"Y"`, `"client_name#fr":"Z"`},
		{`"contacts":["a","b"]`, `"contacts":["a"]`},
		{`"https://example.com/b"`, `"https://example.com/c"`},
		{`"x":1`, `"grant_types":["authorization_code"]`},
		{`"x":1`, `"application_type":"native"`},
	} {
		other := parse(t, strings.Replace(body, change[0], change[1], 1), strict)
		if string(other.Canonical()) == string(one.Canonical()) {
			t.Errorf("B-41: %s makes no difference", change[1])
		}
	}
}

func TestConfidential(t *testing.T) {
	for method, want := range map[string]bool{"none": false, "client_secret_basic": true, "client_secret_post": true} {
		m := parse(t, `{`+web+`,"token_endpoint_auth_method":"`+method+`"}`, strict)
		if m.Confidential() != want {
			t.Errorf("B-40: Confidential() = %v for %s", !want, method)
		}
	}
}

func TestClientHost(t *testing.T) {
	if got := parse(t, strings.Replace(`{`+web+`}`, "https://example.com/", "https://Example.com:8443/x", 1), strict).ClientHost(); got != "example.com" {
		t.Errorf("ClientHost() = %q", got)
	}
}

func TestName(t *testing.T) {
	m := parse(t, full, strict)
	tests := []struct {
		name      string
		languages []string
		want      string
	}{
		{"B-17: no language", nil, "App"},
		{"B-17: a registered language", []string{"fr"}, "Appli"},
		{"B-17: a region of a registered language", []string{"fr-CA"}, "Appli"},
		{"B-17: the language of a registered region", []string{"pt"}, "Aplicativo"},
		{"B-17: a language that is not registered", []string{"de"}, "App"},
		{"B-17: the first that is registered", []string{"de", "pt-BR", "fr"}, "Aplicativo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tags []language.Tag
			for _, l := range tt.languages {
				tags = append(tags, language.MustParse(l))
			}
			if got := m.Name(tags...); got != tt.want {
				t.Errorf("Name(%v) = %q, want %q", tags, got, tt.want)
			}
		})
	}
	if m.TOS(language.French) != "https://example.com/cgu" || m.Policy(language.French) != "https://example.com/p" || m.Logo() != "https://example.com/l" {
		t.Errorf("B-17: terms %q, policy %q, logo %q", m.TOS(language.French), m.Policy(language.French), m.Logo())
	}
}

func TestResponse(t *testing.T) {
	issued := time.Unix(1_700_000_000, 999)
	tests := []struct {
		name, body, secret, want string
	}{
		{"B-01: a public client", `{` + web + `,"client_name#fr":"X"}`, "",
			`{"client_id":"c","client_id_issued_at":1700000000,"client_name#fr":"X","application_type":"web","client_uri":"https://example.com/",
			"redirect_uris":["https://app.example.com/callback"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],
			"token_endpoint_auth_method":"none","id_token_signed_response_alg":"ES256"}`},
		{"B-40: a client with a secret that never expires", `{` + web + `,"token_endpoint_auth_method":"client_secret_post"}`, "s3cret",
			`{"client_id":"c","client_id_issued_at":1700000000,"client_secret":"s3cret","client_secret_expires_at":0,"application_type":"web",
			"client_uri":"https://example.com/","redirect_uris":["https://app.example.com/callback"],"grant_types":["authorization_code","refresh_token"],
			"response_types":["code"],"token_endpoint_auth_method":"client_secret_post","id_token_signed_response_alg":"ES256"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := json.Marshal(registration.Response{
				ClientID: "c", IssuedAt: issued, Secret: secret.Text(tt.secret), Metadata: parse(t, tt.body, strict),
			})
			if err != nil {
				t.Fatal(err)
			}
			var got, want map[string]any
			if err := json.Unmarshal(data, &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}
