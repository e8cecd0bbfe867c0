package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

// An administrator may wish to keep no pictures.
func TestNoPictures(t *testing.T) {
	c := newCDN(t)
	e := harness.Start(t, withPicture(c.URL+"/alice", ""), func(o *harness.Options) { o.Global = "profile_pictures = false" })
	tokens := e.LogIn("alice", "PHONE")
	b := atHome(e, "alice")
	execute(e, "UPDATE users SET avatar_url = 'mxc://example.org/before' WHERE localpart = 'alice'")
	execute(e, "INSERT INTO pictures (id, public_id, localpart, content_type, content, file_name, created_at, used_at) VALUES ('before', 'public', 'alice', 'image/png', 'x', '', 1, 1)")
	for _, tt := range []struct{ method, path string }{
		{http.MethodPost, uploadPath}, {http.MethodGet, "/_matrix/media/v3/config"}, {http.MethodGet, "/_matrix/client/v1/media/config"},
		{http.MethodGet, downloadPath + "example.org/before"}, {http.MethodGet, thumbnailPath + "example.org/before?width=1&height=1"},
	} {
		t.Run("K-13: there is no "+tt.method+" "+tt.path, func(t *testing.T) {
			harness.ExpectMatrixError(t, e.For(t).As(tokens.Access, tt.method, tt.path, "{}"), http.StatusNotFound, "M_UNRECOGNIZED")
		})
	}
	t.Run("K-11: clients are told that nobody changes a picture, and cannot", func(t *testing.T) {
		e := e.For(t)
		capabilities, _ := e.As(tokens.Access, http.MethodGet, capabilitiesPath, "").JSON()["capabilities"].(map[string]any)
		if fmt.Sprint(capabilities["m.set_displayname"], capabilities["m.set_avatar_url"]) != "map[enabled:true] map[enabled:false]" {
			t.Errorf("capabilities are %v", capabilities)
		}
		for _, uri := range []string{"", "mxc://example.org/before"} {
			harness.ExpectMatrixError(t, setAvatar(e, tokens.Access, uri), http.StatusForbidden, "M_FORBIDDEN")
		}
	})
	t.Run("H-02: the profile page is of the name alone", func(t *testing.T) {
		b := b.For(t)
		p := b.Visit(profileLink)
		expectPage(t, p, http.StatusOK, "Display name")
		if !offers(p, "profile") || strings.Contains(p.HTML, `type="file"`) || offers(p, "take_picture") || offers(p, "remove_picture") || strings.Contains(p.HTML, "Your picture") {
			t.Errorf("there is a form:\n%s", p.HTML)
		}
		if got := b.Visit(ownPicturePath); got.StatusCode != http.StatusNotFound {
			t.Errorf("status %d", got.StatusCode)
		}
	})
	t.Run("H-12: none is taken from the provider, and none of before is shown", func(t *testing.T) {
		e := e.For(t)
		n := doJobs(e)
		if n != 0 || c.requests() != 0 || avatarOf(e) != "" || nameOf(e, "alice") != "Alice Liddell" {
			t.Errorf("%d jobs, the picture is %q, the name %q", n, avatarOf(e), nameOf(e, "alice"))
		}
	})
	t.Run("F-25: userinfo names none", func(t *testing.T) {
		e := e.For(t)
		id, _ := e.Register(harness.WebClient)
		profile := e.LogInWith(e.NewRequest(id, "openid profile"), "alice")
		a := e.As(profile.Access, http.MethodGet, userinfoPath, "")
		if harness.ExpectJSON(t, a, http.StatusOK); a.Text("preferred_username") != "alice" || a.JSON()["picture"] != nil {
			t.Errorf("the claims are %v", a.JSON())
		}
		if a := e.Get("/_tuwunel/oidc/picture/public"); a.Status != http.StatusNotFound {
			t.Errorf("status %d", a.Status)
		}
	})
}
