package upstream_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/config"
	"keymaker/internal/outbound"
	"keymaker/internal/picture"
	"keymaker/store"
	"keymaker/upstream"
)

// gallery is a server that has pictures, and counts who asks.
type gallery struct {
	*httptest.Server
	asked int
	last  http.Header
}

func newGallery(t *testing.T, other string) *gallery {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 8, 4))); err != nil {
		t.Fatal(err)
	}
	g := &gallery{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.asked, g.last = g.asked+1, r.Header
		switch name := strings.TrimPrefix(r.URL.Path, "/"); name {
		case "picture":
			_, _ = w.Write(file.Bytes())
		case "html":
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.WriteString(w, "<!DOCTYPE html><script>alert(1)</script>")
		case "large":
			_, _ = w.Write(append(bytes.Clone(file.Bytes()), make([]byte, picture.MaxFile)...))
		case "cut":
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(file.Bytes())
		case "missing":
			http.NotFound(w, r)
		case "broken":
			http.Error(w, "", http.StatusBadGateway)
		case "busy":
			http.Error(w, "", http.StatusTooManyRequests)
		case "hanging":
			<-r.Context().Done()
		case "nowhere":
			w.WriteHeader(http.StatusFound)
		case "round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "moved":
			http.Redirect(w, r, "/picture", http.StatusFound)
		case "other":
			http.Redirect(w, r, other, http.StatusFound)
		case "metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest/", http.StatusFound)
		case "file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}
	}))
	t.Cleanup(g.Close)
	return g
}

func TestFetchPicture(t *testing.T) {
	stranger := newGallery(t, "")
	own := newGallery(t, stranger.URL+"/picture")
	tests := []struct {
		name, address string
		reach         outbound.Reach
		issuer        string // "" = the gallery's own
		want          error
	}{
		{"a picture on the provider's own host", own.URL + "/picture", outbound.Public, "", nil},
		{"one that has moved there", own.URL + "/moved", outbound.Public, "", nil},
		{"one on another host, where that may be reached", stranger.URL + "/picture", outbound.PublicAndLoopback, "", nil},
		{"one on another host, in this network", stranger.URL + "/picture", outbound.Public, "", upstream.ErrPictureRefused},
		{"by a redirect into this network", own.URL + "/other", outbound.Public, "", upstream.ErrPictureRefused},
		{"by a redirect to where clouds keep credentials", own.URL + "/metadata", outbound.PublicAndLoopback, "", upstream.ErrPictureRefused},
		{"by a redirect to a file", own.URL + "/file", outbound.Public, "", upstream.ErrPictureRefused},
		{"by a redirect without end", own.URL + "/round", outbound.Public, "", upstream.ErrPictureRefused},
		{"by a redirect to nowhere", own.URL + "/nowhere", outbound.Public, "", upstream.ErrPictureRefused},
		{"a private address", "http://10.0.0.1:9/x", outbound.PublicAndLoopback, "", upstream.ErrPictureRefused},
		{"a private address by https", "https://192.168.1.1:9/x", outbound.PublicAndLoopback, "", upstream.ErrPictureRefused},
		{"another port of the provider's host", "http://127.0.0.1:9/picture", outbound.Public, "", upstream.ErrPictureRefused},
		{"a file", "file:///etc/passwd", outbound.Public, "", upstream.ErrPictureRefused},
		{"data", "data:image/png;base64,AA", outbound.Public, "", upstream.ErrPictureRefused},
		{"an address with a password", strings.Replace(own.URL, "://", "://user:password@", 1) + "/picture", outbound.Public, "", upstream.ErrPictureRefused},
		{"plain http, of a provider by https", own.URL + "/picture", outbound.PublicAndLoopback, "https://idp.example", upstream.ErrPictureRefused},
		{"HTML that is called a picture", own.URL + "/html", outbound.Public, "", picture.ErrNoPicture},
		{"a file that is too large", own.URL + "/large", outbound.Public, "", picture.ErrTooLarge},
		{"half a file", own.URL + "/cut", outbound.Public, "", upstream.ErrPictureAway},
		{"one that is missing", own.URL + "/missing", outbound.Public, "", upstream.ErrPictureRefused},
		{"a server that is broken", own.URL + "/broken", outbound.Public, "", upstream.ErrPictureAway},
		{"a server that is busy", own.URL + "/busy", outbound.Public, "", upstream.ErrPictureAway},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			issuer, before := tt.issuer, stranger.asked
			if issuer == "" {
				issuer = own.URL + "/realms/main"
			}
			p := upstream.New(config.IdentityProvider{ClientID: "idp", IssuerURL: issuer}, callbackURL, upstream.Options{Reach: tt.reach})
			got, err := p.FetchPicture(t.Context(), tt.address)
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if (err == nil) != (got.ContentType == picture.TypeJPEG) {
				t.Errorf("it is %q", got.ContentType)
			}
			if err != nil && stranger.asked != before {
				t.Error("the stranger was asked")
			}
			// Whoever reads the error learns nothing of where it is.
			if u, bad := url.Parse(tt.address); err != nil && bad == nil && u.Host != "" && strings.Contains(err.Error(), u.Hostname()) {
				t.Errorf("the error says where: %v", err)
			}
		})
	}
	if own.last.Get("Authorization") != "" || own.last.Get("Cookie") != "" || own.last.Get("Referer") != "" {
		t.Errorf("the request says too much: %v", own.last)
	}
	t.Run("a server that hangs is given up with the request", func(t *testing.T) {
		p := upstream.New(config.IdentityProvider{ClientID: "idp", IssuerURL: own.URL}, callbackURL, upstream.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := p.FetchPicture(ctx, own.URL+"/hanging")
			failed <- err
		}()
		cancel()
		if err := <-failed; !errors.Is(err, upstream.ErrPictureAway) {
			t.Errorf("error %v", err)
		}
	})
}

