package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"keymaker/internal/e2ekeys/e2ekeystest"
	"keymaker/internal/harness"
	"keymaker/store"
)

// lastEvents are the actions of a user's newest audit events, newest first.
func lastEvents(t *testing.T, e *harness.Env, user string, n int) (actions []string) {
	t.Helper()
	events, err := e.Server.Store().AuditEvents(t.Context(), user, n)
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range events {
		actions = append(actions, event.Action)
	}
	return actions
}

func TestFirstCrossSigningKeys(t *testing.T) {
	for _, version := range []string{"v3", "r0", "v1", "unstable"} {
		e := harness.Start(t, unlimited)
		phone := newKeysDevice(e, "alice", "PHONE")
		alice := e2ekeystest.NewIdentity(t, aliceID)
		path := strings.Replace(crossSigningPath, "/v3/", "/"+version+"/", 1)
		t.Run("J-01: the first keys need no authentication ("+version+")", func(t *testing.T) {
			e := e.For(t)
			a := phone.post(e, path, alice.Upload())
			harness.ExpectJSON(t, a, http.StatusOK)
			a = phone.query(e, aliceID)
			wantAt(t, a, alice.Master.Public, "master_keys", aliceID, "keys", alice.Master.KeyID)
			wantAt(t, a, alice.SelfSigning.Public, "self_signing_keys", aliceID, "keys", alice.SelfSigning.KeyID)
			wantAt(t, a, alice.UserSigning.Public, "user_signing_keys", aliceID, "keys", alice.UserSigning.KeyID)
			if got := lastEvents(t, e, "alice", 1); got[0] != store.ActionKeysSet {
				t.Errorf("the last event is %v", got)
			}
		})
		t.Run("J-02: the same keys again need none ("+version+")", func(t *testing.T) {
			e := e.For(t)
			a := phone.post(e, path, alice.Upload())
			harness.ExpectJSON(t, a, http.StatusOK)
			wantAt(t, phone.query(e, aliceID), alice.Master.Public, "master_keys", aliceID, "keys", alice.Master.KeyID)
			if got := lastEvents(t, e, "alice", 1); got[0] != store.ActionKeysSet {
				t.Errorf("the last event is %v", got)
			}
		})
	}
	e := harness.Start(t, unlimited)
	t.Run("J-01: the first keys of a legacy session need no authentication either", func(t *testing.T) {
		e := e.For(t)
		legacy := keysDevice{e: e, Device: e2ekeystest.NewDevice(t, aliceID, "LEGACY")}
		legacy.tokens = harness.Tokens{Access: e.LogInLegacy("alice", "LEGACY").Access}
		alice := e2ekeystest.NewIdentity(t, aliceID)
		harness.ExpectJSON(t, legacy.post(e, crossSigningPath, alice.Upload()), http.StatusOK)
		wantAt(t, legacy.query(e, aliceID), alice.Master.Public, "master_keys", aliceID, "keys", alice.Master.KeyID)
	})
	t.Run("J-01: nobody sees the keys of another user", func(t *testing.T) {
		e := e.For(t)
		bobs := newKeysDevice(e, "bob", "BOBS")
		a := bobs.query(e, aliceID)
		harness.ExpectJSON(t, a, http.StatusOK)
		for _, kind := range []string{"master_keys", "self_signing_keys", "user_signing_keys"} {
			wantAt(t, a, map[string]any{}, kind)
		}
	})
}

