package registration_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"keymaker/provider/errtext"
	"keymaker/provider/registration"
)

// FuzzParse checks that a refusal has a code and a description that may be
// sent, and that what is accepted is accepted again as it is, from storage and
// from a client.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		full, `{` + web + `}`, `{` + native + `}`, `{}`, `[]`, `null`, ``, `{"client_uri":`, `{"a":1,"a":2}`, `{"x":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}`,
		`{` + web + `,"client_name":"\u202e\u200b x","client_name#fr":"\ud800","client_name#i-klingon":"x","client_name#en-u-co-phonebk":"x"}`,
		`{` + web + `,"grant_types":["refresh_token","authorization_code","x"],"response_types":["token","code"],"contacts":["a","a ",""]}`,
		`{` + web + `,"token_endpoint_auth_method":"client_secret_post","id_token_signed_response_alg":"ES256","jwks":{},"software_statement":1}`,
		`{"redirect_uris":["https://a.b/c?d=%20&e=<"],"client_name":"a\u0000"}`,
		`{` + web + `,"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"EdDSA","jwks":` + jwks + `}`,
		`{` + web + `,"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://example.com/jwks"}`,
		`{"client_uri":"https://example.com/","token_endpoint_auth_method":"private_key_jwt","grant_types":["client_credentials"],"jwks":` + jwks + `}`,
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, requireClientURI bool) {
		policy := registration.Policy{RequireClientURI: requireClientURI}
		m, err := registration.Parse(body, policy)
		if err != nil {
			checkDescription(t, err)
			return
		}
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		withoutWayBack := len(m.RedirectURIs) == 0 && slices.Contains(m.GrantTypes, registration.AuthorizationCode)
		if len(m.GrantTypes) == 0 || withoutWayBack || utf8.RuneCountInString(m.ClientName) > 100 || strings.ContainsAny(string(data), "\x00") {
			t.Fatalf("registered: %s", data)
		}
		var stored registration.Metadata
		if err := json.Unmarshal(data, &stored); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(*m, stored); diff != "" {
			t.Fatalf("read back from storage (-want +got):\n%s", diff)
		}
		if len(data) > registration.MaxBody {
			return // the encoding escapes characters that the request did not
		}
		again, err := registration.Parse(data, policy)
		if err != nil {
			t.Fatalf("%s is refused: %v", data, err)
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatalf("registered again (-want +got):\n%s", diff)
		}
	})
}

func checkDescription(t *testing.T, err error) {
	t.Helper()
	var refused *registration.Error
	if !errors.As(err, &refused) {
		t.Fatalf("error is %v (%T), want a *registration.Error", err, err)
	}
	if refused.Code != registration.InvalidRedirectURI && refused.Code != registration.InvalidClientMetadata {
		t.Fatalf("code %q", refused.Code)
	}
	if refused.Description == "" || len(refused.Description) > 1024 || !errtext.Legal(refused.Description) {
		t.Fatalf("description %q", refused.Description)
	}
}