// noted is what Accounts would store.
type noted struct {
	upstream.Links
	linked store.NewLink
	seen   store.SeenLink
	known  bool
}

func (n *noted) LinkedUser(context.Context, string, string, string) (string, error) {
	if n.known {
		return "alice", nil
	}
	return "", store.ErrNotFound
}

func (*noted) User(context.Context, string) (store.User, error) {
	return store.User{}, store.ErrNotFound
}

func (*noted) AssociationsWith(context.Context, string, []string) ([]store.Association, error) {
	return nil, nil
}

func (n *noted) Link(_ context.Context, l store.NewLink) (string, error) {
	n.linked = l
	return l.Localpart, nil
}

func (n *noted) SeeLink(_ context.Context, l store.SeenLink) error {
	n.seen = l
	return nil
}

func (*noted) Available(context.Context, string) (bool, error) { return true, nil }

func TestPictureClaim(t *testing.T) {
	const good = "https://cdn.example/alice.png?size=256"
	for _, tt := range []struct {
		name string
		says any
		want string
	}{
		{"a web address", good, good},
		{"a plain one", "http://cdn.example/alice", "http://cdn.example/alice"},
		{"none", nil, ""},
		{"nothing", "", ""},
		{"a number", 1, ""},
		{"a list", []any{good}, ""},
		{"no address", "alice.png", ""},
		{"a path", "/alice.png", ""},
		{"no host", "https:///alice.png", ""},
		{"data", "data:image/png;base64,AA", ""},
		{"a script", "javascript:alert(1)", ""},
		{"a file", "file:///etc/passwd", ""},
		{"a password", "https://user:password@cdn.example/", ""},
		{"one that is too long", "https://cdn.example/" + strings.Repeat("x", 2048), ""},
		{"what is no address", "https://cdn.example/%zz", ""},
		{"a NUL", "https://cdn.example/\x00", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := &noted{}
			a := &upstream.Accounts{ServerName: "example.org", Links: n, Localparts: n}
			id := &upstream.Identity{ProviderID: "idp", Issuer: "https://idp.example", Subject: "1", Claims: upstream.Claims{"preferred_username": "alice", "picture": tt.says}}
			c := config.IdentityProvider{ClientID: "idp", Registration: true}
			if _, err := a.Resolve(t.Context(), c, id); err != nil || n.linked.PictureURL != tt.want || !n.linked.CreateUser {
				t.Errorf("at the first sign-in %+v, error %v", n.linked, err)
			}
			n.known = true
			for _, managed := range [][]string{nil, {config.ManagedName}, {config.ManagedPicture}} {
				c.ManagedClaims = managed
				if _, err := a.Resolve(t.Context(), c, id); err != nil || n.seen.PictureURL != tt.want || n.seen.TakePicture != (len(managed) == 1 && managed[0] == config.ManagedPicture) {
					t.Errorf("managed %v: %+v, error %v", managed, n.seen, err)
				}
			}
		})
	}
}

func TestNoPictureIsTakenWhereNoneAreKept(t *testing.T) {
	own := newGallery(t, "")
	p := upstream.New(config.IdentityProvider{ClientID: "idp", IssuerURL: own.URL}, "", upstream.Options{})
	for off, fails := range map[bool]bool{false: true, true: false} {
		pictures := &upstream.Pictures{Providers: []*upstream.Provider{p}, Off: off}
		// The job of a version that wrote it otherwise fails once it is read.
		err := pictures.Jobs()[store.JobPicture](t.Context(), store.Job{Kind: store.JobPicture, Payload: []byte("?")})
		if (err != nil) != fails || own.asked != 0 {
			t.Errorf("off %t: error %v, asked %d times", off, err, own.asked)
		}
	}
}
