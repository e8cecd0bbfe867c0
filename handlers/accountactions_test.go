package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

func TestAccountActions(t *testing.T) {
	e := harness.Start(t)
	e.LogIn("alice", "LINKED")
	b := atHome(e, "alice")
	tests := []struct {
		says  string
		names []string
	}{
		{sessionsSays, []string{"org.matrix.devices_list", "org.matrix.sessions_list", "sessions_list"}},
		{viewSays, []string{"org.matrix.device_view", "org.matrix.session_view", "session_view"}},
		{deleteSays, []string{"org.matrix.device_delete", "org.matrix.session_end", "session_end"}},
	}
	for _, tt := range tests {
		for _, name := range tt.names {
			t.Run("H-02: "+name+" opens its page", func(t *testing.T) {
				expectPage(t, b.For(t).Visit(accountPath+"?device_id=LINKED&action="+name), http.StatusOK, tt.says)
			})
			t.Run("H-05: "+name+" without device_id shows the list", func(t *testing.T) {
				expectPage(t, b.For(t).Visit(accountPath+"?action="+name), http.StatusOK, sessionsSays)
			})
			t.Run("H-03: "+name+" opens its page after the sign-in", func(t *testing.T) {
				b := e.For(t).NewBrowser()
				expectPage(t, b.SignIn(b.Visit(accountPath+"?device_id=LINKED&action="+name), "alice"), http.StatusOK, tt.says)
			})
		}
	}
	e.LogIn("bob", "BOBSDEVICE")
	for _, device := range []string{"GONE", "BOBSDEVICE", "%00", "..%2F", "%3Cscript%3E", strings.Repeat("A", 5000)} {
		t.Run("H-05 L-02: a device that is not the person's shows the list: "+device[:min(len(device), 12)], func(t *testing.T) {
			for _, link := range []string{viewLink, deleteLink} {
				p := b.For(t).Visit(link + device)
				if p.StatusCode != http.StatusNotFound && (p.StatusCode != http.StatusBadRequest || device != "%00") {
					t.Errorf("status %d:\n%s", p.StatusCode, p.Text())
				}
				if strings.Contains(p.HTML, "<script>") || strings.Contains(p.HTML, "BOBSDEVICE</bdi>") {
					t.Errorf("the page says too much:\n%s", p.HTML)
				}
			}
		})
	}
}

func TestAccountLoginHint(t *testing.T) {
	e := harness.Start(t)
	b := atHome(e, "alice")
	link := func(hint string) string {
		return sessionsLink + "&" + url.Values{"org.matrix.msc4198.login_hint": {hint}}.Encode()
	}
	t.Run("C-52 H-11: a link for somebody else offers to switch, and to stay", func(t *testing.T) {
		b := b.For(t)
		p := b.Visit(link("mxid:@bob:example.org"))
		expectPage(t, p, http.StatusOK, "This link is meant for @bob:example.org, but you are signed in as @alice:example.org.")
		expectPage(t, b.Follow(p, 1), http.StatusOK, "You are not signed in with any app.")
		other := e.For(t).NewBrowser()
		p = other.SignIn(other.Visit(link("mxid:@bob:example.org")), "alice")
		expectPage(t, other.SignIn(other.Follow(p, 0), "bob"), http.StatusOK, "Signed in as @bob:example.org")
	})
	for _, hint := range []string{"mxid:@alice:example.org", "mxid:@bob:elsewhere.org", "mxid:<script>", "", "@:"} {
		t.Run("H-11: a link that is for nobody else just opens: "+hint, func(t *testing.T) {
			expectPage(t, b.For(t).Visit(link(hint)), http.StatusOK, "Where you are signed in")
		})
	}
	t.Run("H-11: whoever is signed out signs in as usual", func(t *testing.T) {
		b := e.For(t).NewBrowser()
		expectPage(t, b.SignIn(b.Visit(link("mxid:@bob:example.org")), "bob"), http.StatusOK, "Signed in as @bob:example.org")
	})
}
