package handlers_test

import (
	"bytes"
	"image/jpeg"
	"net/http"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

func TestPictureClaimOfUserinfo(t *testing.T) {
	e := harness.Start(t)
	id, _ := e.Register(harness.WebClient)
	matrix := e.LogIn("alice", "CLAIM")
	tokens := e.LogInWith(e.NewRequest(id, "openid profile"), "alice")
	claim := func(e *harness.Env) string {
		return e.As(tokens.Access, http.MethodGet, userinfoPath, "").Text("picture")
	}
	t.Run("F-24 F-25: who has no picture has no claim", func(t *testing.T) {
		if claims := e.For(t).As(tokens.Access, http.MethodGet, userinfoPath, "").JSON(); len(claims) == 0 || claims["picture"] != nil {
			t.Errorf("the claims are %v", claims)
		}
	})
	path, uri := uploaded(e, matrix.Access, samplePNG(16, 8))
	harness.ExpectJSON(t, setAvatar(e, matrix.Access, uri), http.StatusOK)
	mediaID := strings.TrimPrefix(path, "example.org/")
	url := claim(e)
	t.Run("F-24 F-25: the profile scope gives an address that anybody can open who was told", func(t *testing.T) {
		e := e.For(t)
		at, ours := strings.CutPrefix(url, e.Issuer+"/_tuwunel/oidc/picture/")
		if !ours || len(at) < 40 || strings.Contains(url, "alice") || strings.Contains(url, mediaID) {
			t.Fatalf("the claim is %q", url)
		}
		a := e.Get(url)
		if m, err := jpeg.Decode(bytes.NewReader(a.Body)); err != nil || m.Bounds().Dx() != 16 {
			t.Errorf("status %d: %v", a.Status, err)
		}
		for name, want := range map[string]string{"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "cross-origin",
			"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, max-age=3600", "Content-Disposition": "inline"} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
	t.Run("F-25: without the profile scope nobody is told", func(t *testing.T) {
		e := e.For(t)
		other := e.LogInWith(e.NewRequest(id, "openid email"), "alice")
		if claims := e.As(other.Access, http.MethodGet, userinfoPath, "").JSON(); claims["picture"] != nil {
			t.Errorf("the claims are %v", claims)
		}
	})
	for _, id := range []string{mediaID, "nothing", "", "a%00", "%ff", "..%2f..%2fetc%2fpasswd", strings.Repeat("x", 5000)} {
		t.Run("L-03: there is nothing at another address: "+id[:min(len(id), 8)], func(t *testing.T) {
			if a := e.For(t).Get("/_tuwunel/oidc/picture/" + id); a.Status != http.StatusNotFound || strings.HasPrefix(a.Header.Get("Content-Type"), "image/") {
				t.Errorf("status %d, %s", a.Status, a.Header.Get("Content-Type"))
			}
		})
	}
	t.Run("L-03: nor by another method", func(t *testing.T) {
		if a := e.For(t).Do(http.MethodPost, url, nil, ""); a.Status != http.StatusMethodNotAllowed {
			t.Errorf("status %d", a.Status)
		}
	})
	t.Run("F-25: another picture has another address, and the one of before is gone", func(t *testing.T) {
		e := e.For(t)
		_, uri := uploaded(e, matrix.Access, samplePNG(8, 8))
		harness.ExpectJSON(t, setAvatar(e, matrix.Access, uri), http.StatusOK)
		if now := claim(e); now == url || now == "" || e.Get(url).Status != http.StatusNotFound || e.Get(now).Status != http.StatusOK {
			t.Errorf("it was %q and is %q", url, now)
		}
		url = claim(e)
	})
	t.Run("F-25: a picture that is removed, or whose user has left, is gone", func(t *testing.T) {
		e := e.For(t)
		admin(e, "user", "deactivate", "alice", "--yes")
		if a := e.Get(url); a.Status != http.StatusNotFound {
			t.Errorf("of who has left: status %d", a.Status)
		}
		admin(e, "user", "reactivate", "alice")
		again := e.LogIn("alice", "AGAIN")
		if a := e.Get(url); a.Status != http.StatusOK {
			t.Errorf("of who is back: status %d", a.Status)
		}
		harness.ExpectJSON(t, setAvatar(e, again.Access, ""), http.StatusOK)
		if a := e.Get(url); a.Status != http.StatusNotFound {
			t.Errorf("that is removed: status %d", a.Status)
		}
	})
}
