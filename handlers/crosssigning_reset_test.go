package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/e2ekeys/e2ekeystest"
	"keymaker/internal/harness"
	"keymaker/store"
)

// replacing is a device that wants to replace the keys of its user.
type replacing struct {
	keysDevice
	user  string
	other e2ekeystest.Identity
}

// newReplacing logs in at a provider, "" = the first one, has the first keys
// set, and makes other ones.
func newReplacing(e *harness.Env, provider, user, device string) replacing {
	e.T.Helper()
	id := "@" + user + ":example.org"
	r := replacing{user: user, other: e2ekeystest.NewIdentity(e.T, id),
		keysDevice: keysDevice{e: e, Device: e2ekeystest.NewDevice(e.T, id, device)}}
	r.tokens = logInAt(e, provider, user, device)
	first := e2ekeystest.NewIdentity(e.T, id)
	if a := r.post(e, crossSigningPath, first.Upload()); a.Status != http.StatusOK && a.Status != http.StatusUnauthorized {
		e.T.Fatalf("first keys: status %d: %s", a.Status, a.Body)
	}
	return r
}

// replace sends the other keys, with what the client says of the approval; nil
// = nothing.
func (r replacing) replace(e *harness.Env, auth any) harness.Answer {
	body := r.other.Upload()
	if auth != nil {
		body = body.With("auth", auth)
	}
	return r.post(e, crossSigningPath, body)
}

// approve walks the page of a stage.
func (r replacing) approve(t *testing.T, e *harness.Env, page string) {
	t.Helper()
	b := e.NewBrowser()
	expectReset(t, b.Decide(b.SignIn(b.Visit(strings.TrimPrefix(page, e.URL)), r.user), "approve"), http.StatusOK, resetDone)
}

// stages are those that a 401 offers, each of which is enough.
func stages(t *testing.T, a harness.Answer) (names []string) {
	t.Helper()
	flows, _ := a.JSON()["flows"].([]any)
	for _, flow := range flows {
		of, _ := flow.(map[string]any)
		list, _ := of["stages"].([]any)
		if len(list) != 1 {
			t.Errorf("a flow has the stages %v", list)
			continue
		}
		name, _ := list[0].(string)
		names = append(names, name)
	}
	return names
}

// expectStages wants a 401 that offers exactly these stages.
func expectStages(t *testing.T, a harness.Answer, want ...string) {
	t.Helper()
	harness.ExpectJSON(t, a, http.StatusUnauthorized)
	if got := stages(t, a); !slices.Equal(got, want) || a.Text("session") == "" {
		t.Errorf("session %q, stages %q, want %q", a.Text("session"), got, want)
	}
}

const resetStage = "org.matrix.cross_signing_reset"

func TestReplaceCrossSigningKeys(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		r := newReplacing(e, e.IDP.ClientID, "alice", "PHONE")
		asked := func(e *harness.Env) harness.Answer { return r.replace(e, nil) }
		t.Run("J-04 J-22: other keys are answered with the ways to an approval, and not set", func(t *testing.T) {
			e := e.For(t)
			a := asked(e)
			expectStages(t, a, "m.oauth", resetStage, "m.login.sso")
			want := e.Issuer + accountPath + "?" + url.Values{"action": {resetStage}, "session": {a.Text("session")}}.Encode()
			for _, stage := range []string{"m.oauth", resetStage} {
				wantAt(t, a, want, "params", stage, "url")
			}
			if keys := r.query(e, aliceID); at(keys, "master_keys", aliceID, "keys", r.other.Master.KeyID) != nil {
				t.Errorf("the keys are %s", keys.Body)
			}
		})
		auths := []struct {
			name string
			auth func(session string) any
		}{
			{"the session alone", func(session string) any { return map[string]any{"session": session} }},
			{"m.oauth", func(session string) any { return map[string]any{"type": "m.oauth", "session": session} }},
			{"the reset stage", func(session string) any { return map[string]any{"type": resetStage, "session": session} }},
			{"m.login.sso", func(session string) any { return map[string]any{"type": "m.login.sso", "session": session} }},
			{"nothing", func(string) any { return nil }},
		}
		for _, tt := range auths {
			t.Run("J-07: before the approval each repetition is answered with the same session: "+tt.name, func(t *testing.T) {
				e := e.For(t)
				session := asked(e).Text("session")
				for range 5 {
					e.Clock.Advance(30 * time.Second) // two and a half minutes of polling
					a := r.replace(e, tt.auth(session))
					expectStages(t, a, "m.oauth", resetStage, "m.login.sso")
					if a.Text("session") != session {
						t.Errorf("the session was %q and is %q", session, a.Text("session"))
					}
				}
				r.tokens = e.MustRefresh(r.tokens.ClientID, r.tokens.Refresh)
			})
			t.Run("J-06 J-20: after the approval the upload is done, once: "+tt.name, func(t *testing.T) {
				e := e.For(t)
				r.other = e2ekeystest.NewIdentity(t, aliceID)
				a := asked(e)
				expectStages(t, a, "m.oauth", resetStage, "m.login.sso")
				page, _ := at(a, "params", "m.oauth", "url").(string)
				r.approve(t, e, page)
				done := r.replace(e, tt.auth(a.Text("session")))
				harness.ExpectJSON(t, done, http.StatusOK)
				wantAt(t, r.query(e, aliceID), r.other.Master.Public, "master_keys", aliceID, "keys", r.other.Master.KeyID)
				harness.ExpectJSON(t, r.replace(e, tt.auth(a.Text("session"))), http.StatusOK) // they are there
				r.other = e2ekeystest.NewIdentity(t, aliceID)
				again := r.replace(e, tt.auth(a.Text("session")))
				expectStages(t, again, "m.oauth", resetStage, "m.login.sso")
				if again.Text("session") == a.Text("session") {
					t.Error("the session of an approval that was used is answered again")
				}
				if got := lastEvents(t, e, "alice", 1); got[0] != store.ActionKeysReplaced {
					t.Errorf("the last event is %v", got)
				}
			})
		}
	})
}

