package upstream_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"keymaker/internal/config"
	"keymaker/upstream"
)

// Overrides: each configured URL takes the place of the discovered one.
func TestOverrides(t *testing.T) {
	moved := func(b *bench, from, to string) {
		b.wire.spoil(to, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			r.URL.Path = from
			next.ServeHTTP(w, r)
		})
		b.wire.spoil(from, status(http.StatusInternalServerError, "text/plain", "not here"))
	}
	for _, c := range []struct {
		name, from, to string
		set            func(*config.IdentityProvider, string)
	}{
		{"token_url", tokenPath, "/moved/token", func(c *config.IdentityProvider, u string) { c.TokenURL = u }},
		{"userinfo_url", userinfoPath, "/moved/userinfo", func(c *config.IdentityProvider, u string) { c.UserinfoURL = u }},
		{"jwks_url", keysPath, "/moved/keys", func(c *config.IdentityProvider, u string) { c.JWKSURL = u }},
		{"discovery_url", discoveryPath, "/moved/document", func(c *config.IdentityProvider, u string) { c.DiscoveryURL = u }},
		{"base_path", discoveryPath, "/base/.well-known/openid-configuration", func(c *config.IdentityProvider, _ string) { c.BasePath = "/base/" }},
	} {
		t.Run(c.name+" acts", func(t *testing.T) {
			b := newBench(t, nil)
			moved(b, c.from, c.to)
			c.set(&b.config, b.idp.Issuer+c.to)
			b.provider = upstream.New(b.config, callbackURL, upstream.Options{Clock: b.clock})
			if _, err := b.signIn(t); err != nil {
				t.Fatal(err)
			}
			if to, from := b.wire.count(c.to), b.wire.count(c.from); to != 1 || from != 0 {
				t.Errorf("%d requests to %s, and %d to %s", to, c.to, from, c.from)
			}
		})
	}
	t.Run("revocation_url acts: the access token is given back", func(t *testing.T) {
		b := newBench(t, nil)
		b.config.RevocationURL = b.idp.Issuer + "/revoke"
		b.provider = upstream.New(b.config, callbackURL, upstream.Options{Clock: b.clock})
		if _, err := b.signIn(t); err != nil {
			t.Fatal(err)
		}
		bearer := b.wire.last(userinfoPath).Header.Get("Authorization")
		r, _ := http.NewRequest(http.MethodGet, b.idp.Issuer+userinfoPath, nil)
		r.Header.Set("Authorization", bearer)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			t.Error("the access token is still good")
		}
	})
	t.Run("a failing revocation_url does not stand in the way, and is logged", func(t *testing.T) {
		b := newBench(t, func(c *config.IdentityProvider) { c.RevocationURL = "http://127.0.0.1:1/revoke" })
		if _, err := b.signIn(t); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.log.String(), "could not be revoked") {
			t.Errorf("the log says %q", b.log.String())
		}
	})
	t.Run("without revocation_url nothing is revoked", func(t *testing.T) {
		b := newBench(t, nil)
		if _, err := b.signIn(t); err != nil {
			t.Fatal(err)
		}
		if n := b.wire.count("/revoke"); n != 0 {
			t.Errorf("%d revocations", n)
		}
	})
}

