package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/fakesynapse"
	"keymaker/internal/harness"
	"keymaker/internal/secret"
	"keymaker/store"
)

// behind is a server behind a homeserver that is another program.
type behind struct {
	*harness.Env
	home *fakesynapse.Synapse
}

func behindSynapse(t *testing.T, options ...func(*harness.Options)) behind {
	t.Helper()
	home, url := fakesynapse.Start(t, clock.System{})
	e := harness.Start(t, append(options, func(o *harness.Options) {
		o.Homeserver = "kind = \"synapse\"\nendpoint = \"" + url + "\""
	})...)
	home.Delegate(e.URL, secret.Text(harness.HomeserverSecret))
	return behind{e, home}
}

func (b behind) at(t *testing.T) behind { return behind{b.For(t), b.home} }

// expectHome wants the homeserver to take a token for a device of alice, or to
// refuse it.
func (b behind) expectHome(token, device string) {
	b.T.Helper()
	a := b.home.Ask(b.T.Context(), token)
	switch {
	case device == "" && a.Status != http.StatusUnauthorized:
		b.T.Errorf("the homeserver answers %d %s", a.Status, a.DeviceID)
	case device != "" && (a.Status != http.StatusOK || a.DeviceID != device || a.UserID != "@alice:"+fakesynapse.ServerName):
		b.T.Errorf("the homeserver answers %+v", a)
	}
}

// told are the names of the calls since Forget.
func (b behind) told() []string {
	var names []string
	for _, c := range b.home.Calls() {
		names = append(names, c.Name)
	}
	return names
}

// expectAway wants an answer that is tried again, and that gives no token.
func expectAway(t *testing.T, a harness.Answer) {
	t.Helper()
	if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || strings.Contains(string(a.Body), "access_token") {
		t.Errorf("status %d, Retry-After %q, body %s", a.Status, a.Header.Get("Retry-After"), a.Body)
	}
}

// jobs does what waits, as the server does at intervals.
func (b behind) jobs() {
	b.T.Helper()
	b.Clock.Advance(time.Minute)
	if _, err := b.Server.RunJobs(b.T.Context()); err != nil {
		b.T.Fatal(err)
	}
}

// waysIn are the ways to tokens.
var waysIn = []struct {
	name string
	// begin walks to what the tokens are for, and returns what may be tried twice.
	begin  func(e *harness.Env) (try func() harness.Answer)
	device string // "" = any
}{
	{"D-11: a code", func(e *harness.Env) func() harness.Answer {
		id, _ := e.Register(harness.WebClient)
		g := approved(e, id, harness.ScopeStable+"BYCODE")
		return func() harness.Answer { return e.Form(tokenPath, g.values()) }
	}, "BYCODE"},
	{"D-11 G-32: a device code", func(e *harness.Env) func() harness.Answer {
		d := approvedDevice(e, "alice")
		return func() harness.Answer {
			e.Clock.Advance(6 * time.Second)
			return d.poll(e)
		}
	}, ""},
	{"I-08: a login token", func(e *harness.Env) func() harness.Answer {
		token := e.LoginToken(e.NewBrowser(), "alice")
		return func() harness.Answer { return withToken(e, token) }
	}, ""},
}

func TestLoginBehindSynapse(t *testing.T) {
	for _, way := range waysIn {
		t.Run(way.name+" makes the user and the device before the tokens are out", func(t *testing.T) {
			b := behindSynapse(t)
			try := way.begin(b.Env)
			a := try()
			if a.Status != http.StatusOK {
				t.Fatalf("status %d: %s", a.Status, a.Body)
			}
			told := b.told()
			if !slices.Contains(told, "provision_user") || told[len(told)-1] != "upsert_device" {
				t.Errorf("the homeserver was told %v", told)
			}
			if got := b.home.Ask(t.Context(), a.Text("access_token")); got.Status != http.StatusOK || got.DeviceID == "" || way.device != "" && got.DeviceID != way.device {
				t.Errorf("the homeserver answers %+v", got)
			}
		})
		t.Run(way.name+" stays good while the homeserver is away", func(t *testing.T) {
			b := behindSynapse(t)
			try := way.begin(b.Env)
			b.home.FailNext(1, http.StatusBadGateway)
			expectAway(t, try())
			a := try()
			if a.Status != http.StatusOK {
				t.Fatalf("status %d: %s", a.Status, a.Body)
			}
			if got := b.home.Ask(t.Context(), a.Text("access_token")); got.Status != http.StatusOK {
				t.Errorf("the homeserver answers %+v", got)
			}
		})
	}
}