func TestWhatReplacesNoKeys(t *testing.T) {
	e, _ := resetEnv(t, unlimited)
	r := newReplacing(e, e.IDP.ClientID, "alice", "PHONE")
	others := newReplacing(e, e.IDP.ClientID, "alice", "TABLET")
	t.Run("J-02: the same master key with another self-signing key needs an approval", func(t *testing.T) {
		e := e.For(t)
		fresh := newReplacing(e, e.IDP.ClientID, "bob", "BOBS")
		harness.ExpectJSON(t, fresh.post(e, crossSigningPath, e2ekeystest.Object{"master_key": "x"}), http.StatusBadRequest)
		a := fresh.replace(e, nil)
		expectStages(t, a, "m.oauth", resetStage, "m.login.sso")
		page, _ := at(a, "params", "m.oauth", "url").(string)
		fresh.approve(t, e, page)
		harness.ExpectJSON(t, fresh.replace(e, nil), http.StatusOK)
		self := fresh.other.Master.Sign(e2ekeystest.NewSigner(t, fresh.UserID, "").CrossSigningKey("self_signing"))
		expectStages(t, fresh.post(e, crossSigningPath, e2ekeystest.Object{"self_signing_key": self}), "m.oauth", resetStage, "m.login.sso")
		expectStages(t, fresh.post(e, crossSigningPath, fresh.other.Upload().With("self_signing_key", self)), "m.oauth", resetStage, "m.login.sso")
	})
	t.Run("J-20: the approval of one device is none of another", func(t *testing.T) {
		e := e.For(t)
		page, _ := at(r.replace(e, nil), "params", "m.oauth", "url").(string)
		r.approve(t, e, page)
		expectStages(t, others.replace(e, nil), "m.oauth", resetStage, "m.login.sso")
		harness.ExpectJSON(t, r.replace(e, nil), http.StatusOK)
	})
	t.Run("J-20: the approval of an administrator is one of one device, and good once", func(t *testing.T) {
		e := e.For(t)
		r.other = e2ekeystest.NewIdentity(t, aliceID)
		expectStages(t, r.replace(e, nil), "m.oauth", resetStage, "m.login.sso")
		if _, err := e.Server.Store().AllowReset(t.Context(), "alice", waits(e, "alice", "PHONE").session); err != nil {
			t.Fatal(err)
		}
		expectStages(t, others.replace(e, nil), "m.oauth", resetStage, "m.login.sso")
		harness.ExpectJSON(t, r.replace(e, nil), http.StatusOK)
		r.other = e2ekeystest.NewIdentity(t, aliceID)
		expectStages(t, r.replace(e, nil), "m.oauth", resetStage, "m.login.sso")
	})
	t.Run("J-20: after ten minutes an approval is over", func(t *testing.T) {
		e := e.For(t)
		r.other = e2ekeystest.NewIdentity(t, aliceID)
		page, _ := at(r.replace(e, nil), "params", "m.oauth", "url").(string)
		r.approve(t, e, page)
		e.Clock.Advance(10 * time.Minute)
		r.tokens = e.MustRefresh(r.tokens.ClientID, r.tokens.Refresh)
		expectStages(t, r.replace(e, nil), "m.oauth", resetStage, "m.login.sso")
	})
	t.Run("J-09: what is wrong is refused before anybody is asked, and uses no approval up", func(t *testing.T) {
		e := e.For(t)
		page, _ := at(r.replace(e, nil), "params", "m.oauth", "url").(string)
		r.approve(t, e, page)
		unsigned := r.other.Upload().With("self_signing_key", r.other.SelfSigning.CrossSigningKey("self_signing"))
		harness.ExpectMatrixError(t, r.post(e, crossSigningPath, unsigned), http.StatusBadRequest, "M_INVALID_SIGNATURE")
		harness.ExpectJSON(t, r.replace(e, nil), http.StatusOK)
	})
	for _, auth := range []map[string]any{
		{"type": "m.login.password", "identifier": map[string]any{"type": "m.id.user", "user": "alice"}, "password": "password"},
		{"type": "m.login.sso"}, {"type": "m.login.token", "token": "x"}, {"type": "m.login.dummy"}, {"session": "made up"},
	} {
		t.Run("J-08: nothing that the client says completes the flow: "+marshal(t, auth), func(t *testing.T) {
			e := e.For(t)
			r.other = e2ekeystest.NewIdentity(t, aliceID)
			a := r.replace(e, nil)
			expectStages(t, a, "m.oauth", resetStage, "m.login.sso")
			if auth["session"] == nil {
				auth["session"] = a.Text("session")
			}
			expectStages(t, r.replace(e, auth), "m.oauth", resetStage, "m.login.sso")
		})
	}
	t.Run("J-04: what the client says of the approval is an object", func(t *testing.T) {
		e := e.For(t)
		harness.ExpectMatrixError(t, r.replace(e, "please"), http.StatusBadRequest, "M_BAD_JSON")
	})
	t.Run("J-05: a legacy device gets the flow of its provider alone, and completes it", func(t *testing.T) {
		e := e.For(t)
		legacy := replacing{user: "alice", other: e2ekeystest.NewIdentity(t, aliceID), keysDevice: keysDevice{e: e, Device: e2ekeystest.NewDevice(t, aliceID, "LEGACY")}}
		legacy.tokens = e.LogInLegacy("alice", "LEGACY")
		a := legacy.replace(e, nil)
		expectStages(t, a, "m.login.sso")
		wantAt(t, a, map[string]any{}, "params")
		legacy.approve(t, e, "/_matrix/client/v3/auth/m.login.sso/fallback/web?session="+a.Text("session"))
		harness.ExpectJSON(t, legacy.replace(e, map[string]any{"session": a.Text("session")}), http.StatusOK)
	})
	t.Run("J-0A: no other endpoint offers or takes the stage", func(t *testing.T) {
		e := e.For(t)
		expectStages(t, r.replace(e, nil), "m.oauth", resetStage, "m.login.sso")
		for _, path := range []string{"delete_devices", "account/deactivate", "account/password", "account/3pid/add", "keys/upload", "keys/signatures/upload"} {
			a := r.post(e, "/_matrix/client/v3/"+path, e2ekeystest.Object{"auth": map[string]any{"type": "m.oauth", "session": "x"}, "devices": []any{"TABLET"}})
			if a.Status == http.StatusUnauthorized || strings.Contains(string(a.Body), "m.oauth") {
				t.Errorf("%s: status %d: %s", path, a.Status, a.Body)
			}
		}
		harness.ExpectJSON(t, e.As(r.tokens.Access, http.MethodGet, devicesPath+"/TABLET", ""), http.StatusOK)
	})
}

func TestAnApprovalReplacesKeysOnce(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		r := newReplacing(e, e.IDP.ClientID, "alice", "PHONE")
		t.Run("J-20: of many who use an approval at once one gets it", func(t *testing.T) {
			e := e.For(t)
			page, _ := at(r.replace(e, nil), "params", "m.oauth", "url").(string)
			r.approve(t, e, page)
			statuses := make([]int, 8)
			var all sync.WaitGroup
			for i := range statuses {
				body := e2ekeystest.NewIdentity(t, aliceID).Upload().JSON()
				all.Go(func() {
					header := map[string]string{"Authorization": "Bearer " + r.tokens.Access}
					a, _ := e.Try(http.MethodPost, crossSigningPath, header, body)
					statuses[i] = a.Status
				})
			}
			all.Wait()
			slices.Sort(statuses)
			if statuses[0] != http.StatusOK || statuses[1] != http.StatusUnauthorized || statuses[7] != http.StatusUnauthorized {
				t.Errorf("the answers are %v", statuses)
			}
		})
	})
}
