package provider

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"keymaker/internal/config"
	"keymaker/internal/secret"
	"keymaker/provider/errtext"
	"keymaker/provider/registration"
	"keymaker/store"
)

// FuzzRefreshToken checks that a refresh token is the one that was made, every
// character of it: no other text is taken for one of this server.
func FuzzRefreshToken(f *testing.F) {
	s := &tokens{key: bytes.Repeat([]byte{7}, tokenSecretSize)}
	made, _, err := s.refreshToken(prefixRefresh, "01J44Q10GR4AMTFZEEF936DTCM", 3, bytes.Repeat([]byte{9}, sizeSecret))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{made, made[:len(made)-1], made + "A", strings.ToUpper(made), "kmr_", "", prefixLegacyRefresh + made[4:], made[:20] + "=" + made[20:], made + "\n", " " + made} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if _, ok := s.parseRefresh(prefixRefresh, token); ok && token != made {
			t.Fatalf("%q was taken for a refresh token of this server", token)
		}
		if _, ok := s.parseRefresh(prefixLegacyRefresh, token); ok {
			t.Fatalf("%q was taken for a legacy refresh token of this server", token)
		}
	})
}

// FuzzAccessToken checks that what is looked up in the database has the form of
// an access token, and is looked up whole.
func FuzzAccessToken(f *testing.F) {
	body := encoding.EncodeToString(bytes.Repeat([]byte{7}, sizeSecret))
	made := prefixAccess + body + checksum(body)
	for _, seed := range []string{made, made[:len(made)-1], made + "A", "kma_", "", "kmr_" + made[4:], made[:10] + "." + made[11:], "a.b", "ory_at_x.y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		hash := accessHash(token)
		if hash == nil {
			return
		}
		if !bytes.Equal(hash, secret.Hash(token)) || !strings.HasPrefix(token, prefixAccess) || len(token) != len(made) {
			t.Fatalf("%q was taken for an access token", token)
		}
	})
}

// FuzzBasicCredentials checks that only a header which names a client is taken
// for one (RFC 6749 §2.3.1), and that a refusal may be sent.
func FuzzBasicCredentials(f *testing.F) {
	for _, seed := range []string{"Basic YTpi", "Basic", "basic YTpi", "Basic !", "Basic OmI=", "Basic YTo=", "Basic JTAwOmI=", "Basic JWZmOmI=", "Basic Y2xpZW50JTNBOnM=", "Bearer x", "", "Basic  YTpi", "Basic YQ=="} {
		f.Add(seed, "", "")
		f.Add(seed, "a", "b")
	}
	f.Fuzz(func(t *testing.T, header, id, password string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header["Authorization"] = []string{header}
		r.PostForm = url.Values{}
		for name, value := range map[string]string{"client_id": id, "client_secret": password} {
			if value != "" {
				r.PostForm.Set(name, value)
			}
		}
		e := checkCredentials(r)
		if e != nil {
			if !errtext.Legal(e.Description) || (e.Code != "invalid_request" && e.Code != "invalid_client") {
				t.Fatalf("refused with %v", e)
			}
			return
		}
		encoded, _, basic := r.BasicAuth()
		if !basic {
			if id == "" {
				t.Fatalf("%q names no client", header)
			}
			return
		}
		named, err := url.QueryUnescape(encoded)
		if err != nil || !utf8.ValidString(named) || strings.ContainsRune(named, 0) || id != "" && id != named || password != "" {
			t.Fatalf("header %q with client_id %q and client_secret %q was taken", header, id, password)
		}
	})
}

// FuzzUserCode checks that a typed code is read as the one that was shown,
// however it is spaced, or not at all (conformance G-12).
func FuzzUserCode(f *testing.F) {
	for _, seed := range []string{"BCDF-GHJK", "bcdfghjk", " b c d f g h j k ", "BCDF–GHJK", "BCDFGHJ", "BCDFGHJKL", "AEIOUAEI", "", "ſſſſſſſſ", "BCDF\u00a0GHJK", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, err := ParseUserCode(typed)
		if err != nil {
			return
		}
		if len(code) != userCodeLength || strings.Trim(code, userCodeAlphabet) != "" {
			t.Fatalf("%q was read as %q", typed, code)
		}
		if again, err := ParseUserCode(FormatUserCode(code)); err != nil || again != code {
			t.Fatalf("%q is shown as %q, and that is read as %q", code, FormatUserCode(code), again)
		}
	})
}

// FuzzAuthorizationParameters checks that the parameters of an authorization
// request are either refused, with an error that the client may be told, or
// mean the same when they are read again from the database.
func FuzzAuthorizationParameters(f *testing.F) {
	good := "response_type=code&client_id=c&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback&scope=openid+urn%3Amatrix%3Aclient%3Aapi%3A*+urn%3Amatrix%3Aclient%3Adevice%3AABCDEFGHIJ" +
		"&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
	for _, more := range []string{"", "&prompt=none", "&prompt=none+login", "&max_age=0", "&max_age=-1", "&max_age=1e3", "&max_age=9223372036854775808", "&nonce=%22", "&request=x", "&request_uri=x",
		"&response_mode=fragment", "&response_mode=form_post", "&response_mode=x", "&ui_locales=de+en", "&login_hint=mxid%3A%40a%3Ab", "&idp_id=x", "&scope=openid", "&state=%00", "&claims=%7B%7D", "&prompt=create+select_account"} {
		f.Add(good + more)
	}
	f.Add("")
	metadata, err := registration.Parse([]byte(`{"client_uri":"https://example.com/","redirect_uris":["https://app.example.com/callback"]}`), registration.Policy{RequireClientURI: true})
	if err != nil {
		f.Fatal(err)
	}
	doc, err := metadata.MarshalJSON()
	if err != nil {
		f.Fatal(err)
	}
	p := &Provider{config: &config.Config{OIDCRequirePKCE: true}, issuer: "https://auth.example.org"}
	client := &store.Client{ID: "c", Metadata: doc}
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		a := &Authorization{Client: client, Mode: "query", params: url.Values{}}
		if e := p.checkAuthorization(a, form); e != nil {
			if e.Status != http.StatusBadRequest || e.Code == "" || !errtext.Legal(e.Description) {
				t.Fatalf("refused with %v", e)
			}
			return
		}
		if a.Scope.Device() == "" && a.Scope.HasAPI() {
			t.Fatal("Matrix access without a device was accepted")
		}
		again := &Authorization{Client: client, Mode: "query", params: url.Values{}}
		if e := p.checkAuthorization(again, a.params); e != nil {
			t.Fatalf("what was kept of %q is refused: %v", query, e)
		}
		if again.params.Encode() != a.params.Encode() || again.Scope.String() != a.Scope.String() {
			t.Fatalf("kept %q, read again as %q", a.params.Encode(), again.params.Encode())
		}
	})
}