func TestRefreshBehindSynapse(t *testing.T) {
	b := behindSynapse(t)
	tokens := b.LogIn("alice", "PHONE")
	t.Run("D-20 F-12: a refresh asks nothing of the homeserver", func(t *testing.T) {
		b := b.at(t)
		b.home.Forget()
		b.home.Down()
		defer b.home.Recover()
		tokens = b.MustRefresh(tokens.ClientID, tokens.Refresh)
		if told := b.told(); len(told) > 0 {
			t.Errorf("the homeserver was told %v", told)
		}
	})
	t.Run("F-03 D-2B: a locked user is out, and is to try again later", func(t *testing.T) {
		b := b.at(t)
		admin(b.Env, "user", "lock", "alice")
		b.expectHome(tokens.Access, "")
		expectAway(t, b.Refresh(tokens.ClientID, tokens.Refresh))
		admin(b.Env, "user", "unlock", "alice")
		tokens = b.MustRefresh(tokens.ClientID, tokens.Refresh)
		b.expectHome(tokens.Access, "PHONE")
	})
}

// endings are the ways out, each of a device of alice.
var endings = []struct {
	name string
	end  func(t *testing.T, b behind, tokens harness.Tokens)
}{
	{"E-03: a revocation", func(t *testing.T, b behind, tokens harness.Tokens) {
		harness.ExpectJSON(t, b.Form(revokePath, url.Values{"token": {tokens.Refresh}, "client_id": {tokens.ClientID}}), http.StatusOK)
	}},
	{"I-0E: a logout", func(t *testing.T, b behind, tokens harness.Tokens) {
		harness.ExpectJSON(t, b.As(tokens.Access, http.MethodPost, "/_matrix/client/v3/logout", "{}"), http.StatusOK)
	}},
	{"H-06: the account page", func(t *testing.T, b behind, _ harness.Tokens) {
		br := atHome(b.Env, "alice")
		expectPage(t, br.Decide(br.Visit(deleteLink+"PHONE"), "approve"), http.StatusOK, "")
	}},
	{"E-05: an administrator", func(t *testing.T, b behind, _ harness.Tokens) {
		admin(b.Env, "user", "end-sessions", "--yes", "alice")
		b.jobs()
	}},
}

func TestEndBehindSynapse(t *testing.T) {
	for _, c := range endings {
		t.Run(c.name+" takes the device from the homeserver at once", func(t *testing.T) {
			b := behindSynapse(t)
			tokens := b.LogIn("alice", "PHONE")
			b.expectHome(tokens.Access, "PHONE")
			c.end(t, b, tokens)
			b.expectHome(tokens.Access, "")
			if u, ok := b.home.User("alice"); !ok || len(u.Devices) > 0 {
				t.Errorf("the homeserver has %v", u.Devices)
			}
		})
		t.Run(c.name+" that the homeserver did not hear of is told when it is back", func(t *testing.T) {
			b := behindSynapse(t)
			tokens := b.LogIn("alice", "PHONE")
			b.home.Down()
			c.end(t, b, tokens)
			b.home.Recover()
			b.Restart()
			b.jobs()
			b.expectHome(tokens.Access, "")
			if u, ok := b.home.User("alice"); !ok || len(u.Devices) > 0 {
				t.Errorf("the homeserver has %v", u.Devices)
			}
		})
	}
	t.Run("H-07: an account that is closed is closed there, and erased", func(t *testing.T) {
		b := behindSynapse(t)
		tokens := b.LogIn("alice", "PHONE")
		b.home.Forget()
		admin(b.Env, "user", "deactivate", "--yes", "alice")
		b.jobs()
		b.expectHome(tokens.Access, "")
		if told := b.told(); !slices.Contains(told, "delete_user") {
			t.Errorf("the homeserver was told %v", told)
		}
	})
}

