package handlers_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
	"keymaker/internal/picture"
)

const (
	uploadPath    = "/_matrix/media/v3/upload"
	downloadPath  = "/_matrix/client/v1/media/download/"
	thumbnailPath = "/_matrix/client/v1/media/thumbnail/"
	aliceAvatar   = profilePath + "/@alice:example.org/avatar_url"
)

// samplePNG is a picture of these sides, in which nothing shows through.
func samplePNG(w, h int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = 255
		if i%4 < 2 {
			m.Pix[i] = uint8(i / 4)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// clearPNG is a picture that all shows through, of one pixel.
func clearPNG() []byte {
	m := image.NewNRGBA(image.Rect(0, 0, 1, 1))
	m.Set(0, 0, color.Transparent)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// hugePNG is a small file that says it has a thousand million pixels.
func hugePNG() []byte {
	ihdr := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), 32768), 32768)
	ihdr = append(ihdr, 8, 6, 0, 0, 0)
	b := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), 13)
	return binary.BigEndian.AppendUint32(append(b, ihdr...), crc32.ChecksumIEEE(ihdr))
}

// uploaded sends a file, as a client does, and returns where it is: behind
// downloadPath, and as an mxc URI.
func uploaded(e *harness.Env, token string, file []byte) (path, uri string) {
	e.T.Helper()
	a := e.As(token, http.MethodPost, uploadPath, string(file))
	harness.ExpectJSON(e.T, a, http.StatusOK)
	uri = a.Text("content_uri")
	path, ours := strings.CutPrefix(uri, "mxc://")
	if !ours || !strings.HasPrefix(path, "example.org/") {
		e.T.Fatalf("the upload is at %q", uri)
	}
	return path, uri
}

func setAvatar(e *harness.Env, token, uri string) harness.Answer {
	e.T.Helper()
	return e.As(token, http.MethodPut, aliceAvatar, fmt.Sprintf(`{"avatar_url":%q}`, uri))
}

// avatarOf is what everybody sees as alice's picture.
func avatarOf(e *harness.Env) string {
	e.T.Helper()
	return e.Get(aliceAvatar).Text("avatar_url")
}

