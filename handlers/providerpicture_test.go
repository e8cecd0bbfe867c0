package handlers_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/harness"
	"keymaker/store"
)

// cdn is where a provider has pictures. Whatever is asked for hangs while hang is
// not nil.
type cdn struct {
	*httptest.Server
	asked chan string
	hang  chan struct{}
}

func newCDN(t *testing.T) *cdn {
	t.Helper()
	c := &cdn{asked: make(chan string, 100)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.asked <- r.URL.Path
		switch r.URL.Path {
		case "/html":
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.WriteString(w, "<script>alert(1)</script>")
		case "/missing":
			http.NotFound(w, r)
		case "/broken":
			http.Error(w, "", http.StatusBadGateway)
		case "/hanging":
			<-c.hang
			_, _ = w.Write(samplePNG(8, 8))
		case "/inside":
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
		default:
			_, _ = w.Write(samplePNG(8, 8))
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// requests are how often it was asked since.
func (c *cdn) requests() int {
	n := 0
	for ; len(c.asked) > 0; n++ {
		<-c.asked
	}
	return n
}

// withPicture has alice's provider say where her picture is.
func withPicture(url, provider string) func(*harness.Options) {
	return func(o *harness.Options) {
		o.Provider = "name = \"The <demo> one\"\n" + provider
		o.IDP = func(p *demoidptest.Options) {
			for i := range p.Users {
				if p.Users[i].Username == "alice" {
					p.Users[i].Claims = map[string]any{"picture": url}
				}
			}
		}
	}
}

// picturedAt changes what alice's provider says of her picture.
func picturedAt(e *harness.Env, url any) {
	e.T.Helper()
	alice := demoidptest.Alice
	alice.Claims = map[string]any{"picture": url}
	if err := e.IDP.SetUser(alice); err != nil {
		e.T.Fatal(err)
	}
}

func doJobs(e *harness.Env) int {
	e.T.Helper()
	n, err := e.Server.RunJobs(e.T.Context())
	if err != nil {
		e.T.Fatal(err)
	}
	return n
}

func TestPictureOfTheProvider(t *testing.T) {
	c := newCDN(t)
	e := harness.Start(t, withPicture(c.URL+"/alice", ""))
	b := atHome(e, "alice")
	t.Run("H-12: the first sign-in waits for no picture, and it is there afterwards", func(t *testing.T) {
		e := e.For(t)
		if avatarOf(e) != "" || c.requests() != 0 {
			t.Error("the sign-in has fetched it")
		}
		if doJobs(e); avatarOf(e) == "" || c.requests() != 1 {
			t.Fatalf("the picture is %q", avatarOf(e))
		}
		if got := strings.Join(audited(e), ", "); got != "server "+e.IDP.ClientID {
			t.Errorf("the audit log has %q", got)
		}
	})
	t.Run("H-12: no later sign-in changes it, and it is the person's", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		press(b, "remove_picture")
		picturedAt(e, c.URL+"/another")
		atHome(e, "alice")
		if n := doJobs(e); n != 0 || avatarOf(e) != "" || c.requests() != 0 {
			t.Errorf("%d jobs, the picture is %q", n, avatarOf(e))
		}
	})
	t.Run("H-12: a person has it taken from the provider, as it is there now", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		expectPage(t, b.Visit(profileLink), http.StatusOK, "Take the picture from The <demo> one")
		p := press(b, "take_picture")
		if expectPage(t, p, http.StatusOK, "Remove the picture"); avatarOf(e) == "" || <-c.asked != "/another" {
			t.Errorf("the picture is %q", avatarOf(e))
		}
		if got := audited(e)[0]; got != "user "+e.IDP.ClientID {
			t.Errorf("the audit log has %q", got)
		}
	})
	for _, path := range []string{"/html", "/missing", "/broken", "/inside"} {
		t.Run("H-12 L-03: a person is told that it cannot be taken: "+path, func(t *testing.T) {
			e, b := e.For(t), b.For(t)
			before := avatarOf(e)
			picturedAt(e, c.URL+path)
			atHome(e, "alice")
			expectPage(t, press(b, "take_picture"), http.StatusUnprocessableEntity, "We could not take the picture from The <demo> one.")
			if avatarOf(e) != before {
				t.Errorf("the picture is %q", avatarOf(e))
			}
		})
	}
	t.Run("H-12: who has none there is offered none", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		at := b.Visit(profileLink)
		action, values := b.FieldsFor(at, "take_picture")
		picturedAt(e, nil)
		atHome(e, "alice")
		if offers(b.Visit(profileLink), "take_picture") {
			t.Error("one is offered")
		}
		values.Set("decision", "approve")
		expectPage(t, b.Post(at, action, values), http.StatusOK, "Your profile")
	})
}

