package upstream_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"keymaker/upstream"
)

// What an ID token says is believed only if all of it holds (OpenID Connect
// Core 1.0 §3.1.3.7).
func TestIDTokenClaims(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(b *bench, claims map[string]any)
		want   error // nil = accepted
	}{
		{"a re-signed token is accepted", func(*bench, map[string]any) {}, nil},
		{"iss with one more slash is accepted", func(b *bench, c map[string]any) { c["iss"] = b.idp.Issuer + "/" }, nil},
		{"iss with two more slashes is refused", func(b *bench, c map[string]any) { c["iss"] = b.idp.Issuer + "//" }, upstream.ErrUnverified},
		{"another iss is refused", func(_ *bench, c map[string]any) { c["iss"] = "https://mallory.example" }, upstream.ErrUnverified},
		{"no iss is refused", func(_ *bench, c map[string]any) { delete(c, "iss") }, upstream.ErrUnverified},
		{"another aud is refused", func(_ *bench, c map[string]any) { c["aud"] = "mallory" }, upstream.ErrUnverified},
		{"no aud is refused", func(_ *bench, c map[string]any) { delete(c, "aud") }, upstream.ErrUnverified},
		{"aud among others is accepted", func(_ *bench, c map[string]any) { c["aud"] = []string{"project", "keymaker"} }, nil},
		{"another azp is refused", func(_ *bench, c map[string]any) { c["azp"] = "mallory" }, upstream.ErrUnverified},
		{"azp that is no string is refused", func(_ *bench, c map[string]any) { c["azp"] = []string{"keymaker"} }, upstream.ErrUnverified},
		{"no azp is accepted", func(_ *bench, c map[string]any) { delete(c, "azp") }, nil},
		{"another nonce is refused", func(_ *bench, c map[string]any) { c["nonce"] = "mallory" }, upstream.ErrUnverified},
		{"no nonce is refused", func(_ *bench, c map[string]any) { delete(c, "nonce") }, upstream.ErrUnverified},
		{"an expired token is refused", func(b *bench, c map[string]any) { c["exp"] = seconds(b.clock.Now().Add(-time.Second)) }, upstream.ErrUnverified},
		{"no exp is refused", func(_ *bench, c map[string]any) { delete(c, "exp") }, upstream.ErrUnverified},
		{"an iat far ahead is refused", func(b *bench, c map[string]any) { c["iat"] = seconds(b.clock.Now().Add(10 * time.Minute)) }, upstream.ErrUnverified},
		{"an iat a little ahead is accepted", func(b *bench, c map[string]any) { c["iat"] = seconds(b.clock.Now().Add(time.Minute)) }, nil},
		{"no iat is refused", func(_ *bench, c map[string]any) { delete(c, "iat") }, upstream.ErrUnverified},
		{"nbf far ahead is refused", func(b *bench, c map[string]any) { c["nbf"] = seconds(b.clock.Now().Add(time.Hour)) }, upstream.ErrUnverified},
		{"no sub is refused", func(_ *bench, c map[string]any) { delete(c, "sub") }, upstream.ErrUnverified},
		{"a sub that is a number is refused", func(_ *bench, c map[string]any) { c["sub"] = 7 }, upstream.ErrUnverified},
		{"a sub that userinfo does not have is refused", func(_ *bench, c map[string]any) { c["sub"] = "mallory" }, upstream.ErrUnverified},
	} {
		t.Run("L-30: "+c.name, func(t *testing.T) {
			b := newBench(t, nil)
			newForger(t, b).claims(func(claims map[string]any) { c.change(b, claims) })
			id, err := b.signIn(t)
			switch {
			case c.want != nil:
				wantError(t, err, c.want)
			case err != nil:
				t.Fatal(err)
			case id.Issuer != b.idp.Issuer:
				t.Errorf("issuer %q, want the advertised %q", id.Issuer, b.idp.Issuer)
			}
		})
	}
}

