package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/e2ekeys/e2ekeystest"
	"keymaker/internal/harness"
)

const (
	aliceID = "@alice:example.org"

	keysUploadPath     = "/_matrix/client/v3/keys/upload"
	keysQueryPath      = "/_matrix/client/v3/keys/query"
	keysClaimPath      = "/_matrix/client/v3/keys/claim"
	keysSignaturesPath = "/_matrix/client/v3/keys/signatures/upload"
	crossSigningPath   = "/_matrix/client/v3/keys/device_signing/upload"
)

// keysDevice is a device that is logged in and has keys.
type keysDevice struct {
	e *harness.Env
	e2ekeystest.Device
	tokens harness.Tokens
}

// newKeysDevice logs in and uploads nothing.
func newKeysDevice(e *harness.Env, user, id string) keysDevice {
	e.T.Helper()
	return keysDevice{e: e, Device: e2ekeystest.NewDevice(e.T, "@"+user+":example.org", id), tokens: e.LogIn(user, id)}
}

func (d keysDevice) post(e *harness.Env, path string, body e2ekeystest.Object) harness.Answer {
	return e.As(d.tokens.Access, http.MethodPost, path, body.JSON())
}

// upload uploads the device's keys, with one-time keys of these ids.
func (d keysDevice) upload(e *harness.Env, ids ...string) harness.Answer {
	oneTime := map[string]any{}
	for _, id := range ids {
		oneTime["signed_curve25519:"+id] = d.OneTimeKey("key " + id)
	}
	return d.post(e, keysUploadPath, e2ekeystest.Object{"device_keys": d.Keys, "one_time_keys": oneTime})
}

// query asks for what there is of a user.
func (d keysDevice) query(e *harness.Env, user string, devices ...string) harness.Answer {
	if devices == nil {
		devices = []string{}
	}
	return d.post(e, keysQueryPath, e2ekeystest.Object{"device_keys": map[string]any{user: devices}})
}

// at is a member of a JSON object, found by a path of names.
func at(a harness.Answer, names ...string) any {
	var value any = a.JSON()
	for _, name := range names {
		members, _ := value.(map[string]any)
		value = members[name]
	}
	return value
}

func wantAt(t *testing.T, a harness.Answer, want any, names ...string) {
	t.Helper()
	if diff := cmp.Diff(want, at(a, names...)); diff != "" {
		t.Errorf("%s: -want +got:\n%s", strings.Join(names, " "), diff)
	}
}