func TestResetBehindSynapse(t *testing.T) {
	// ask walks to the question.
	ask := func(t *testing.T, b behind) (*harness.Browser, harness.Page) {
		b.LogIn("alice", "PHONE")
		br := b.NewBrowser()
		p := br.SignIn(br.Visit(resetLink+"&device_id=PHONE"), "alice")
		if strings.HasPrefix(p.Request.URL.String(), b.IDP.Issuer) {
			p = br.SignIn(p, "alice")
		}
		expectReset(t, p, http.StatusOK, resetSays)
		b.home.Forget()
		return br, p
	}
	t.Run("J-20: an approval is told before the page says that it is done", func(t *testing.T) {
		b := behindSynapse(t)
		br, p := ask(t, b)
		expectReset(t, br.Decide(p, "approve"), http.StatusOK, resetDone)
		if told := b.told(); !slices.Equal(told, []string{"allow_cross_signing_reset"}) {
			t.Errorf("the homeserver was told %v", told)
		}
	})
	t.Run("J-20: a page says that the homeserver is away, and goes on once it is back", func(t *testing.T) {
		b := behindSynapse(t)
		br, p := ask(t, b)
		b.home.FailNext(2, http.StatusBadGateway)
		away := br.Decide(p, "approve")
		expectReset(t, away, http.StatusServiceUnavailable, "Your homeserver is not answering")
		expectReset(t, br.Follow(away, 0), http.StatusOK, resetDone)
		if told := b.told(); !slices.Equal(told, []string{"allow_cross_signing_reset", "allow_cross_signing_reset", "allow_cross_signing_reset"}) {
			t.Errorf("the homeserver was told %v", told)
		}
	})
	t.Run("J-20: an approval that the homeserver refuses is not done", func(t *testing.T) {
		b := behindSynapse(t)
		br, p := ask(t, b)
		b.home.FailNext(1, http.StatusBadRequest)
		away := br.Decide(p, "approve")
		expectReset(t, away, http.StatusServiceUnavailable, "Your homeserver is not answering")
		expectReset(t, br.Follow(away, 0), http.StatusServiceUnavailable, "Your homeserver is not answering")
	})
	t.Run("J-20: an approval is done, whatever else the homeserver has refused", func(t *testing.T) {
		b := behindSynapse(t)
		br, p := ask(t, b)
		b.home.FailNext(1, http.StatusBadRequest)
		if _, err := b.Server.Store().SetDisplayName(t.Context(), "alice", "Another name", store.ActorAdmin); err != nil {
			t.Fatal(err)
		}
		expectReset(t, br.Decide(p, "approve"), http.StatusOK, resetDone)
		if told := b.told(); !slices.Equal(told, []string{"provision_user", "allow_cross_signing_reset"}) {
			t.Errorf("the homeserver was told %v", told)
		}
	})
	t.Run("J-20: nothing that was not approved is told", func(t *testing.T) {
		b := behindSynapse(t)
		br, p := ask(t, b)
		br.Decide(p, "cancel")
		br.Visit(p.Request.URL.RequestURI())
		if told := b.told(); len(told) > 0 {
			t.Errorf("the homeserver was told %v", told)
		}
	})
}

