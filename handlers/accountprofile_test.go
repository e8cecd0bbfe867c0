package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
)

const profileLink = accountPath + "?action=org.matrix.profile"

// nameOf is a user's display name, as everybody sees it.
func nameOf(e *harness.Env, user string) string {
	e.T.Helper()
	return e.Get(profilePath + "/@" + user + ":example.org/displayname").Text("displayname")
}

func TestAccountProfile(t *testing.T) {
	e := harness.Start(t)
	tokens := e.LogIn("alice", "PROFILE")
	b := atHome(e, "alice")
	rename := func(b *harness.Browser, name string) harness.Page {
		action, values := b.FieldsFor(b.Visit(profileLink), "profile")
		values.Set("name", name)
		values.Set("decision", "approve")
		return b.Post(b.Visit(profileLink), action, values)
	}
	for _, name := range []string{"org.matrix.profile", "profile"} {
		t.Run("H-02: "+name+" shows the name and the address that the provider gave", func(t *testing.T) {
			p := b.For(t).Visit(accountPath + "?action=" + name)
			expectPage(t, p, http.StatusOK, "Your profile")
			if p.Input("name") != "Alice Liddell" || !strings.Contains(p.Text(), "alice@") {
				t.Errorf("the name is %q:\n%s", p.Input("name"), p.Text())
			}
		})
	}
	names := []struct{ name, given, kept string }{
		{"another name", "Alice in W.", "Alice in W."},
		{"markup", "<script>alert(1)</script>", "<script>alert(1)</script>"},
		{"what turns the text around it", "A\u202elice\u2066", "Alice"},
		{"several lines", " Alice \r\n Liddell ", "Alice Liddell"},
		{"one that is too long", strings.Repeat("ä", 300), strings.Repeat("ä", 256)},
		{"none", "", ""},
	}
	for _, tt := range names {
		t.Run("H-12: a person changes the display name to "+tt.name+", and everybody sees it", func(t *testing.T) {
			e, b := e.For(t), b.For(t)
			p := rename(b, tt.given)
			expectPage(t, p, http.StatusOK, "Your profile")
			if p.Input("name") != tt.kept || strings.Contains(p.HTML, "<script>alert") || nameOf(e, "alice") != tt.kept {
				t.Errorf("the page has %q and the profile %q, want %q", p.Input("name"), nameOf(e, "alice"), tt.kept)
			}
		})
	}
	put := func(e *harness.Env, user, body string) harness.Answer {
		return e.As(tokens.Access, http.MethodPut, profilePath+"/"+user+"/displayname", body)
	}
	t.Run("H-12: a client changes the same name", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectJSON(t, put(e, "@alice:example.org", `{"displayname":"From a client"}`), http.StatusOK)
		if p := b.For(t).Visit(profileLink); p.Input("name") != "From a client" || nameOf(e, "alice") != "From a client" {
			t.Errorf("the page has %q and the profile %q", p.Input("name"), nameOf(e, "alice"))
		}
		harness.ExpectJSON(t, put(e, "@alice:example.org", `{"displayname":null}`), http.StatusOK)
		if nameOf(e, "alice") != "" {
			t.Errorf("the profile has %q", nameOf(e, "alice"))
		}
	})
	for _, tt := range []struct {
		name, user, body string
		status           int
		code             string
	}{
		{"somebody else's", "@bob:example.org", `{"displayname":"x"}`, 403, "M_FORBIDDEN"},
		{"one that is too long", "@alice:example.org", `{"displayname":"` + strings.Repeat("x", 257) + `"}`, 400, "M_INVALID_PARAM"},
		{"one with a NUL", "@alice:example.org", `{"displayname":"a\u0000"}`, 400, "M_INVALID_PARAM"},
		{"no text", "@alice:example.org", `{"displayname":1}`, 400, "M_BAD_JSON"},
		{"no JSON", "@alice:example.org", `x`, 400, "M_NOT_JSON"},
	} {
		t.Run("H-12 L-03: a client does not set "+tt.name, func(t *testing.T) {
			harness.ExpectMatrixError(t, put(e.For(t), tt.user, tt.body), tt.status, tt.code)
		})
	}
	t.Run("F-25: userinfo says when it changed", func(t *testing.T) {
		e := e.For(t)
		id, _ := e.Register(harness.WebClient)
		tokens := e.LogInWith(e.NewRequest(id, "openid profile"), "alice")
		harness.ExpectJSON(t, put(e, "@alice:example.org", `{"displayname":"Later"}`), http.StatusOK)
		info := e.As(tokens.Access, http.MethodGet, userinfoPath, "").JSON()
		if info["name"] != "Later" || info["updated_at"] != float64(e.Clock.Now().Unix()) {
			t.Errorf("userinfo is %v", info)
		}
	})
}

