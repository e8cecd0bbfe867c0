package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

const (
	webfingerPath  = "/.well-known/webfinger"
	issuerRelation = "http://openid.net/specs/connect/1.0/issuer"
)

// descriptor is an answer of WebFinger (RFC 7033 §4.4).
type descriptor struct {
	Subject string
	Links   []struct{ Rel, Href string }
}

// expectIssuer wants the descriptor of a resource, with the issuer or no link.
func expectIssuer(t *testing.T, e *harness.Env, a harness.Answer, resource string, linked bool) {
	t.Helper()
	var d descriptor
	if err := json.Unmarshal(a.Body, &d); err != nil || a.Status != http.StatusOK || a.Header.Get("Content-Type") != "application/jrd+json" {
		t.Fatalf("status %d, Content-Type %q, %v: %s", a.Status, a.Header.Get("Content-Type"), err, a.Body)
	}
	if d.Subject != resource {
		t.Errorf("the subject is %q, want %q", d.Subject, resource)
	}
	if (len(d.Links) == 1) != linked || d.Links == nil {
		t.Fatalf("the links are %v", d.Links)
	}
	if linked && (d.Links[0].Rel != issuerRelation || d.Links[0].Href != e.Issuer) {
		t.Errorf("the link is %v, want %s", d.Links[0], e.Issuer)
	}
	expectCORS(t, a)
}

func TestWebFinger(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.FinalSlash = true })
	e.LogIn("alice", "FINGER")
	ours := []struct{ name, resource string }{
		{"a user", "acct:alice@example.org"},
		{"whoever could be a user", "acct:nobody.has-this_name@example.org"},
		{"a name with an encoded character", "acct:a%2Fb@example.org"},
		{"the server in capitals", "acct:alice@EXAMPLE.ORG"},
		{"a Matrix user ID", "@alice:example.org"},
		{"a Matrix user ID with its scheme", "mxid:@alice:example.org"},
		{"the issuer", e.Issuer},
		{"the issuer without its final slash", e.URL},
	}
	for _, tt := range ours {
		t.Run("A-23: "+tt.name+" has the issuer", func(t *testing.T) {
			e := e.For(t)
			a := e.Get(webfingerPath + "?" + url.Values{"resource": {tt.resource}, "rel": {issuerRelation}}.Encode())
			expectIssuer(t, e, a, tt.resource, true)
		})
	}
	refused := []struct {
		name, query string
		status      int
		code        string
	}{
		{"no resource", "rel=x", 400, "M_MISSING_PARAM"},
		{"an empty resource", "resource=", 400, "M_MISSING_PARAM"},
		{"two resources", "resource=acct:alice@example.org&resource=acct:bob@example.org", 400, "M_MISSING_PARAM"},
		{"a resource without a scheme", "resource=alice@example.org", 400, "M_INVALID_PARAM"},
		{"another scheme", "resource=mailto:alice@example.org", 400, "M_INVALID_PARAM"},
		{"a script", "resource=javascript:alert(1)", 400, "M_INVALID_PARAM"},
		{"an account without a server", "resource=acct:alice", 400, "M_INVALID_PARAM"},
		{"an account without a name", "resource=acct:@example.org", 400, "M_INVALID_PARAM"},
		{"a name that nobody may have", "resource=acct:%3Cscript%3E@example.org", 400, "M_INVALID_PARAM"},
		{"a name with a hidden NUL", "resource=acct:a%2500@example.org", 400, "M_INVALID_PARAM"},
		{"a name that is too long", "resource=acct:" + strings.Repeat("a", 244) + "@example.org", 400, "M_INVALID_PARAM"},
		{"a bad escape", "resource=acct:a%25zz@example.org", 400, "M_INVALID_PARAM"},
		{"a user ID without a server", "resource=@alice", 400, "M_INVALID_PARAM"},
		{"a URL with a user", "resource=https://user@example.org/", 400, "M_INVALID_PARAM"},
		{"a user of another server", "resource=acct:alice@example.com", 404, "M_NOT_FOUND"},
		{"a user ID of another server", "resource=@alice:example.com", 404, "M_NOT_FOUND"},
		{"a server that ends like ours", "resource=acct:alice@evil.example.org", 404, "M_NOT_FOUND"},
		{"the URL of another server", "resource=https://evil.example.net/", 404, "M_NOT_FOUND"},
		{"the URL of a page of ours", "resource=" + e.URL + "/alice", 404, "M_NOT_FOUND"},
	}
	for _, tt := range refused {
		t.Run("A-23: "+tt.name+" is refused", func(t *testing.T) {
			a := e.For(t).Get(webfingerPath + "?" + tt.query)
			harness.ExpectMatrixError(t, a, tt.status, tt.code)
			expectCORS(t, a)
		})
	}
}

func TestWebFingerLinks(t *testing.T) {
	e := harness.Start(t)
	const resource = "acct:alice@example.org"
	tests := []struct {
		name   string
		rels   []string
		linked bool
	}{
		{"without rel every link is given", nil, true},
		{"one of several rels is the issuer's", []string{"http://webfinger.net/rel/avatar", issuerRelation}, true},
		{"another rel has no link", []string{"http://webfinger.net/rel/avatar"}, false},
		{"an empty rel has no link", []string{""}, false},
	}
	for _, tt := range tests {
		t.Run("A-23: "+tt.name, func(t *testing.T) {
			e := e.For(t)
			query := url.Values{"resource": {resource}}
			if tt.rels != nil {
				query["rel"] = tt.rels
			}
			expectIssuer(t, e, e.Get(webfingerPath+"?"+query.Encode()), resource, tt.linked)
		})
	}
	t.Run("A-23 A-22: to another host it names the configured issuer", func(t *testing.T) {
		e := e.For(t)
		a := e.Do(http.MethodGet, webfingerPath+"?resource="+resource, map[string]string{"Host": "evil.example.net"}, "")
		expectIssuer(t, e, a, resource, true)
	})
	t.Run("A-23: whether a user exists makes no difference", func(t *testing.T) {
		e := e.For(t)
		e.LogIn("alice", "FINGER")
		alice, nobody := e.Get(webfingerPath+"?resource="+resource), e.Get(webfingerPath+"?resource=acct:nobody@example.org")
		if alice.Status != http.StatusOK || strings.ReplaceAll(string(nobody.Body), "nobody", "alice") != string(alice.Body) {
			t.Errorf("%s\n%s", alice.Body, nobody.Body)
		}
	})
	t.Run("A-23: a POST is refused", func(t *testing.T) {
		a := e.For(t).Do(http.MethodPost, webfingerPath+"?resource="+resource, nil, "")
		harness.ExpectMatrixError(t, a, http.StatusMethodNotAllowed, "M_UNRECOGNIZED")
	})
}
