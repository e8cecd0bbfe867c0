package upstream

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// FuzzClaims checks that whatever a provider says about a person is read
// without a panic, and that none of it can be printed.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		`{"sub":"s","email":"a@b","email_verified":true}`, `{"sub":1}`, `{"email_verified":"true"}`, `{"email_verified":1}`, `{"auth_time":1e400}`, `{"auth_time":-1}`, `{"auth_time":1.5}`,
		`{"id":12345678901234567890}`, `{"id":1.5}`, `{"aud":["a",1,null]}`, `null`, `[]`, `{`, ``, `{"a":{"b":[[[[]]]]}}`, `{"sub":"a","sub":"b"}`, "{\"name\":\"\\u202e\"}", `{} {}`,
		`{"picture":"https://a.example/b?c"}`, `{"picture":"https://a:b@c.example/"}`, `{"picture":"//a.example"}`, `{"picture":"file:///etc/passwd"}`, `{"picture":"http://[::1%25lo]:0/"}`, "{\"picture\":\"http://a/\\u0000\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseClaims(data)
		if err != nil {
			if c != nil {
				t.Fatal("claims beside an error")
			}
			return
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if printed := fmt.Sprintf(verb, c); printed != redacted {
				t.Fatalf("%s prints %q", verb, printed)
			}
		}
		if logged := c.LogValue().String(); logged != redacted {
			t.Fatalf("logged as %q", logged)
		}
		for name := range c {
			_, _, _ = c.Text(name), c.Flag(name), c.id(name)
			if at := c.Time(name); at.Unix() > 1e11 {
				t.Fatalf("%s is %v", name, at)
			}
		}
		if address := c.Email(); address != "" {
			if v := c.Flag("email_verified"); v == nil || !*v {
				t.Fatal("an address counts that the provider does not vouch for")
			}
		}
		if address := pictureURL(c); address != "" {
			u, err := url.Parse(address)
			if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" || len(address) > maxPictureURL || strings.Contains(address, "\x00") {
				t.Fatalf("a picture is at %q", address)
			}
		}
		for _, who := range audience(c) {
			if who == "" {
				continue
			}
			raw, err := json.Marshal(c["aud"])
			quoted, _ := json.Marshal(who)
			if err != nil || !strings.Contains(string(raw), string(quoted)) {
				t.Fatalf("%q is not in the audience %s", who, raw)
			}
		}
	})
}

// FuzzIssuers checks that two issuers are the same to the letter, but for one
// slash at the end.
func FuzzIssuers(f *testing.F) {
	for _, seed := range []string{"https://sso.example.com", "https://sso.example.com/", "https://sso.example.com//", "", "/", "HTTPS://sso.example.com"} {
		for _, other := range []string{"https://sso.example.com", "https://sso.example.com/", "https://evil.example/"} {
			f.Add(seed, other)
		}
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		same := sameIssuer(a, b)
		if same != sameIssuer(b, a) {
			t.Fatalf("%q and %q are the same in one order only", a, b)
		}
		if same && a != b && a != b+"/" && b != a+"/" {
			t.Fatalf("%q and %q are the same", a, b)
		}
	})
}