func TestPictureTheProviderManages(t *testing.T) {
	c := newCDN(t)
	e := harness.Start(t, withPicture(c.URL+"/one", `managed_claims = ["picture"]`))
	tokens := e.LogIn("alice", "MANAGED")
	b := atHome(e, "alice")
	doJobs(e)
	first := avatarOf(e)
	t.Run("H-12: it is shown, and not changed here", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		p := b.Visit(profileLink)
		expectPage(t, p, http.StatusOK, "Your picture comes from The <demo> one.")
		if first == "" || offers(p, "picture") || offers(p, "remove_picture") || offers(p, "take_picture") {
			t.Errorf("the picture is %q:\n%s", first, p.HTML)
		}
		_, uri := uploaded(e, tokens.Access, samplePNG(4, 4))
		for _, uri := range []string{uri, ""} {
			harness.ExpectMatrixError(t, setAvatar(e, tokens.Access, uri), http.StatusForbidden, "M_FORBIDDEN")
		}
		if avatarOf(e) != first {
			t.Errorf("the picture is %q", avatarOf(e))
		}
	})
	t.Run("H-12: it is not fetched again while it is at the same address", func(t *testing.T) {
		e := e.For(t)
		c.requests()
		atHome(e, "alice")
		if n := doJobs(e); n != 0 || c.requests() != 0 || avatarOf(e) != first {
			t.Errorf("%d jobs, the picture is %q", n, avatarOf(e))
		}
	})
	t.Run("H-12: it is another one after a sign-in that says so", func(t *testing.T) {
		e := e.For(t)
		picturedAt(e, c.URL+"/two")
		atHome(e, "alice")
		if doJobs(e); avatarOf(e) == first || avatarOf(e) == "" {
			t.Errorf("the picture is %q", avatarOf(e))
		}
	})
	t.Run("H-12: of what two sign-ins say, the last counts", func(t *testing.T) {
		e := e.For(t)
		c.requests()
		for _, path := range []string{"/three", "/four"} {
			picturedAt(e, c.URL+path)
			atHome(e, "alice")
		}
		if n := doJobs(e); n != 2 || c.requests() != 1 {
			t.Errorf("%d jobs", n)
		}
	})
	t.Run("H-12: it is gone when the provider has none", func(t *testing.T) {
		e := e.For(t)
		before := avatarOf(e)
		picturedAt(e, nil)
		atHome(e, "alice")
		if before == "" || avatarOf(e) != "" {
			t.Errorf("the picture was %q and is %q", before, avatarOf(e))
		}
	})
}

func TestAPersonIsQuickerThanTheProvider(t *testing.T) {
	c := newCDN(t)
	e := harness.Start(t, withPicture(c.URL+"/alice", ""))
	b := atHome(e, "alice")
	sendPicture(b, samplePNG(4, 4))
	own := avatarOf(e)
	if n := doJobs(e); n != 1 || own == "" || avatarOf(e) != own || c.requests() != 0 {
		t.Errorf("%d jobs, the picture was %q and is %q", n, own, avatarOf(e))
	}
}

func TestAPersonIsQuickerThanAPictureOnItsWay(t *testing.T) {
	c := newCDN(t)
	c.hang = make(chan struct{})
	e := harness.Start(t, withPicture(c.URL+"/hanging", ""))
	b := atHome(e, "alice")
	ended := make(chan error, 1)
	go func() {
		_, err := e.Server.RunJobs(t.Context())
		ended <- err
	}()
	<-c.asked
	sendPicture(b, samplePNG(4, 4))
	own := avatarOf(e)
	close(c.hang)
	if err := <-ended; err != nil || own == "" || avatarOf(e) != own {
		t.Errorf("the picture was %q and is %q, error %v", own, avatarOf(e), err)
	}
}

// A picture that does not come, or is none, is nobody's trouble but its own, and
// where it is stays unsaid.
func TestPicturesThatCannotBeTaken(t *testing.T) {
	for _, tt := range []struct {
		name, url, why string
		attempts       int
	}{
		{"a private address", "http://10.1.2.3/secret-path", "not public", 1},
		{"a redirect into a private network", "{CDN}/inside?secret-path", "not public", 1},
		{"HTML that is called a picture", "{CDN}/html?secret-path", "not a picture", 1},
		{"one that is missing", "{CDN}/missing?secret-path", "404", 1},
		{"a server that does not work", "{CDN}/broken?secret-path", "does not answer", 3},
	} {
		t.Run("H-12 L-01: "+tt.name, func(t *testing.T) {
			c := newCDN(t)
			e := harness.Start(t, withPicture(strings.Replace(tt.url, "{CDN}", c.URL, 1), ""))
			tokens := e.LogIn("alice", "NOPICTURE")
			attempts := 0
			for range 5 {
				attempts += doJobs(e)
				e.Clock.Advance(3600e9)
			}
			failed, err := e.Server.Store().Jobs(t.Context(), []store.JobState{store.JobFailed}, 5)
			if err != nil || attempts != tt.attempts || len(failed) != 1 || !strings.Contains(failed[0].LastError, tt.why) || avatarOf(e) != "" {
				t.Fatalf("%d attempts, error %v: %+v", attempts, err, failed)
			}
			for what, text := range map[string]string{"the log": e.Log.String(), "the job": failed[0].LastError + string(failed[0].Payload) + failed[0].Lane} {
				for _, secret := range []string{"secret-path", "10.1.2.3", strings.TrimPrefix(c.URL, "http://")} {
					if strings.Contains(text, secret) {
						t.Errorf("%s says where it is: %s", what, text)
					}
				}
			}
			e.MustRefresh(tokens.ClientID, tokens.Refresh)
		})
	}
}

func TestASignInDoesNotWaitForAPicture(t *testing.T) {
	c := newCDN(t)
	c.hang = make(chan struct{})
	e := harness.Start(t, withPicture(c.URL+"/hanging", ""))
	e.LogIn("alice", "HANGING")
	ended := make(chan error, 1)
	go func() {
		_, err := e.Server.RunJobs(t.Context())
		ended <- err
	}()
	<-c.asked
	tokens := e.LogIn("alice", "MEANWHILE")
	expectAlive(t, e, tokens.Access)
	expectPage(t, atHome(e, "alice").Visit(profileLink), http.StatusOK, "You have no picture.")
	close(c.hang)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