func TestManagedProfile(t *testing.T) {
	name := "Alice of the provider"
	e := harness.Start(t, func(o *harness.Options) {
		o.Provider = "name = \"The <demo> one\"\nmanaged_claims = [\"name\", \"email\", \"picture\"]"
		o.IDP = func(p *demoidptest.Options) {
			for i := range p.Users {
				if p.Users[i].Username == "alice" {
					p.Users[i].Name = name
				}
			}
		}
	})
	tokens := e.LogIn("alice", "MANAGED")
	b := atHome(e, "alice")
	t.Run("H-12: what the provider manages is shown, and not changed here", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		p := b.Visit(profileLink)
		expectPage(t, p, http.StatusOK, "Your name comes from The <demo> one.")
		if p.Has("form") {
			t.Error("there is a form")
		}
		a := e.As(tokens.Access, http.MethodPut, profilePath+"/@alice:example.org/displayname", `{"displayname":"x"}`)
		harness.ExpectMatrixError(t, a, http.StatusForbidden, "M_FORBIDDEN")
		capabilities, _ := e.As(tokens.Access, http.MethodGet, capabilitiesPath, "").JSON()["capabilities"].(map[string]any)
		if fmt.Sprint(capabilities["m.set_displayname"], capabilities["m.set_avatar_url"]) != "map[enabled:false] map[enabled:false]" {
			t.Errorf("capabilities are %v", capabilities)
		}
	})
	t.Run("H-12: it is taken again at each sign-in", func(t *testing.T) {
		e := e.For(t)
		execute(e, "UPDATE users SET display_name = 'Old', email = 'old@example.org' WHERE localpart = 'alice'")
		expectPage(t, atHome(e, "alice").Visit(profileLink), http.StatusOK, name)
		if got := nameOf(e, "alice"); got != name {
			t.Errorf("the display name is %q", got)
		}
	})
}

func TestAccountActivity(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Provider = "name = \"The <demo> one\"" })
	tokens := e.LogIn("alice", "ACTIVE")
	e.LogIn("bob", "BOBSDEVICE")
	b := atHome(e, "alice")
	link := accountPath + "?action=activity"
	t.Run("H-02: it tells in words what happened to the account, and to nobody else's", func(t *testing.T) {
		p := b.For(t).Visit(link)
		for _, says := range []string{"Your account was made", "An account of an identity provider was linked", "The <demo> one", "An app was given access",
			"Signed in", "by you · My App · My App"} {
			expectPage(t, p, http.StatusOK, says)
		}
		if strings.Contains(p.HTML, "BOBSDEVICE") {
			t.Errorf("the page says too much:\n%s", p.Text())
		}
	})
	t.Run("H-06: a sign-in that was not the person's is ended from there", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		to := linkTo(b.Visit(link), "This was not me")
		if to == "" {
			t.Fatal("there is no way to end it")
		}
		p := b.Visit(to)
		expectPage(t, p, http.StatusOK, deleteSays)
		b.Decide(p, "approve")
		expectDead(t, e, tokens.Access)
		p = b.Visit(link)
		expectPage(t, p, http.StatusOK, "You ended it on your account page.")
		if linkTo(p, "This was not me") != "" {
			t.Error("it can be ended again")
		}
	})
	t.Run("H-02: however much happened, a page is small", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		for i := range 60 {
			execute(e, "INSERT INTO audit_events (id, at, action, localpart, actor, reason) VALUES (?, ?, 'user_locked', 'alice', 'admin', '')",
				fmt.Sprintf("event%02d", i), e.Clock.Now().UnixMilli()+int64(i))
		}
		p, pages := b.Visit(link), 1
		for next := linkTo(p, "Older"); next != ""; next = linkTo(p, "Older") {
			expectPage(t, p, http.StatusOK, "Your account was locked")
			p, pages = b.Visit(next), pages+1
			if len(p.HTML) > 20_000 {
				t.Errorf("a page has %d bytes", len(p.HTML))
			}
		}
		expectPage(t, p, http.StatusOK, "Your account was made")
		if pages != 3 {
			t.Errorf("there are %d pages", pages)
		}
		for _, number := range []string{"-1", "x", "99999999999999999999", "39"} {
			if p := b.Visit(link + "&" + url.Values{"page": {number}}.Encode()); p.StatusCode != http.StatusOK {
				t.Errorf("page %s: status %d", number, p.StatusCode)
			}
		}
	})
}
