package handlers_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
)

const wikiSecret = "the secret of the wiki, 32 characters"

// wiki is a configured client that signs people in.
const wiki = `[[global.oidc_client]]
client_id = "wiki"
client_secret = "` + wikiSecret + `"
client_name = "The wiki"
redirect_uris = ["https://app.example.com/callback", "http://127.0.0.1:8099/callback"]
`

// withClients starts a server with these blocks in its configuration.
func withClients(t *testing.T, blocks string) *harness.Env {
	t.Helper()
	return harness.Start(t, func(o *harness.Options) { o.Extra = blocks })
}

// reconfigure restarts the server with other clients.
func reconfigure(e *harness.Env, old, blocks string) {
	e.T.Helper()
	e.Config = strings.Replace(e.Config, old, blocks, 1)
	e.Restart()
}

// exchangeAs exchanges a code with client_secret_basic.
func exchangeAs(e *harness.Env, g grant, password string) harness.Answer {
	e.T.Helper()
	return e.Do(http.MethodPost, tokenPath, map[string]string{"Content-Type": form, "Authorization": basic(g.ClientID, password)}, g.values().Encode())
}

// refreshAs presents a refresh token with client_secret_basic.
func refreshAs(e *harness.Env, id, password, token string) harness.Answer {
	e.T.Helper()
	return e.Do(http.MethodPost, tokenPath, map[string]string{"Content-Type": form, "Authorization": basic(id, password)},
		url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}.Encode())
}

func TestAConfiguredClient(t *testing.T) {
	e := withClients(t, wiki)
	t.Run("B-46: it signs people in with its own secret, on a page that says who chose it", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest("wiki", "openid profile")
		b := e.NewBrowser()
		page := b.Consent(r, "alice")
		expectPage(t, page, http.StatusOK, "Let The wiki use your account?")
		if !strings.Contains(page.Text(), "Approved by your administrator") || strings.Contains(page.Text(), "Unverified") {
			t.Errorf("the page says:\n%s", page.Text())
		}
		code := harness.Returned(b.Decide(page, "approve")).Get("code")
		a := exchangeAs(e, grant{r, code}, wikiSecret)
		harness.ExpectJSON(t, a, http.StatusOK)
		if a.Text("id_token") == "" || a.Text("refresh_token") == "" {
			t.Errorf("the answer is %s", a.Body)
		}
		harness.ExpectJSON(t, refreshAs(e, "wiki", wikiSecret, a.Text("refresh_token")), http.StatusOK)
	})
	t.Run("B-46: a loopback redirect URI has the port that was configured, and no other", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest("wiki", "openid")
		r.Values.Set("redirect_uri", "http://127.0.0.1:8099/callback")
		if got := e.NewBrowser().Approve(r, "alice").Get("code"); got == "" {
			t.Error("there is no code")
		}
		r.Values.Set("redirect_uri", "http://127.0.0.1:8098/callback")
		if p := e.NewBrowser().Authorize(r); p.StatusCode != http.StatusBadRequest {
			t.Errorf("another port: status %d", p.StatusCode)
		}
	})
	t.Run("B-46 D-61: it does not work with another secret or another method", func(t *testing.T) {
		e := e.For(t)
		g := approved(e, "wiki", "openid")
		harness.ExpectOAuthError(t, exchangeAs(e, g, wikiSecret+"x"), http.StatusUnauthorized, "invalid_client")
		harness.ExpectOAuthError(t, e.Form(tokenPath, with(g.values(), "client_secret", wikiSecret)), http.StatusUnauthorized, "invalid_client")
		harness.ExpectOAuthError(t, e.Form(tokenPath, g.values()), http.StatusUnauthorized, "invalid_client")
		harness.ExpectJSON(t, exchangeAs(e, g, wikiSecret), http.StatusOK)
	})
	t.Run("B-45 B-46: a registration that claims its id or has its metadata is another client", func(t *testing.T) {
		e := e.For(t)
		a := register(e, metadataOf(t, map[string]any{"client_id": "wiki", "client_name": "The wiki", "redirect_uris": []string{harness.WebRedirect}}))
		harness.ExpectJSON(t, a, http.StatusCreated)
		if a.Text("client_id") == "wiki" {
			t.Error("it got the id of the configured client")
		}
		harness.ExpectJSON(t, exchangeAs(e, approved(e, "wiki", "openid"), wikiSecret), http.StatusOK)
	})
	t.Run("B-46: a registration is not altered, read or deleted at any path", func(t *testing.T) {
		e := e.For(t)
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			a := e.Do(method, registerPath+"/wiki", map[string]string{"Content-Type": "application/json"}, harness.WebClient)
			if a.Status != http.StatusNotFound && a.Status != http.StatusMethodNotAllowed {
				t.Errorf("%s: status %d", method, a.Status)
			}
		}
		harness.ExpectJSON(t, exchangeAs(e, approved(e, "wiki", "openid"), wikiSecret), http.StatusOK)
	})
	t.Run("B-46 B-42: it stays when registrations are swept", func(t *testing.T) {
		e := e.For(t)
		e.Clock.Advance(90 * 24 * time.Hour)
		sweep(e)
		harness.ExpectJSON(t, exchangeAs(e, approved(e, "wiki", "openid"), wikiSecret), http.StatusOK)
	})
}