func TestKeys(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		phone, tablet := newKeysDevice(e, "alice", "PHONE"), newKeysDevice(e, "alice", "TABLET")
		bobs := newKeysDevice(e, "bob", "BOBS")
		t.Run("device keys are taken, and one-time keys counted", func(t *testing.T) {
			a := phone.upload(e.For(t), "A", "B")
			harness.ExpectJSON(t, a, http.StatusOK)
			wantAt(t, a, float64(2), "one_time_key_counts", "signed_curve25519")
		})
		t.Run("the same upload again changes nothing", func(t *testing.T) {
			wantAt(t, phone.upload(e.For(t), "A", "B"), float64(2), "one_time_key_counts", "signed_curve25519")
		})
		t.Run("another one-time key of the same name is refused", func(t *testing.T) {
			other := e2ekeystest.Object{"one_time_keys": map[string]any{"signed_curve25519:A": phone.OneTimeKey("other")}}
			harness.ExpectMatrixError(t, phone.post(e.For(t), keysUploadPath, other), http.StatusBadRequest, "M_UNKNOWN")
		})
		t.Run("device keys are shown with the name of the device", func(t *testing.T) {
			a := tablet.query(e.For(t), aliceID)
			harness.ExpectJSON(t, a, http.StatusOK)
			wantAt(t, a, phone.Public, "device_keys", aliceID, "PHONE", "keys", "ed25519:PHONE")
			wantAt(t, a, "My App", "device_keys", aliceID, "PHONE", "unsigned", "device_display_name")
			wantAt(t, a, nil, "device_keys", aliceID, "TABLET")
		})
		t.Run("a device that is not named is not shown", func(t *testing.T) {
			e := e.For(t)
			wantAt(t, tablet.query(e, aliceID, "PHONE"), phone.Public, "device_keys", aliceID, "PHONE", "keys", "ed25519:PHONE")
			wantAt(t, tablet.query(e, aliceID, "OTHER"), map[string]any{}, "device_keys", aliceID)
		})
		t.Run("nobody sees the keys of another user, and no other server is asked", func(t *testing.T) {
			a := bobs.post(e.For(t), keysQueryPath, e2ekeystest.Object{"device_keys": map[string]any{aliceID: []any{}, "@x:elsewhere.example": []any{}}})
			harness.ExpectJSON(t, a, http.StatusOK)
			wantAt(t, a, map[string]any{aliceID: map[string]any{}}, "device_keys")
			wantAt(t, a, map[string]any{"elsewhere.example": map[string]any{}}, "failures")
		})
		t.Run("each one-time key is given out once, the oldest first, and the fallback key ever after", func(t *testing.T) {
			e := e.For(t)
			fallback := e2ekeystest.Object{"fallback_keys": map[string]any{"signed_curve25519:F": phone.Sign(e2ekeystest.Object{"key": "fallback", "fallback": true})}}
			harness.ExpectJSON(t, phone.post(e, keysUploadPath, fallback), http.StatusOK)
			for _, want := range []string{"key A", "key B", "fallback", "fallback"} {
				a := tablet.post(e, keysClaimPath, claimOf("PHONE"))
				harness.ExpectJSON(t, a, http.StatusOK)
				if keys := at(a, "one_time_keys", aliceID, "PHONE"); !strings.Contains(fmt.Sprint(keys), "key:"+want) {
					t.Errorf("claimed %v, want %q", keys, want)
				}
			}
		})
		t.Run("nobody takes the keys of another user, nor of a device that has none", func(t *testing.T) {
			e := e.For(t)
			wantAt(t, bobs.post(e, keysClaimPath, claimOf("PHONE")), map[string]any{}, "one_time_keys")
			wantAt(t, phone.post(e, keysClaimPath, claimOf("TABLET")), map[string]any{aliceID: map[string]any{}}, "one_time_keys")
		})
		t.Run("E-05: a revoked device is gone with its keys", func(t *testing.T) {
			e := e.For(t)
			harness.ExpectJSON(t, tablet.upload(e, "A"), http.StatusOK)
			wantAt(t, phone.query(e, aliceID), tablet.Public, "device_keys", aliceID, "TABLET", "keys", "ed25519:TABLET")
			e.Form(revokePath, map[string][]string{"token": {tablet.tokens.Refresh}})
			a := phone.query(e, aliceID)
			harness.ExpectJSON(t, a, http.StatusOK)
			wantAt(t, a, nil, "device_keys", aliceID, "TABLET")
			wantAt(t, phone.post(e, keysClaimPath, claimOf("TABLET")), map[string]any{aliceID: map[string]any{}}, "one_time_keys")
		})
		t.Run("C-63: a new authorization of a device keeps its keys", func(t *testing.T) {
			e := e.For(t)
			again := keysDevice{e: e, Device: phone.Device, tokens: e.LogIn("alice", "PHONE")}
			wantAt(t, again.query(e, aliceID), phone.Public, "device_keys", aliceID, "PHONE", "keys", "ed25519:PHONE")
			harness.ExpectMatrixError(t, e.WhoAmI(phone.tokens.Access), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
		})
	})
}

func claimOf(device string) e2ekeystest.Object {
	return e2ekeystest.Object{"one_time_keys": map[string]any{aliceID: map[string]any{device: "signed_curve25519"}}}
}

func TestKeysAreClaimedOnceByManyAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, e *harness.Env) {
		phone := newKeysDevice(e, "alice", "PHONE")
		t.Run("of many who claim at once each gets another key", func(t *testing.T) {
			e := e.For(t)
			ids := strings.Split("ABCDEFGHIJ", "")
			harness.ExpectJSON(t, phone.upload(e, ids...), http.StatusOK)
			answers := make([]harness.Answer, len(ids))
			var all sync.WaitGroup
			for i := range ids {
				all.Go(func() {
					header := map[string]string{"Authorization": "Bearer " + phone.tokens.Access}
					answers[i], _ = e.Try(http.MethodPost, keysClaimPath, header, claimOf("PHONE").JSON())
				})
			}
			all.Wait()
			seen := map[string]bool{}
			for _, a := range answers {
				keys, _ := at(a, "one_time_keys", aliceID, "PHONE").(map[string]any)
				for name := range keys {
					seen[name] = true
				}
			}
			if len(seen) != len(ids) {
				t.Errorf("%d of %d keys were given out", len(seen), len(ids))
			}
		})
	})
}