func TestIntrospection(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string
		code   int
		want   error
		log    string
	}{
		{"an active token of the same subject passes", `{"active":true,"sub":"subject-alice"}`, 200, nil, ""},
		{"an active token without a subject passes", `{"active":true}`, 200, nil, ""},
		{"an inactive token is refused", `{"active":false}`, 200, upstream.ErrUnverified, ""},
		{"a token of somebody else is refused", `{"active":true,"sub":"mallory"}`, 200, upstream.ErrUnverified, ""},
		{"an endpoint that fails is logged and passed over", `{}`, 503, nil, "could not be introspected"},
		{"an endpoint that refuses the client is logged and passed over", `{"error":"invalid_client"}`, 401, nil, "could not be introspected"},
		{"an answer that cannot be read is logged and passed over", `<html>`, 200, nil, "could not be introspected"},
	} {
		t.Run("introspection_url: "+c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.wire.spoil("/check", status(c.code, "application/json", c.answer))
			b.config.IntrospectionURL = b.idp.Issuer + "/check"
			b.provider = upstream.New(b.config, callbackURL, upstream.Options{Clock: b.clock, Logger: b.logger()})
			_, err := b.signIn(t)
			if c.want != nil {
				wantError(t, err, c.want)
			} else if err != nil {
				t.Fatal(err)
			}
			if id, password, ok := b.wire.last("/check").BasicAuth(); !ok || id != "keymaker" || password == "" {
				t.Error("the client did not authenticate")
			}
			if !strings.Contains(b.log.String(), c.log) {
				t.Errorf("the log says %q, want %q", b.log.String(), c.log)
			}
		})
	}
}

func TestWithoutDiscovery(t *testing.T) {
	with := func(b *bench, change func(*config.IdentityProvider)) {
		b.config.Discovery = false
		b.config.AuthorizationURL, b.config.TokenURL = b.idp.Issuer+"/authorize", b.idp.Issuer+tokenPath
		change(&b.config)
		b.provider = upstream.New(b.config, callbackURL, upstream.Options{Clock: b.clock})
	}
	t.Run("the issuer is not asked, and ID tokens verify by jwks_url", func(t *testing.T) {
		b := newBench(t, nil)
		with(b, func(c *config.IdentityProvider) { c.JWKSURL = b.idp.Issuer + keysPath })
		id, err := b.signIn(t)
		if err != nil {
			t.Fatal(err)
		}
		if id.Subject != "subject-alice" || id.Issuer != b.idp.Issuer || b.wire.count(discoveryPath) != 0 || b.wire.count(userinfoPath) != 0 {
			t.Errorf("subject %q, issuer %q, %d discoveries, %d userinfo requests", id.Subject, id.Issuer, b.wire.count(discoveryPath), b.wire.count(userinfoPath))
		}
	})
	t.Run("userinfo alone is a source of identity", func(t *testing.T) {
		b := newBench(t, nil)
		with(b, func(c *config.IdentityProvider) { c.UserinfoURL = b.idp.Issuer + userinfoPath })
		id, err := b.signIn(t)
		if err != nil {
			t.Fatal(err)
		}
		if id.Subject != "subject-alice" || id.Claims.Text("preferred_username") != "alice" {
			t.Errorf("subject %q", id.Subject)
		}
	})
	t.Run("a plain OAuth 2 user has a numeric id", func(t *testing.T) {
		b := newBench(t, nil)
		b.wire.spoil(userinfoPath, status(200, "application/json", `{"id":9007199254740993,"username":"alice"}`))
		with(b, func(c *config.IdentityProvider) { c.UserinfoURL = b.idp.Issuer + userinfoPath })
		id, err := b.signIn(t)
		if err != nil {
			t.Fatal(err)
		}
		if id.Subject != "9007199254740993" {
			t.Errorf("subject %q", id.Subject)
		}
	})
	t.Run("a user without sub and id is nobody", func(t *testing.T) {
		for _, answer := range []string{`{"username":"alice"}`, `{"sub":"","id":1.5}`, `{"id":true}`} {
			b := newBench(t, nil)
			b.wire.spoil(userinfoPath, status(200, "application/json", answer))
			with(b, func(c *config.IdentityProvider) { c.UserinfoURL = b.idp.Issuer + userinfoPath })
			_, err := b.signIn(t)
			wantError(t, err, upstream.ErrUnverified)
		}
	})
	t.Run("neither jwks_url nor userinfo_url is no identity", func(t *testing.T) {
		b := newBench(t, nil)
		with(b, func(*config.IdentityProvider) {})
		_, err := b.provider.Start(context.Background(), b.newLogin().request)
		wantError(t, err, upstream.ErrUnavailable)
	})
}
