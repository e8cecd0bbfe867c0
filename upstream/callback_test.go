package upstream_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/upstream"
)

func TestCallback(t *testing.T) {
	for _, c := range []struct {
		name   string
		sends  bool // the metadata says that iss is always sent
		params string
		code   string
		want   error
	}{
		{name: "a code", params: "code=c&state=s", code: "c"},
		{name: "L-04: a code with the right issuer", params: "code=c&iss=ISSUER", code: "c"},
		{name: "L-04: a code with the right issuer and a slash", params: "code=c&iss=ISSUER/", code: "c"},
		{name: "L-04: a code of another issuer is refused", params: "code=c&iss=https://mallory.example", want: upstream.ErrUnverified},
		{name: "L-04: an error of another issuer is refused", params: "error=access_denied&iss=https://mallory.example", want: upstream.ErrUnverified},
		{name: "L-04: a code without the promised issuer is refused", sends: true, params: "code=c", want: upstream.ErrUnverified},
		{name: "L-04: a code with the promised issuer", sends: true, params: "code=c&iss=ISSUER", code: "c"},
		{name: "an error", params: "error=access_denied&error_description=alice@example.org", want: upstream.ErrRejected},
		{name: "an error that is none", params: "error=mallory%0Aeyj<script>", want: upstream.ErrRejected},
		{name: "an error beside a code", params: "error=access_denied&code=c", want: upstream.ErrRejected},
		{name: "nothing", params: "state=s", want: upstream.ErrUnverified},
		{name: "two codes", params: "code=c&code=d", want: upstream.ErrUnverified},
		{name: "two issuers", params: "code=c&iss=ISSUER&iss=https://mallory.example", want: upstream.ErrUnverified},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.wire.spoil(discoveryPath, changed(func(document map[string]any) {
				document["authorization_response_iss_parameter_supported"] = c.sends
			}))
			params, err := url.ParseQuery(strings.ReplaceAll(c.params, "ISSUER", b.idp.Issuer))
			if err != nil {
				t.Fatal(err)
			}
			code, err := b.provider.Callback(context.Background(), params)
			if c.want != nil {
				wantError(t, err, c.want)
			} else if err != nil || code != c.code {
				t.Errorf("code %q, error %v", code, err)
			}
		})
	}
	t.Run("an error that is no error code is not repeated", func(t *testing.T) {
		b := newBench(t, nil)
		for _, code := range []string{"mallory\n", "<script>", strings.Repeat("x", 65)} {
			_, err := b.provider.Callback(context.Background(), url.Values{"error": {code}})
			var refused *upstream.ProviderError
			if !errors.As(err, &refused) || refused.Code != "unreadable" {
				t.Errorf("error %v", err)
			}
		}
	})
	t.Run("the description is one bounded line, for the page", func(t *testing.T) {
		b := newBench(t, nil)
		_, err := b.provider.Callback(context.Background(), url.Values{"error": {"access_denied"}, "error_description": {" not\n\tin the\x1b\u202e group " + strings.Repeat("x", 1000)}})
		var refused *upstream.ProviderError
		if !errors.As(err, &refused) {
			t.Fatal(err)
		}
		if !strings.HasPrefix(refused.Description, "not  in the group x") || len(refused.Description) != 300 {
			t.Errorf("description %q", refused.Description)
		}
	})
}

func TestRejectsPKCE(t *testing.T) {
	refusal := url.Values{"error": {"invalid_request"}, "error_description": {"Unknown parameter: code_challenge_method"}}
	for _, c := range []struct {
		name       string
		advertised any
		params     url.Values
		want       bool
	}{
		{"a provider that says nothing of PKCE and refuses it", nil, refusal, true},
		{"a provider that advertises S256 is not believed", []string{"S256"}, refusal, false},
		{"another error", nil, url.Values{"error": {"access_denied"}, "error_description": {"code_challenge"}}, false},
		{"another parameter", nil, url.Values{"error": {"invalid_request"}, "error_description": {"Unknown parameter: scope"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.wire.spoil(discoveryPath, changed(func(document map[string]any) {
				delete(document, "code_challenge_methods_supported")
				if c.advertised != nil {
					document["code_challenge_methods_supported"] = c.advertised
				}
			}))
			_, err := b.provider.Callback(context.Background(), c.params)
			if got := b.provider.RejectsPKCE(context.Background(), err); got != c.want {
				t.Errorf("RejectsPKCE = %v, want %v", got, c.want)
			}
		})
	}
	t.Run("PKCE is sent though it is not advertised, and the second attempt goes without", func(t *testing.T) {
		b := newBench(t, nil)
		b.wire.spoil(discoveryPath, changed(func(document map[string]any) { delete(document, "code_challenge_methods_supported") }))
		b.wire.spoil("/authorize", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Form.Has("code_challenge") {
				http.Redirect(w, r, callbackURL+"?error=invalid_request&error_description=PKCE+is+not+supported&state="+r.Form.Get("state"), http.StatusFound)
				return
			}
			next.ServeHTTP(w, r)
		})
		first := b.newLogin()
		_, err := b.finish(context.Background(), first, b.visit(t, first))
		wantError(t, err, upstream.ErrRejected)
		if !b.provider.RejectsPKCE(context.Background(), err) {
			t.Fatalf("not seen as a refusal of PKCE: %v", err)
		}
		second := b.newLogin()
		second.request.Verifier = ""
		if _, err := b.finish(context.Background(), second, b.visit(t, second)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestStolenCode(t *testing.T) {
	for _, c := range []struct {
		name  string
		steal func(mine, theirs login) login
		want  error
	}{
		{"L-30: a code does not work with another login's verifier", func(mine, theirs login) login {
			mine.request.Verifier = theirs.request.Verifier
			return mine
		}, upstream.ErrRejected},
		{"L-30: a code does not work with another login's nonce", func(mine, theirs login) login {
			mine.request.Nonce = theirs.request.Nonce
			return mine
		}, upstream.ErrUnverified},
		{"L-30: a code does not work with an empty nonce", func(mine, _ login) login {
			mine.request.Nonce = ""
			return mine
		}, upstream.ErrUnverified},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			mine := b.newLogin()
			_, err := b.finish(context.Background(), c.steal(mine, b.newLogin()), b.visit(t, mine))
			wantError(t, err, c.want)
		})
	}
	t.Run("L-30: no nonce is not the same as no nonce", func(t *testing.T) {
		b := newBench(t, nil)
		newForger(t, b).claims(func(claims map[string]any) { delete(claims, "nonce") })
		mine := b.newLogin()
		params := b.visit(t, mine)
		mine.request.Nonce = ""
		_, err := b.finish(context.Background(), mine, params)
		wantError(t, err, upstream.ErrUnverified)
	})
}