func TestKeysRefuse(t *testing.T) {
	e := harness.Start(t, unlimited)
	phone := newKeysDevice(e, "alice", "PHONE")
	oneTime := func(name string, key any) e2ekeystest.Object {
		return e2ekeystest.Object{"one_time_keys": map[string]any{name: key}}
	}
	device := func(o e2ekeystest.Object) e2ekeystest.Object { return e2ekeystest.Object{"device_keys": o} }
	many := map[string]any{}
	for i := range 201 {
		many[fmt.Sprintf("curve25519:%d", i)] = "key"
	}
	tests := []struct {
		name, path string
		body       e2ekeystest.Object
		status     int
		code       string
	}{
		{"the keys of another device", keysUploadPath, device(e2ekeystest.NewDevice(t, aliceID, "OTHER").Keys), 400, "M_INVALID_PARAM"},
		{"the keys of another user", keysUploadPath, device(e2ekeystest.NewDevice(t, "@bob:example.org", "PHONE").Keys), 400, "M_INVALID_PARAM"},
		{"device keys that are not signed", keysUploadPath, device(phone.Keys.With("signatures", nil)), 400, "M_INVALID_SIGNATURE"},
		{"device keys that were changed", keysUploadPath, device(phone.Keys.With("more", "x")), 400, "M_INVALID_SIGNATURE"},
		{"a one-time key without a name", keysUploadPath, oneTime("curve25519", "key"), 400, "M_INVALID_PARAM"},
		{"a one-time key that is a list", keysUploadPath, oneTime("curve25519:A", []any{}), 400, "M_INVALID_PARAM"},
		{"a one-time key with a NUL", keysUploadPath, oneTime("curve25519:A", "\x00"), 400, "M_INVALID_PARAM"},
		{"too many one-time keys", keysUploadPath, e2ekeystest.Object{"one_time_keys": many}, 400, "M_INVALID_PARAM"},
		{"one-time keys that are a text", keysUploadPath, e2ekeystest.Object{"one_time_keys": "all"}, 400, "M_BAD_JSON"},
		{"an upload that is too large", keysUploadPath, e2ekeystest.Object{"one_time_keys": strings.Repeat("x", 64<<10)}, 413, "M_TOO_LARGE"},
		{"a query of nobody", keysQueryPath, e2ekeystest.Object{}, 400, "M_MISSING_PARAM"},
		{"a query of a name that is no user ID", keysQueryPath, e2ekeystest.Object{"device_keys": map[string]any{"alice": []any{}}}, 400, "M_INVALID_PARAM"},
		{"a claim of nothing", keysClaimPath, e2ekeystest.Object{}, 400, "M_MISSING_PARAM"},
		{"a claim of a name that is no user ID", keysClaimPath, e2ekeystest.Object{"one_time_keys": map[string]any{"alice": map[string]any{}}}, 400, "M_INVALID_PARAM"},
		{"signatures that are a list", keysSignaturesPath, e2ekeystest.Object{aliceID: []any{}}, 400, "M_BAD_JSON"},
	}
	for _, tt := range tests {
		t.Run("refused: "+tt.name, func(t *testing.T) {
			harness.ExpectMatrixError(t, phone.post(e.For(t), tt.path, tt.body), tt.status, tt.code)
		})
	}
	for _, path := range []string{keysUploadPath, keysQueryPath, keysClaimPath, keysSignaturesPath, crossSigningPath} {
		t.Run(""+path+" wants an access token", func(t *testing.T) {
			harness.ExpectMatrixError(t, e.For(t).Do(http.MethodPost, path, nil, "{}"), http.StatusUnauthorized, "M_MISSING_TOKEN")
		})
	}
	t.Run("a device keeps at most five hundred one-time keys", func(t *testing.T) {
		e, status := e.For(t), http.StatusOK
		for round := range 4 {
			more := map[string]any{}
			for i := range 150 {
				more[fmt.Sprintf("curve25519:%d-%d", round, i)] = "key"
			}
			status = phone.post(e, keysUploadPath, e2ekeystest.Object{"one_time_keys": more}).Status
			if round < 3 && status != http.StatusOK {
				t.Fatalf("round %d: status %d", round, status)
			}
		}
		if status != http.StatusTooManyRequests {
			t.Errorf("status %d", status)
		}
	})
}
