package handlers_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"keymaker/internal/harness"
	"keymaker/internal/jobs"
	"keymaker/store"
)

// receiver is a client's server, to which logout tokens are sent.
type receiver struct {
	*httptest.Server
	answer http.HandlerFunc // nil answers 200
	got    chan url.Values
}

func receive(t *testing.T, answer http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{answer: answer, got: make(chan url.Values, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if err := q.ParseForm(); err != nil || q.Method != http.MethodPost || q.Header.Get("Content-Type") != form || q.URL.Path != "/logout" {
			t.Errorf("got %s %s with %q, error %v", q.Method, q.URL, q.Header.Get("Content-Type"), err)
		}
		r.got <- q.PostForm
		if r.answer != nil {
			r.answer(w, q)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// tokens are the logout tokens that have arrived.
func (r *receiver) tokens() (all []string) {
	for {
		select {
		case values := <-r.got:
			all = append(all, values.Get("logout_token"))
		default:
			return all
		}
	}
}

// client registers a client that is to be told there.
func (r *receiver) client(e *harness.Env, changes map[string]any) string {
	t, ok := e.T.(*testing.T)
	if !ok {
		e.T.Fatal("not in a test")
	}
	with := map[string]any{"backchannel_logout_uri": r.URL + "/logout", "backchannel_logout_session_required": true}
	for name, value := range changes {
		with[name] = value
	}
	id, _ := e.Register(metadataOf(t, with))
	return id
}

// sid is the session that an ID token names.
func sid(t *testing.T, token string) string {
	t.Helper()
	s, _ := claimsOf(t, token)["sid"].(string)
	if s == "" {
		t.Fatal("the ID token has no sid")
	}
	return s
}

func runJobs(e *harness.Env, want int) {
	e.T.Helper()
	if n, err := e.Server.RunJobs(e.T.Context()); n != want || err != nil {
		e.T.Fatalf("did %d jobs, error %v, want %d", n, err, want)
	}
}

// expectLogoutToken checks a logout token as the client does (Back-Channel
// Logout §2.6) and returns its claims.
func expectLogoutToken(t *testing.T, e *harness.Env, clientID, alg, token string) map[string]any {
	t.Helper()
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Fatalf("E-31: %v", err)
	}
	keys := keySet(t, e).Key(parsed.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		t.Fatal("E-31: its key is not in the key set")
	}
	payload, err := parsed.Verify(keys[0])
	if err != nil {
		t.Fatalf("E-31: %v", err)
	}
	if typ := parsed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; typ != "logout+jwt" {
		t.Errorf("E-31: typ is %v", typ)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	now := float64(e.Clock.Now().Unix())
	exp, _ := claims["exp"].(float64)
	if claims["iss"] != e.Issuer || claims["aud"] != clientID || claims["iat"] != now || exp <= now || exp > now+120 {
		t.Errorf("E-31: claims %v at %v", claims, now)
	}
	events, _ := claims["events"].(map[string]any)
	event, ok := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any)
	if !ok || len(events) != 1 || len(event) != 0 {
		t.Errorf("E-31: events %v", claims["events"])
	}
	if _, has := claims["nonce"]; has || claims["jti"] == "" || claims["jti"] == nil {
		t.Errorf("E-31: claims %v", claims)
	}
	return claims
}

func TestBackchannelLogout(t *testing.T) {
	ends := []struct {
		name string
		end  func(t *testing.T, e *harness.Env, tokens harness.Tokens)
	}{
		{"a revocation", func(_ *testing.T, e *harness.Env, tokens harness.Tokens) {
			expectStatus(e, e.Form(revokePath, url.Values{"token": {tokens.Access}}), http.StatusOK)
		}},
		{"a logout", func(_ *testing.T, e *harness.Env, tokens harness.Tokens) {
			expectStatus(e, e.As(tokens.Access, http.MethodPost, logoutPath, "{}"), http.StatusOK)
		}},
		{"a logout everywhere", func(_ *testing.T, e *harness.Env, tokens harness.Tokens) {
			expectStatus(e, e.As(tokens.Access, http.MethodPost, logoutPath+"/all", "{}"), http.StatusOK)
		}},
		{"a new login on the device", func(_ *testing.T, e *harness.Env, tokens harness.Tokens) {
			e.LogInWith(e.NewRequest(tokens.ClientID, "openid "+harness.ScopeStable+"BACKCHANNEL"), "alice")
		}},
		{"a refresh token that comes back", func(t *testing.T, e *harness.Env, tokens harness.Tokens) {
			second := e.MustRefresh(tokens.ClientID, tokens.Refresh)
			expectAlive(t, e, second.Access)
			expectInvalidGrant(t, e.Refresh(tokens.ClientID, tokens.Refresh))
		}},
		{"an administrator", func(t *testing.T, e *harness.Env, _ harness.Tokens) {
			end := store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin}
			if n, err := e.Server.Store().SignOutUser(t.Context(), "alice", end); n != 1 || err != nil {
				t.Fatalf("%d sessions ended, error %v", n, err)
			}
		}},
		{"a deactivation", func(t *testing.T, e *harness.Env, _ harness.Tokens) {
			if _, err := e.Server.Store().DeactivateUser(t.Context(), "alice"); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range ends {
		t.Run("E-30 E-31 E-35: a session that is ended by "+tt.name+" is told to its client once", func(t *testing.T) {
			e := harness.Start(t)
			rp := receive(t, nil)
			id := rp.client(e, nil)
			tokens := e.LogInWith(e.NewRequest(id, "openid "+harness.ScopeStable+"BACKCHANNEL"), "alice")
			runJobs(e, 0)
			tt.end(t, e, tokens)
			runJobs(e, 1)
			got := rp.tokens()
			if len(got) != 1 {
				t.Fatalf("the client was told %d times", len(got))
			}
			claims := expectLogoutToken(t, e, id, "ES256", got[0])
			if claims["sub"] != "@alice:example.org" || claims["sid"] != sid(t, tokens.IDToken) {
				t.Errorf("sub %v, sid %v, want those of the ID token", claims["sub"], claims["sid"])
			}
			runJobs(e, 0)
			expectNoSecrets(t, e, got[0])
		})
	}
}

// expectNoSecrets wants a text nowhere in the log.
func expectNoSecrets(t *testing.T, e *harness.Env, hidden string) {
	t.Helper()
	if strings.Contains(e.Log.String(), hidden) {
		t.Error("L-18: a logout token is in the log")
	}
}

func TestBackchannelLogoutOfAnExpiredSession(t *testing.T) {
	t.Run("E-30: a session whose refresh token has expired is told, too", func(t *testing.T) {
		e := harness.Start(t, func(o *harness.Options) { o.Global = "refresh_token_ttl = 3600" })
		rp := receive(t, nil)
		id := rp.client(e, nil)
		tokens := e.LogInWith(e.NewRequest(id, "openid"), "alice")
		e.Clock.Advance(48 * time.Hour)
		sweep(e)
		runJobs(e, 1)
		got := rp.tokens()
		if len(got) != 1 || expectLogoutToken(t, e, id, "ES256", got[0])["sid"] != sid(t, tokens.IDToken) {
			t.Errorf("the client was told %d times", len(got))
		}
	})
}

func TestBackchannelLogoutByAlgorithm(t *testing.T) {
	t.Run("E-31: a client that registered RS256 gets its logout tokens signed with it", func(t *testing.T) {
		e := harness.Start(t)
		if err := e.Server.TurnKeys(t.Context()); err != nil { // which makes the RSA key
			t.Fatal(err)
		}
		rp := receive(t, nil)
		id := rp.client(e, map[string]any{"id_token_signed_response_alg": "RS256"})
		tokens := e.LogInWith(e.NewRequest(id, "openid"), "alice")
		expectStatus(e, e.Form(revokePath, url.Values{"token": {tokens.Access}}), http.StatusOK)
		runJobs(e, 1)
		if got := rp.tokens(); len(got) != 1 || expectLogoutToken(t, e, id, "RS256", got[0]) == nil {
			t.Errorf("the client was told %d times", len(got))
		}
	})
}

func TestNoBackchannelLogout(t *testing.T) {
	tests := []struct {
		name    string
		changes map[string]any
		scope   string
	}{
		{"E-30: a client without backchannel_logout_uri is told nothing", map[string]any{"backchannel_logout_uri": nil}, "openid " + harness.ScopeStable + "SILENTDEVICE"},
		{"E-30: a session without an ID token is told to nobody", nil, harness.ScopeStable + "SILENTDEVICE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t)
			rp := receive(t, nil)
			id := rp.client(e, tt.changes)
			tokens := e.LogInWith(e.NewRequest(id, tt.scope), "alice")
			expectRevoked(t, e.Form(revokePath, url.Values{"token": {tokens.Access}}))
			runJobs(e, 0)
			if got := rp.tokens(); len(got) != 0 {
				t.Errorf("told %v", got)
			}
		})
	}
}

// told ends a session whose client answers so, and does the job once.
func told(t *testing.T, answer http.HandlerFunc) (e *harness.Env, rp *receiver, id string) {
	t.Helper()
	e, rp = harness.Start(t), receive(t, answer)
	id = rp.client(e, nil)
	tokens := e.LogInWith(e.NewRequest(id, "openid"), "alice")
	expectRevoked(t, e.Form(revokePath, url.Values{"token": {tokens.Access}}))
	runJobs(e, 1)
	return e, rp, id
}

// oneJob is the one job that there is.
func oneJob(e *harness.Env) store.Job {
	e.T.Helper()
	all, err := e.Server.Store().Jobs(e.T.Context(), []store.JobState{store.JobWaiting, store.JobDone, store.JobFailed}, 2)
	if err != nil || len(all) != 1 {
		e.T.Fatalf("%d jobs, error %v", len(all), err)
	}
	return all[0]
}

func TestBackchannelLogoutAnswers(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   store.JobState
	}{
		{"E-32: 200 is success", status(200), store.JobDone},
		{"E-32: 204 is success", status(204), store.JobDone},
		{"E-32: 400 is final", status(400), store.JobFailed},
		{"E-32: 500 is repeated", status(500), store.JobWaiting},
		{"E-32: 503 is repeated", status(503), store.JobWaiting},
		{"E-32: 404 is repeated", status(404), store.JobWaiting},
		{"E-32 E-34: a redirect is not followed, and repeated", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, store.JobWaiting},
		{"E-32: a connection that breaks is repeated", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, store.JobWaiting},
		{"E-32: an answer without end is read no further than needed", func(w http.ResponseWriter, _ *http.Request) {
			for range 1000 {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, store.JobDone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, rp, id := told(t, tt.answer)
			if j := oneJob(e); j.State != tt.want || (j.LastError == "") != (tt.want == store.JobDone) {
				t.Errorf("the job is %+v, want %s", j, tt.want)
			}
			got := rp.tokens()
			if len(got) != 1 {
				t.Fatalf("the client was asked %d times", len(got))
			}
			expectLogoutToken(t, e, id, "ES256", got[0])
			expectNoSecrets(t, e, got[0])
		})
	}
	t.Run("E-32: the repetition has the same jti, and its own time", func(t *testing.T) {
		code := http.StatusInternalServerError
		e, rp, id := told(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
		first := expectLogoutToken(t, e, id, "ES256", rp.tokens()[0])
		code = http.StatusOK
		runJobs(e, 0)
		e.Clock.Advance(10 * time.Second)
		runJobs(e, 1)
		second := expectLogoutToken(t, e, id, "ES256", rp.tokens()[0])
		if first["jti"] != second["jti"] || first["sid"] != second["sid"] {
			t.Errorf("first %v, second %v", first, second)
		}
		if j := oneJob(e); j.State != store.JobDone {
			t.Errorf("the job is %+v", j)
		}
	})
}

func TestBackchannelLogoutStaysAwayFromPrivateAddresses(t *testing.T) {
	for _, host := range []string{"localhost", "127.0.0.1"} {
		t.Run("E-34: a server on a public issuer does not connect to "+host, func(t *testing.T) {
			e := harness.Start(t, func(o *harness.Options) { o.Issuer = "https://sso.example.org" })
			rp := receive(t, nil)
			target := strings.Replace(rp.URL, "127.0.0.1", host, 1) + "/logout"
			a := register(e, metadataOf(t, map[string]any{"backchannel_logout_uri": target}))
			harness.ExpectOAuthError(t, a, http.StatusBadRequest, "invalid_client_metadata")
			// Nor by a name that passed, and resolves to it today.
			notice := store.LogoutNotice{ClientID: "c", URI: target, Alg: "ES256", UserID: "@alice:example.org", SessionID: "s"}
			if _, err := e.Server.Store().AddJob(t.Context(), store.NewJob{Kind: store.JobLogout, Lane: "l", Payload: notice}); err != nil {
				t.Fatal(err)
			}
			runJobs(e, 1)
			if j := oneJob(e); j.State != store.JobFailed || len(rp.tokens()) != 0 {
				t.Errorf("the job is %+v", j)
			}
		})
	}
}

func TestBackchannelLogoutOnAPrivateNetwork(t *testing.T) {
	t.Run("E-34: a client of the configuration is told wherever it is", func(t *testing.T) {
		rp := receive(t, nil)
		e := harness.Start(t, func(o *harness.Options) {
			o.Issuer = "https://sso.example.org"
			o.Extra = "[[global.oidc_client]]\nclient_id = \"wiki\"\nredirect_uris = [\"https://wiki.example.com/\"]\nbackchannel_logout_uri = \"" + rp.URL + "/logout\"\n"
		})
		db := e.Server.Store()
		login := store.Login{Localpart: "alice", ProviderID: "idp", AuthTime: e.Clock.Now()}
		if _, err := db.Link(t.Context(), store.NewLink{ProviderID: "idp", Subject: "alice", Localpart: "alice", CreateUser: true}); err != nil {
			t.Fatal(err)
		}
		session := store.Session{ID: store.NewID(e.Clock.Now()), ClientID: "wiki", Kind: store.OAuth, Scope: "openid", Login: login}
		if err := db.StartSession(t.Context(), store.NewSession{Session: session}); err != nil {
			t.Fatal(err)
		}
		if err := db.EndSession(t.Context(), session.ID, store.End{Reason: store.EndAdminRequest, Actor: store.ActorAdmin}); err != nil {
			t.Fatal(err)
		}
		runJobs(e, 1)
		if got := rp.tokens(); len(got) != 1 || expectLogoutToken(t, e, "wiki", "ES256", got[0])["sid"] != session.ID {
			t.Errorf("the client was told %d times", len(got))
		}
	})
}

// A client that hangs holds up nobody else, and not the end of the server
// beyond its time.
func TestBackchannelLogoutToAClientThatHangs(t *testing.T) {
	t.Run("E-33: a client that hangs holds up no other", func(t *testing.T) {
		e := harness.Start(t)
		release := make(chan struct{})
		hangs := receive(t, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		})
		rp := receive(t, nil)
		slow, fast := hangs.client(e, nil), rp.client(e, map[string]any{"client_name": "Other"})
		first, second := e.LogInWith(e.NewRequest(slow, "openid"), "alice"), e.LogInWith(e.NewRequest(fast, "openid"), "alice")
		stop := serveJobs(e)
		defer stop()
		defer close(release)
		expectRevoked(t, e.Form(revokePath, url.Values{"token": {first.Access}}))
		<-hangs.got
		expectRevoked(t, e.Form(revokePath, url.Values{"token": {second.Access}}))
		select {
		case values := <-rp.got:
			expectLogoutToken(t, e, fast, "ES256", values.Get("logout_token"))
		case <-time.After(jobs.PollInterval - time.Second):
			t.Error("the other client is not told, or not at once")
		}
	})
}

// serveJobs lets a server do in the background what it does when it serves.
func serveJobs(e *harness.Env) (stop func()) {
	ctx, cancel := context.WithCancel(e.T.Context())
	done := make(chan error, 1)
	go func() { done <- e.Server.Serve(ctx) }()
	return func() {
		e.T.Helper()
		cancel()
		if err := <-done; err != nil {
			e.T.Errorf("the server ended with %v", err)
		}
	}
}