func TestAConfiguredClientThatOnlyAsks(t *testing.T) {
	const block = "[[global.oidc_client]]\nclient_id = \"integrations\"\nclient_secret = \"" + wikiSecret + "\"\n"
	e := withClients(t, block)
	tokens := e.LogIn("alice", "AAABBBCCCDDD")
	t.Run("F-01: a configured client with a secret may introspect", func(t *testing.T) {
		a := e.For(t).Do(http.MethodPost, introspectPath, map[string]string{"Content-Type": form, "Authorization": basic("integrations", wikiSecret)}, "token="+tokens.Access)
		if harness.ExpectJSON(t, a, http.StatusOK); a.JSON()["active"] != true {
			t.Errorf("the answer is %s", a.Body)
		}
	})
	t.Run("D-03: it is not authorized for a grant that it was not configured for", func(t *testing.T) {
		a := refreshAs(e.For(t), "integrations", wikiSecret, tokens.Refresh)
		harness.ExpectOAuthError(t, a, http.StatusBadRequest, "unauthorized_client")
	})
}

func TestAConfiguredClientThatIsRemoved(t *testing.T) {
	e := withClients(t, wiki)
	g := approved(e, "wiki", "openid "+harness.ScopeStable+"WIKIDEVICE")
	waiting := approved(e, "wiki", "openid")
	a := exchangeAs(e, g, wikiSecret)
	harness.ExpectJSON(t, a, http.StatusOK)
	access, refresh := a.Text("access_token"), a.Text("refresh_token")

	reconfigure(e, wiki, "")
	t.Run("B-46: out of the configuration it is unknown, and its tokens are not accepted", func(t *testing.T) {
		e := e.For(t)
		expectInactive(t, e.Introspect(access))
		harness.ExpectMatrixError(t, e.WhoAmI(access), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		harness.ExpectOAuthError(t, refreshAs(e, "wiki", wikiSecret, refresh), http.StatusUnauthorized, "invalid_client")
		harness.ExpectOAuthError(t, exchangeAs(e, waiting, wikiSecret), http.StatusUnauthorized, "invalid_client")
		if p := e.NewBrowser().Authorize(e.NewRequest("wiki", "openid")); p.StatusCode != http.StatusBadRequest {
			t.Errorf("authorize: status %d", p.StatusCode)
		}
	})
	if log := e.Log.String(); !strings.Contains(log, "no longer in the configuration") || !strings.Contains(log, `"client":"wiki","sessions":1`) {
		t.Errorf("the log does not name the client and its sessions:\n%s", log)
	}
	reconfigure(e, "[[global.identity_provider]]", strings.Replace(wiki, wikiSecret, "another secret, of 32 characters too", 1)+"[[global.identity_provider]]")
	t.Run("B-46: back in it with another secret, its sessions go on", func(t *testing.T) {
		e := e.For(t)
		expectAlive(t, e, access)
		harness.ExpectOAuthError(t, refreshAs(e, "wiki", wikiSecret, refresh), http.StatusUnauthorized, "invalid_client")
		harness.ExpectJSON(t, refreshAs(e, "wiki", "another secret, of 32 characters too", refresh), http.StatusOK)
	})
}

func TestAConfiguredClientWithTheIDOfARegisteredOne(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	e.Config += strings.Replace(wiki, `"wiki"`, `"`+id+`"`, 1)
	if err := e.Server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Reopen(); err == nil || !strings.Contains(err.Error(), id) {
		t.Errorf("B-45: the server starts, or does not say why not: %v", err)
	}
}

var tomlBlock = regexp.MustCompile("(?ms)^```toml\n(.*?)^```$")

// TestTheDocumentedClient signs somebody in through the block of docs/clients.md.
func TestTheDocumentedClient(t *testing.T) {
	text, err := os.ReadFile("../docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(tomlBlock.FindSubmatch(text)[1]), "[[global.oidc_client]]")
	if !ok {
		t.Fatalf("the first block is no client:\n%s", block)
	}
	path := filepath.Join(t.TempDir(), "wiki_secret")
	if err := os.WriteFile(path, []byte(wikiSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e := withClients(t, "[[global.oidc_client]]"+strings.Replace(block, "/etc/keymaker/wiki_secret", path, 1))
	t.Run("B-46: the documented site signs people in and reads who they are", func(t *testing.T) {
		e := e.For(t)
		r := e.NewRequest("wiki", "openid profile email")
		r.Redirect = "https://wiki.example.com/oidc/callback"
		r.Values.Set("redirect_uri", r.Redirect)
		a := exchangeAs(e, grant{r, e.NewBrowser().Approve(r, "alice").Get("code")}, wikiSecret)
		harness.ExpectJSON(t, a, http.StatusOK)
		info := e.As(a.Text("access_token"), http.MethodGet, userinfoPath, "")
		harness.ExpectJSON(t, info, http.StatusOK)
		if info.Text("sub") != "@alice:example.org" || !slices.Contains(strings.Fields(a.Text("scope")), "email") {
			t.Errorf("userinfo is %s, the scope %q", info.Body, a.Text("scope"))
		}
	})
}