// A signature is believed only if it is by a key of the provider and of an
// algorithm with public keys.
func TestIDTokenSignature(t *testing.T) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(f *forger, token string) string
	}{
		{"a key that is not in the key set", func(f *forger, token string) string { return f.sign(payload(token), jose.ES256, stranger) }},
		{"a changed payload", func(_ *forger, token string) string {
			parts := strings.Split(token, ".")
			claims := payload(token)
			claims["sub"] = "mallory"
			return parts[0] + "." + segment(claims) + "." + parts[2]
		}},
		{"a cut signature", func(_ *forger, token string) string { return token[:len(token)-8] }},
		{"alg none", func(_ *forger, token string) string {
			return segment(map[string]any{"alg": "none"}) + "." + segment(payload(token)) + "."
		}},
		{"HS256 with the public key as secret", func(f *forger, token string) string { return f.confused(payload(token)) }},
		{"HS256 with the client secret", func(f *forger, token string) string {
			return f.sign(payload(token), jose.HS256, []byte(f.bench.idp.ClientSecret+"................"))
		}},
		{"no token", func(*forger, string) string { return "" }},
		{"nonsense", func(*forger, string) string { return "eyJ.nonsense" }},
	} {
		t.Run("L-30: "+c.name+" is refused", func(t *testing.T) {
			b := newBench(t, nil)
			f := newForger(t, b)
			f.tokens(func(token string) string { return c.change(f, token) })
			_, err := b.signIn(t)
			wantError(t, err, upstream.ErrUnverified)
		})
	}
}

func TestUserinfo(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault fault
		want  error
	}{
		{"another sub is refused", changed(func(c map[string]any) { c["sub"] = "mallory" }), upstream.ErrUnverified},
		{"no sub is refused", changed(func(c map[string]any) { delete(c, "sub") }), upstream.ErrUnverified},
		{"500", status(500, "application/json", `{}`), upstream.ErrUnavailable},
		{"401", status(401, "application/json", `{}`), upstream.ErrUnavailable},
		{"HTML", status(200, "text/html", `<html>alice@example.org`), upstream.ErrUnavailable},
		{"a list", status(200, "application/json", `["alice@example.org"]`), upstream.ErrUnavailable},
		{"an endless answer", endless, upstream.ErrUnavailable},
		{"an unsigned JWT is refused", status(200, "application/jwt", segment(map[string]any{"alg": "none"})+"."+segment(map[string]any{"sub": "subject-alice"})+"."), upstream.ErrUnverified},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.wire.spoil(userinfoPath, c.fault)
			_, err := b.signIn(t)
			wantError(t, err, c.want)
		})
	}
	t.Run("a signed JWT is read", func(t *testing.T) {
		b := newBench(t, nil)
		f := newForger(t, b)
		token := f.sign(map[string]any{"sub": "subject-alice", "nickname": "al"}, jose.ES256, f.key)
		b.wire.spoil(userinfoPath, status(200, "application/jwt", token))
		id, err := b.signIn(t)
		if err != nil {
			t.Fatal(err)
		}
		if id.Claims.Text("nickname") != "al" {
			t.Error("its claims are not there")
		}
	})
	t.Run("signed claims win over userinfo", func(t *testing.T) {
		b := newBench(t, nil)
		newForger(t, b).claims(func(c map[string]any) { c["preferred_username"] = "signed" })
		id, err := b.signIn(t)
		if err != nil {
			t.Fatal(err)
		}
		if id.Claims.Text("preferred_username") != "signed" || id.Claims.Text("name") == "" {
			t.Error("the claims are not merged")
		}
	})
	t.Run("a provider without userinfo needs none", func(t *testing.T) {
		b := newBench(t, nil)
		b.wire.spoil(discoveryPath, changed(func(c map[string]any) { delete(c, "userinfo_endpoint") }))
		if _, err := b.signIn(t); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTokenEndpointAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault fault
		want  error
	}{
		{"an OAuth error is the provider's refusal", status(400, "application/json", `{"error":"invalid_grant","error_description":"alice@example.org"}`), upstream.ErrRejected},
		{"an OAuth error with status 200 too", status(200, "application/json", `{"error":"bad_verification_code"}`), upstream.ErrRejected},
		{"500", status(500, "application/json", `{"access_token":"eyJ","error":"server_error"}`), upstream.ErrUnavailable},
		{"404 in HTML", status(404, "text/html", `<html>`), upstream.ErrUnavailable},
		{"HTML with status 200", status(200, "text/html", `<html>`), upstream.ErrUnavailable},
		{"no access token", status(200, "application/json", `{"id_token":"eyJ"}`), upstream.ErrUnavailable},
		{"no ID token", status(200, "application/json", `{"access_token":"eyJ","token_type":"Bearer"}`), upstream.ErrUnverified},
		{"an endless answer", endless, upstream.ErrUnavailable},
		{"a redirect is not followed with the secret", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, upstream.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.wire.spoil(tokenPath, c.fault)
			_, err := b.signIn(t)
			wantError(t, err, c.want)
			if strings.HasPrefix(c.name, "an endless") && !strings.Contains(err.Error(), "more than 1048576 bytes") {
				t.Errorf("error %v", err)
			}
			if b.wire.count("/elsewhere") != 0 {
				t.Error("the redirect was followed")
			}
		})
	}
}

func TestKeySetAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault fault
		want  error
	}{
		{"500", status(500, "text/plain", "eyJ"), upstream.ErrUnavailable},
		{"404", status(404, "application/json", "{}"), upstream.ErrUnavailable},
		{"HTML", status(200, "text/html", "<html>"), upstream.ErrUnavailable},
		{"an endless answer", endless, upstream.ErrUnavailable},
		{"no keys", status(200, "application/json", `{"keys":[]}`), upstream.ErrUnverified},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.wire.spoil(keysPath, c.fault)
			_, err := b.signIn(t)
			wantError(t, err, c.want)
			b.wire.spoil(keysPath, nil)
			keysFetched()
			if _, err := b.signIn(t); err != nil {
				t.Errorf("the next login fails too: %v", err)
			}
		})
	}
}

// keysFetched returns once nobody fetches keys any more: go-oidc answers whoever
// waits for them a moment before it forgets the fetch, and whoever asks in between
// gets the same answer.
func keysFetched() {
	stacks := make([]byte, 1<<20)
	for bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("RemoteKeySet).keysFromRemote.func")) {
		runtime.Gosched()
	}
}

// A provider that does not answer holds a login up no longer than its context
// lasts.
func TestHangs(t *testing.T) {
	for _, path := range []string{tokenPath, keysPath, userinfoPath} {
		t.Run(path, func(t *testing.T) {
			b := newBench(t, nil)
			l := b.newLogin()
			params := b.visit(t, l)
			ctx, cancel := context.WithCancel(context.Background())
			release := make(chan struct{})
			defer close(release)
			// No answer before the caller has given up: the keys are fetched for
			// every login, so that request does not end with this one.
			b.wire.spoil(path, func(http.ResponseWriter, *http.Request, http.Handler) { cancel(); <-release })
			_, err := b.finish(ctx, l, params)
			wantError(t, err, upstream.ErrUnavailable)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v does not say why", err)
			}
		})
	}
	t.Run(discoveryPath, func(t *testing.T) {
		b := newBench(t, nil)
		ctx, cancel := context.WithCancel(context.Background())
		release := make(chan struct{})
		defer close(release)
		b.wire.spoil(discoveryPath, func(http.ResponseWriter, *http.Request, http.Handler) { cancel(); <-release })
		_, err := b.provider.Start(ctx, b.newLogin().request)
		wantError(t, err, upstream.ErrUnavailable)
	})
}