func TestPictureOfAClient(t *testing.T) {
	e := harness.Start(t)
	alice, bob := e.LogIn("alice", "PICTURES"), e.LogIn("bob", "BOBS")
	for _, path := range []string{"/_matrix/client/v1/media/config", "/_matrix/media/v3/config"} {
		t.Run("the size of an upload is known from "+path, func(t *testing.T) {
			if a := e.For(t).As(alice.Access, http.MethodGet, path, ""); a.JSON()["m.upload.size"] != float64(picture.MaxFile) {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
	t.Run("H-12: a client uploads a picture and makes it the user's, and everybody sees it", func(t *testing.T) {
		e := e.For(t)
		path, uri := uploaded(e, alice.Access, samplePNG(800, 400))
		if got := avatarOf(e); got != "" {
			t.Fatalf("it is the user's at once: %q", got)
		}
		harness.ExpectJSON(t, setAvatar(e, alice.Access, uri), http.StatusOK)
		if profile := e.Get(profilePath + "/@alice:example.org").JSON(); profile["avatar_url"] != uri || profile["displayname"] != "Alice Liddell" {
			t.Errorf("the profile is %v", profile)
		}
		a := e.As(bob.Access, http.MethodGet, downloadPath+path, "")
		m, err := jpeg.Decode(bytes.NewReader(a.Body))
		if err != nil || m.Bounds().Dx() != 640 || m.Bounds().Dy() != 320 || a.Header.Get("Content-Type") != "image/jpeg" {
			t.Errorf("status %d, %s: %v", a.Status, a.Header.Get("Content-Type"), err)
		}
	})
	t.Run("H-12: another picture takes its place, and the one of before is gone", func(t *testing.T) {
		e := e.For(t)
		before := avatarOf(e)
		path, uri := uploaded(e, alice.Access, clearPNG())
		harness.ExpectJSON(t, setAvatar(e, alice.Access, uri), http.StatusOK)
		harness.ExpectJSON(t, setAvatar(e, alice.Access, uri), http.StatusOK)
		if a := e.As(bob.Access, http.MethodGet, downloadPath+path, ""); a.Status != http.StatusOK || a.Header.Get("Content-Type") != "image/png" {
			t.Errorf("status %d, type %s", a.Status, a.Header.Get("Content-Type"))
		}
		gone := downloadPath + strings.TrimPrefix(before, "mxc://")
		harness.ExpectMatrixError(t, e.As(alice.Access, http.MethodGet, gone, ""), http.StatusNotFound, "M_NOT_FOUND")
		harness.ExpectMatrixError(t, setAvatar(e, alice.Access, before), http.StatusBadRequest, "M_INVALID_PARAM")
		if got := avatarOf(e); got != uri {
			t.Errorf("the picture is %q, want %q", got, uri)
		}
	})
	for _, body := range []string{`{"avatar_url":""}`, `{"avatar_url":null}`, `{}`} {
		t.Run("H-12: "+body+" removes the picture", func(t *testing.T) {
			e := e.For(t)
			path, uri := uploaded(e, alice.Access, samplePNG(4, 4))
			harness.ExpectJSON(t, setAvatar(e, alice.Access, uri), http.StatusOK)
			harness.ExpectJSON(t, e.As(alice.Access, http.MethodPut, aliceAvatar, body), http.StatusOK)
			a := e.As(alice.Access, http.MethodGet, downloadPath+path, "")
			if got := avatarOf(e); got != "" || a.Status != http.StatusNotFound {
				t.Errorf("the picture is %q, and %d", got, a.Status)
			}
		})
	}
	t.Run("a picture of who has left is shown to nobody", func(t *testing.T) {
		e := e.For(t)
		path, uri := uploaded(e, alice.Access, samplePNG(4, 4))
		harness.ExpectJSON(t, setAvatar(e, alice.Access, uri), http.StatusOK)
		admin(e, "user", "deactivate", "alice", "--yes")
		harness.ExpectMatrixError(t, e.As(bob.Access, http.MethodGet, downloadPath+path, ""), http.StatusNotFound, "M_NOT_FOUND")
		if got := avatarOf(e); got != "" {
			t.Errorf("the picture is %q", got)
		}
	})
}

func TestUploadRefuses(t *testing.T) {
	e := harness.Start(t)
	alice := e.LogIn("alice", "UPLOADS")
	whole := string(samplePNG(4, 4))
	tests := []struct {
		name, path, body string
		status           int
		code             string
	}{
		{"nothing", uploadPath, "", http.StatusForbidden, "M_FORBIDDEN"},
		{"HTML", uploadPath, "<!DOCTYPE html><script>alert(1)</script>", http.StatusForbidden, "M_FORBIDDEN"},
		{"an SVG", uploadPath, `<svg xmlns="http://www.w3.org/2000/svg"/>`, http.StatusForbidden, "M_FORBIDDEN"},
		{"half a picture", uploadPath, whole[:len(whole)/2], http.StatusForbidden, "M_FORBIDDEN"},
		{"a picture that would fill the memory", uploadPath, string(hugePNG()), http.StatusRequestEntityTooLarge, "M_TOO_LARGE"},
		{"one byte too many", uploadPath, whole + strings.Repeat("x", picture.MaxFile-len(whole)+1), http.StatusRequestEntityTooLarge, "M_TOO_LARGE"},
		{"a much too large file", uploadPath, strings.Repeat("x", 2*picture.MaxFile), http.StatusRequestEntityTooLarge, "M_TOO_LARGE"},
		{"a name that is too long", uploadPath + "?filename=" + strings.Repeat("x", 256), whole, http.StatusBadRequest, "M_INVALID_PARAM"},
		{"two names", uploadPath + "?filename=a&filename=b", whole, http.StatusBadRequest, "M_INVALID_PARAM"},
		{"a name with a NUL", uploadPath + "?filename=a%00", whole, http.StatusBadRequest, "M_INVALID_PARAM"},
		{"a name that is no UTF-8", uploadPath + "?filename=%ff", whole, http.StatusBadRequest, "M_INVALID_PARAM"},
	}
	for _, tt := range tests {
		t.Run("L-03: "+tt.name, func(t *testing.T) {
			harness.ExpectMatrixError(t, e.For(t).As(alice.Access, http.MethodPost, tt.path, tt.body), tt.status, tt.code)
		})
	}
	t.Run("what a client calls the type is not believed", func(t *testing.T) {
		e := e.For(t)
		a := e.Do(http.MethodPost, uploadPath, map[string]string{"Authorization": "Bearer " + alice.Access, "Content-Type": "text/html"}, whole)
		harness.ExpectJSON(t, a, http.StatusOK)
		path := downloadPath + strings.TrimPrefix(a.Text("content_uri"), "mxc://")
		if got := e.As(alice.Access, http.MethodGet, path, "").Header.Get("Content-Type"); got != "image/jpeg" {
			t.Errorf("the type is %q", got)
		}
	})
	t.Run("what stands behind a picture is not kept", func(t *testing.T) {
		e := e.For(t)
		path, _ := uploaded(e, alice.Access, append(clearPNG(), "<script>alert(1)</script>"...))
		if a := e.As(alice.Access, http.MethodGet, downloadPath+path, ""); a.Status != http.StatusOK || bytes.Contains(a.Body, []byte("script")) {
			t.Errorf("status %d: %q", a.Status, a.Body)
		}
	})
	t.Run("a user has few pictures that are not used", func(t *testing.T) {
		e := e.For(t)
		first, _ := uploaded(e, alice.Access, clearPNG())
		for range 4 {
			e.Clock.Advance(1000000)
			uploaded(e, alice.Access, clearPNG())
		}
		harness.ExpectMatrixError(t, e.As(alice.Access, http.MethodGet, downloadPath+first, ""), http.StatusNotFound, "M_NOT_FOUND")
	})
	t.Run("K-04: a suspended user uploads nothing", func(t *testing.T) {
		e := e.For(t)
		admin(e, "user", "suspend", "alice")
		harness.ExpectMatrixError(t, e.As(alice.Access, http.MethodPost, uploadPath, whole), http.StatusForbidden, "M_USER_SUSPENDED")
		admin(e, "user", "unsuspend", "alice")
	})
}

func TestAPictureIsItsUsers(t *testing.T) {
	e := harness.Start(t)
	alice, bob := e.LogIn("alice", "MINE"), e.LogIn("bob", "HIS")
	_, uri := uploaded(e, alice.Access, samplePNG(4, 4))
	harness.ExpectJSON(t, setAvatar(e, alice.Access, uri), http.StatusOK)
	_, bobs := uploaded(e, bob.Access, samplePNG(4, 4))
	for _, tt := range []struct{ name, token, body, code string }{
		{"by another user", bob.Access, fmt.Sprintf(`{"avatar_url":%q}`, bobs), "M_FORBIDDEN"},
		{"by another user, who would remove it", bob.Access, `{"avatar_url":""}`, "M_FORBIDDEN"},
		{"with what another user has uploaded", alice.Access, fmt.Sprintf(`{"avatar_url":%q}`, bobs), "M_INVALID_PARAM"},
		{"with a picture of another server", alice.Access, `{"avatar_url":"mxc://example.com/x"}`, "M_INVALID_PARAM"},
		{"with a web address", alice.Access, `{"avatar_url":"https://evil.net/x.png"}`, "M_INVALID_PARAM"},
		{"with a script", alice.Access, `{"avatar_url":"javascript:alert(1)"}`, "M_INVALID_PARAM"},
		{"with a path", alice.Access, `{"avatar_url":"mxc://example.org/../x"}`, "M_INVALID_PARAM"},
		{"with a NUL", alice.Access, `{"avatar_url":"mxc://example.org/a\u0000"}`, "M_INVALID_PARAM"},
		{"with a number", alice.Access, `{"avatar_url":1}`, "M_BAD_JSON"},
		{"with no JSON", alice.Access, `x`, "M_NOT_JSON"},
		{"without a token", "", `{"avatar_url":""}`, "M_MISSING_TOKEN"},
	} {
		t.Run("H-12 L-03: it is not changed "+tt.name, func(t *testing.T) {
			e := e.For(t)
			header := map[string]string{}
			if tt.token != "" {
				header["Authorization"] = "Bearer " + tt.token
			}
			a := e.Do(http.MethodPut, aliceAvatar, header, tt.body)
			if a.Text("errcode") != tt.code || avatarOf(e) != uri {
				t.Errorf("status %d: %s; the picture is %q", a.Status, a.Body, avatarOf(e))
			}
		})
	}
	t.Run("H-12: nor by another of the user's pictures that is not used any more", func(t *testing.T) {
		e := e.For(t)
		execute(e, "DELETE FROM pictures WHERE localpart = 'bob'")
		harness.ExpectMatrixError(t, setAvatar(e, alice.Access, bobs), http.StatusBadRequest, "M_INVALID_PARAM")
	})
}

func TestMediaHeaders(t *testing.T) {
	e := harness.Start(t)
	alice := e.LogIn("alice", "HEADERS")
	a := e.As(alice.Access, http.MethodPost, uploadPath+"?filename="+url.QueryEscape("Alice \"1\".png"), string(samplePNG(64, 64)))
	path := strings.TrimPrefix(a.Text("content_uri"), "mxc://")
	tests := []struct{ name, path, disposition string }{
		{"a download has the name of the upload", downloadPath + path, `inline; filename="Alice \"1\".png"`},
		{"or the one that is asked for", downloadPath + path + "/me.jpg", `inline; filename=me.jpg`},
		{"which may be in any script", downloadPath + path + "/" + url.PathEscape("我\r\nX: y"), `inline; filename*=utf-8''%E6%88%91%0D%0AX%3A%20y`},
		{"a thumbnail has a name of its own", thumbnailPath + path + "?width=32&height=32", `inline; filename=thumbnail.jpg`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := e.For(t).As(alice.Access, http.MethodGet, tt.path, "")
			if got.Status != http.StatusOK || got.Header.Get("Content-Disposition") != tt.disposition || got.Header.Get("X") != "" {
				t.Errorf("status %d, Content-Disposition %q", got.Status, got.Header.Get("Content-Disposition"))
			}
			for name, want := range map[string]string{"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "cross-origin",
				"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, max-age=86400, immutable", "Access-Control-Allow-Origin": "*",
				"Content-Length": fmt.Sprint(len(got.Body))} {
				if got.Header.Get(name) != want {
					t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
				}
			}
		})
	}
}

func TestMediaRefuses(t *testing.T) {
	e := harness.Start(t)
	alice := e.LogIn("alice", "REFUSED")
	path, _ := uploaded(e, alice.Access, samplePNG(64, 64))
	id := strings.TrimPrefix(path, "example.org/")
	sized := thumbnailPath + path + "?width=32&height=32"
	tests := []struct {
		name, path string
		status     int
		code       string
	}{
		{"an id that does not exist", downloadPath + "example.org/nothing", 404, "M_NOT_FOUND"},
		{"the beginning of an id", downloadPath + "example.org/" + id[:len(id)-1], 404, "M_NOT_FOUND"},
		{"an id with a NUL", downloadPath + "example.org/a%00", 400, "M_INVALID_PARAM"},
		{"an id that is no UTF-8", downloadPath + "example.org/%ff", 400, "M_INVALID_PARAM"},
		{"a path in an id", downloadPath + "example.org/..%2f..%2fetc%2fpasswd", 404, "M_NOT_FOUND"},
		{"what another server has", downloadPath + "example.com/" + id, 404, "M_NOT_FOUND"},
		{"what a server in a private network has", downloadPath + "127.0.0.1:80/" + id, 404, "M_NOT_FOUND"},
		{"a name with a NUL", downloadPath + path + "/a%00", 400, "M_INVALID_PARAM"},
		{"a thumbnail without a width", thumbnailPath + path + "?height=32", 400, "M_MISSING_PARAM"},
		{"a thumbnail without a height", thumbnailPath + path + "?width=32", 400, "M_MISSING_PARAM"},
		{"a width of nothing", thumbnailPath + path + "?width=0&height=32", 400, "M_INVALID_PARAM"},
		{"a width below nothing", thumbnailPath + path + "?width=-1&height=32", 400, "M_INVALID_PARAM"},
		{"a width that is no number", thumbnailPath + path + "?width=x&height=32", 400, "M_INVALID_PARAM"},
		{"half a pixel", thumbnailPath + path + "?width=32&height=0.5", 400, "M_INVALID_PARAM"},
		{"a height beyond all numbers", thumbnailPath + path + "?width=32&height=99999999999999999999", 400, "M_INVALID_PARAM"},
		{"two widths", sized + "&width=64", 400, "M_INVALID_PARAM"},
		{"another method", sized + "&method=stretch", 400, "M_INVALID_PARAM"},
		{"a query that cannot be read", sized + "&x=%zz", 400, "M_INVALID_PARAM"},
		{"the endpoint without a token, which is frozen", "/_matrix/media/v3/download/" + path, 404, "M_NOT_FOUND"},
		{"the one with a name", "/_matrix/media/r0/download/" + path + "/x.png", 404, "M_NOT_FOUND"},
		{"the one for thumbnails", "/_matrix/media/v3/thumbnail/" + path + "?width=32&height=32", 404, "M_NOT_FOUND"},
	}
	for _, tt := range tests {
		t.Run("L-03: "+tt.name, func(t *testing.T) {
			harness.ExpectMatrixError(t, e.For(t).As(alice.Access, http.MethodGet, tt.path, ""), tt.status, tt.code)
		})
	}
	for _, path := range []string{downloadPath + path, sized, "/_matrix/client/v1/media/config"} {
		t.Run("K-01: nobody sees a picture without a token", func(t *testing.T) {
			e := e.For(t)
			harness.ExpectMatrixError(t, e.Get(path), http.StatusUnauthorized, "M_MISSING_TOKEN")
			harness.ExpectMatrixError(t, e.As("unknown", http.MethodGet, path, ""), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		})
	}
	t.Run("a thumbnail has the size that is asked for, or its own", func(t *testing.T) {
		e := e.For(t)
		for query, want := range map[string]int{"width=32&height=32": 32, "width=32&height=16&method=scale": 32, "width=16&height=16&method=crop&animated=true": 16, "width=2000000000&height=1000": 64} {
			a := e.As(alice.Access, http.MethodGet, thumbnailPath+path+"?"+query, "")
			if m, err := jpeg.Decode(bytes.NewReader(a.Body)); err != nil || m.Bounds().Dx() != want {
				t.Errorf("%s: status %d, %v", query, a.Status, err)
			}
		}
	})
}

func TestUploadsAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		alice, bob := e.LogIn("alice", "ATONCE"), e.LogIn("bob", "ATONCE")
		answers := make(chan harness.Answer, 12)
		for i := range cap(answers) {
			go func() {
				token := alice.Access
				if i%4 == 0 {
					token = bob.Access
				}
				a, err := e.Try(http.MethodPost, uploadPath, map[string]string{"Authorization": "Bearer " + token}, string(samplePNG(300, 300)))
				if err != nil {
					t.Error(err)
				}
				answers <- a
			}()
		}
		stored := 0
		for range cap(answers) {
			switch a := <-answers; a.Status {
			case http.StatusOK:
				stored++
			case http.StatusTooManyRequests:
				harness.ExpectMatrixError(t, a, http.StatusTooManyRequests, "M_LIMIT_EXCEEDED")
			default:
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		}
		if stored < 2 {
			t.Errorf("%d uploads were stored", stored)
		}
		_, uri := uploaded(e, alice.Access, samplePNG(4, 4))
		harness.ExpectJSON(t, setAvatar(e, alice.Access, uri), http.StatusOK)
	})
}