func TestCrossSigningSignatures(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		phone, tablet := newKeysDevice(e, "alice", "PHONE"), newKeysDevice(e, "alice", "TABLET")
		alice := e2ekeystest.NewIdentity(t, aliceID)
		for _, d := range []keysDevice{phone, tablet} {
			harness.ExpectJSON(t, d.upload(e), http.StatusOK)
		}
		harness.ExpectJSON(t, phone.post(e, crossSigningPath, alice.Upload()), http.StatusOK)
		master := alice.Master.CrossSigningKey("master")
		sign := func(e *harness.Env, objects map[string]any) harness.Answer {
			return phone.post(e, keysSignaturesPath, e2ekeystest.Object{aliceID: objects})
		}
		t.Run("J-09: right signatures are taken and shown", func(t *testing.T) {
			e := e.For(t)
			a := sign(e, map[string]any{"TABLET": alice.SelfSigning.Sign(tablet.Keys), alice.Master.Public: tablet.Sign(phone.Sign(master))})
			harness.ExpectJSON(t, a, http.StatusOK)
			wantAt(t, a, map[string]any{}, "failures")
			a = phone.query(e, aliceID)
			signatures := func(names ...string) map[string]any {
				of, _ := at(a, append(names, "signatures", aliceID)...).(map[string]any)
				return of
			}
			if of := signatures("device_keys", aliceID, "TABLET"); of[alice.SelfSigning.KeyID] == nil || of[tablet.KeyID] == nil {
				t.Errorf("the tablet has the signatures %v", of)
			}
			if of := signatures("master_keys", aliceID); of[phone.KeyID] == nil || of[tablet.KeyID] == nil {
				t.Errorf("the master key has the signatures %v", of)
			}
		})
		refused := []struct {
			name, target string
			object       e2ekeystest.Object
			code         string
		}{
			{"a wrong signature on a device", "PHONE", e2ekeystest.NewIdentity(t, aliceID).SelfSigning.Sign(phone.Keys), "M_INVALID_SIGNATURE"},
			{"a signature of another device's key on the master key", alice.Master.Public, e2ekeystest.NewDevice(t, aliceID, "PHONE").Sign(master), "M_INVALID_SIGNATURE"},
			{"another object than was uploaded", "PHONE", alice.SelfSigning.Sign(phone.Keys.With("more", "x")), "M_INVALID_PARAM"},
			{"a device that is not there", "NOWHERE", alice.SelfSigning.Sign(phone.Keys), "M_NOT_FOUND"},
		}
		for _, tt := range refused {
			t.Run("J-09: refused: "+tt.name, func(t *testing.T) {
				a := sign(e.For(t), map[string]any{tt.target: tt.object})
				harness.ExpectJSON(t, a, http.StatusOK)
				wantAt(t, a, tt.code, "failures", aliceID, tt.target, "errcode")
			})
		}
		t.Run("J-09: of another user there is nothing to sign", func(t *testing.T) {
			a := phone.post(e.For(t), keysSignaturesPath, e2ekeystest.Object{"@bob:example.org": map[string]any{"KEY": e2ekeystest.Object{}}})
			harness.ExpectJSON(t, a, http.StatusOK)
			wantAt(t, a, "M_NOT_FOUND", "failures", "@bob:example.org", "KEY", "errcode")
		})
		t.Run("E-05: the signatures of a device go with it", func(t *testing.T) {
			e := e.For(t)
			e.As(tablet.tokens.Access, http.MethodPost, "/_matrix/client/v3/logout", "{}")
			a := phone.query(e, aliceID)
			harness.ExpectJSON(t, a, http.StatusOK)
			of, _ := at(a, "master_keys", aliceID, "signatures", aliceID).(map[string]any)
			if of[tablet.KeyID] != nil || of[phone.KeyID] == nil {
				t.Errorf("the master key has the signatures %v", of)
			}
		})
	})
}

func TestCrossSigningRefuses(t *testing.T) {
	e := harness.Start(t, unlimited)
	phone := newKeysDevice(e, "alice", "PHONE")
	alice := e2ekeystest.NewIdentity(t, aliceID)
	other := e2ekeystest.NewIdentity(t, aliceID)
	// A device that is called like a key could only be there before the key.
	e.LogIn("alice", urlSafe(t, &other).UserSigning.Public)
	tests := []struct {
		name   string
		body   e2ekeystest.Object
		status int
		code   string
	}{
		{"no key", e2ekeystest.Object{}, 400, "M_MISSING_PARAM"},
		{"a self-signing key without a master key", e2ekeystest.Object{"self_signing_key": alice.Upload()["self_signing_key"]}, 400, "M_MISSING_PARAM"},
		{"a self-signing key that is not signed", alice.Upload().With("self_signing_key", alice.SelfSigning.CrossSigningKey("self_signing")), 400, "M_INVALID_SIGNATURE"},
		{"a user-signing key that another key signed", alice.Upload().With("user_signing_key", other.Master.Sign(alice.UserSigning.CrossSigningKey("user_signing"))), 400, "M_INVALID_SIGNATURE"},
		{"a key of another user", e2ekeystest.NewIdentity(t, "@bob:example.org").Upload(), 400, "M_INVALID_PARAM"},
		{"a key that is a text", e2ekeystest.Object{"master_key": "key"}, 400, "M_INVALID_PARAM"},
		{"a key that is called like a device", other.Upload(), 403, "M_FORBIDDEN"},
	}
	for _, tt := range tests {
		t.Run("J-09: refused: "+tt.name, func(t *testing.T) {
			harness.ExpectMatrixError(t, phone.post(e.For(t), crossSigningPath, tt.body), tt.status, tt.code)
		})
	}
}

// urlSafe makes keys until one could be a device id in a scope.
func urlSafe(t *testing.T, i *e2ekeystest.Identity) *e2ekeystest.Identity {
	t.Helper()
	for strings.ContainsAny(i.UserSigning.Public, "+/") {
		i.UserSigning = e2ekeystest.NewSigner(t, i.UserSigning.UserID, "")
	}
	return i
}