func TestSynapseAnswersItself(t *testing.T) {
	b := behindSynapse(t)
	tokens := b.LogIn("alice", "PHONE")
	for _, path := range []string{
		"/_matrix/client/versions", "/_matrix/client/v3/account/whoami", "/_matrix/client/v3/devices", "/_matrix/client/v3/capabilities",
		"/_matrix/client/v3/profile/@alice:example.org", "/_matrix/client/v3/auth/m.oauth/fallback/web", "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
	} {
		t.Run("K-13: what is the homeserver's is not answered here: "+path, func(t *testing.T) {
			harness.ExpectMatrixError(t, b.For(t).As(tokens.Access, http.MethodGet, path, ""), http.StatusNotFound, "M_UNRECOGNIZED")
		})
	}
	for _, path := range []string{"/.well-known/matrix/client", "/_matrix/client/v3/login", "/_matrix/client/v1/auth_metadata"} {
		t.Run("A-01: what clients ask the authorization server is answered: "+path, func(t *testing.T) {
			if a := b.For(t).Get(path); a.Status != http.StatusOK {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
}

// Synapse keeps the pictures of its users, and nobody but they can put one there.
func TestPicturesBehindSynapse(t *testing.T) {
	c := newCDN(t)
	b := behindSynapse(t, withPicture(c.URL+"/alice", `managed_claims = ["picture"]`))
	tokens := b.LogIn("alice", "PHONE")
	browser := atHome(b.Env, "alice")
	for _, tt := range []struct{ method, path string }{
		{http.MethodPost, uploadPath}, {http.MethodGet, "/_matrix/media/v3/config"}, {http.MethodGet, "/_matrix/client/v1/media/config"},
		{http.MethodGet, downloadPath + "example.org/x"}, {http.MethodGet, thumbnailPath + "example.org/x"}, {http.MethodPut, aliceAvatar},
	} {
		t.Run("K-13: pictures are not kept here: "+tt.method+" "+tt.path, func(t *testing.T) {
			harness.ExpectMatrixError(t, b.For(t).As(tokens.Access, tt.method, tt.path, "{}"), http.StatusNotFound, "M_UNRECOGNIZED")
		})
	}
	t.Run("H-12: the profile offers none", func(t *testing.T) {
		browser := browser.For(t)
		p := browser.Visit(profileLink)
		expectPage(t, p, http.StatusOK, "Your profile")
		if strings.Contains(p.HTML, `type="file"`) || offers(p, "take_picture") || offers(p, "remove_picture") || strings.Contains(p.HTML, "Your picture") {
			t.Errorf("there is a form:\n%s", p.HTML)
		}
		if got := browser.Visit(ownPicturePath); got.StatusCode != http.StatusNotFound {
			t.Errorf("status %d", got.StatusCode)
		}
	})
	t.Run("H-12: none is taken from the provider, and the homeserver is told of none", func(t *testing.T) {
		b := b.at(t)
		b.home.Forget()
		b.jobs()
		atHome(b.Env, "alice")
		b.jobs()
		failed, err := b.Server.Store().Jobs(t.Context(), []store.JobState{store.JobFailed, store.JobWaiting}, 5)
		if err != nil || len(failed) != 0 || len(b.told()) != 0 || c.requests() != 0 {
			t.Errorf("the homeserver is told %q, error %v, jobs %+v", b.told(), err, failed)
		}
		b.expectHome(tokens.Access, "PHONE")
	})
	t.Run("F-25: userinfo names none that was kept before", func(t *testing.T) {
		b := b.at(t)
		execute(b.Env, "UPDATE users SET avatar_url = 'mxc://example.org/before' WHERE localpart = 'alice'")
		execute(b.Env, "INSERT INTO pictures (id, public_id, localpart, content_type, content, file_name, created_at, used_at) VALUES ('before', 'public', 'alice', 'image/png', 'x', '', 1, 1)")
		id, _ := b.Register(harness.WebClient)
		profile := b.LogInWith(b.NewRequest(id, "openid profile"), "alice")
		a := b.As(profile.Access, http.MethodGet, userinfoPath, "")
		if harness.ExpectJSON(t, a, http.StatusOK); a.Text("preferred_username") != "alice" || a.JSON()["picture"] != nil {
			t.Errorf("the claims are %v", a.JSON())
		}
		if a := b.Get("/_tuwunel/oidc/picture/public"); a.Status != http.StatusNotFound {
			t.Errorf("status %d", a.Status)
		}
	})
}
