package store_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

func TestAuthorizationRequest(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		request := store.AuthorizationRequest{Kind: store.RequestOAuth, ClientID: "c1", Params: []byte(`{"state":"s"}`), ExpiresAt: f.clock.Now().Add(time.Minute)}
		id, err := f.Begin(f.ctx, "browser", request)
		f.must(err)

		f.t.Run("it comes back to the browser that began it", func(t *testing.T) {
			got, err := f.Request(f.ctx, "browser", id)
			if err != nil || got.Kind != request.Kind || got.ClientID != "c1" || string(got.Params) != `{"state":"s"}` || !got.ExpiresAt.Equal(request.ExpiresAt) || got.Login != nil {
				t.Errorf("got %+v, error %v", got, err)
			}
		})
		f.t.Run("C-62: to another browser it does not exist", func(*testing.T) {
			_, err := f.Request(f.ctx, "other browser", id)
			f.want("read", err, store.ErrNotFound)
			f.want("sign in", f.SignedIn(f.ctx, "other browser", id, alice), store.ErrNotFound)
			f.want("complete", f.Complete(f.ctx, "other browser", id), store.ErrConflict)
			_, err = f.Request(f.ctx, "browser", id)
			f.want("read by its own browser afterwards", err, nil)
		})
		f.t.Run("who signed in is noted", func(t *testing.T) {
			f.must(f.SignedIn(f.ctx, "browser", id, alice))
			got, err := f.Request(f.ctx, "browser", id)
			want := alice
			want.BrowserHash = string(secret.Hash("browser"))
			if err != nil || got.Login == nil || *got.Login != want {
				t.Errorf("login %+v, error %v, want %+v", got.Login, err, want)
			}
		})
		f.t.Run("C-69: of many answers one counts", func(t *testing.T) {
			wantOnce(t, together(50, func(int) error { return f.Complete(f.ctx, "browser", id) }), store.ErrConflict)
			_, err := f.Request(f.ctx, "browser", id)
			f.want("read", err, store.ErrConflict)
			f.want("sign in", f.SignedIn(f.ctx, "browser", id, alice), store.ErrNotFound)
		})
		f.t.Run("it ends with its time", func(*testing.T) {
			id, err := f.Begin(f.ctx, "browser", request)
			f.must(err)
			f.clock.Advance(time.Minute - time.Millisecond)
			_, err = f.Request(f.ctx, "browser", id)
			f.want("the last moment", err, nil)
			f.clock.Advance(time.Millisecond)
			_, err = f.Request(f.ctx, "browser", id)
			f.want("read", err, store.ErrNotFound)
			f.want("sign in", f.SignedIn(f.ctx, "browser", id, alice), store.ErrNotFound)
		})
	})
}

func TestUpstreamLogin(t *testing.T) {
	maxAge := int64(60)
	login := store.UpstreamLogin{ProviderID: "idp", RequestID: "the request", Verifier: "the verifier", Nonce: "the nonce", MaxAge: &maxAge, Fresh: true}
	each(t, func(f *fixture) {
		begin := func(state string) {
			f.t.Helper()
			f.must(f.BeginUpstream(f.ctx, "browser", state, login, f.clock.Now().Add(time.Minute)))
		}
		f.t.Run("it comes back once, as it went", func(t *testing.T) {
			begin("s1")
			got, err := f.TakeUpstream(f.ctx, "browser", "idp", "s1")
			if err != nil || got.RequestID != login.RequestID || got.Verifier != login.Verifier || got.Nonce != login.Nonce ||
				got.MaxAge == nil || *got.MaxAge != maxAge || !got.Fresh || got.WithoutPKCE || !got.StartedAt.Equal(f.clock.Now()) {
				t.Errorf("got %+v, error %v", got, err)
			}
			_, err = f.TakeUpstream(f.ctx, "browser", "idp", "s1")
			f.want("take it again", err, store.ErrNotFound)
		})
		f.t.Run("it does not come back to anybody else, and stays for its own", func(t *testing.T) {
			begin("s2")
			for _, other := range [][3]string{{"other browser", "idp", "s2"}, {"browser", "other idp", "s2"}, {"browser", "idp", "other state"}} {
				_, err := f.TakeUpstream(f.ctx, other[0], other[1], other[2])
				f.want(fmt.Sprint("take by ", other), err, store.ErrNotFound)
			}
			_, err := f.TakeUpstream(f.ctx, "browser", "idp", "s2")
			f.want("take by its own", err, nil)
		})
		f.t.Run("it ends with its time", func(*testing.T) {
			begin("s3")
			f.clock.Advance(time.Minute)
			_, err := f.TakeUpstream(f.ctx, "browser", "idp", "s3")
			f.want("take", err, store.ErrNotFound)
		})
		f.t.Run("of many callbacks at once one gets it", func(t *testing.T) {
			begin("s4")
			wantOnce(t, together(50, func(int) error {
				_, err := f.TakeUpstream(f.ctx, "browser", "idp", "s4")
				return err
			}), store.ErrNotFound)
		})
		f.t.Run("a row moved to another provider does not open", func(t *testing.T) {
			begin("s5")
			f.exec("UPDATE upstream_logins SET provider_id = 'evil'")
			_, err := f.TakeUpstream(f.ctx, "browser", "evil", "s5")
			f.want("take", err, store.ErrUnavailable)
		})
	})
}

func TestLoginToken(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		add := func(token string) {
			f.t.Helper()
			f.must(f.AddLoginToken(f.ctx, token, alice, f.clock.Now().Add(time.Minute)))
		}
		f.t.Run("it names the login until it is taken", func(t *testing.T) {
			add("t1")
			if got, err := f.LoginToken(f.ctx, "t1"); err != nil || got != alice {
				t.Errorf("got %+v, error %v, want %+v", got, err, alice)
			}
			f.must(f.TakeLoginToken(f.ctx, "t1"))
			_, err := f.LoginToken(f.ctx, "t1")
			f.want("read", err, store.ErrNotFound)
			f.want("take", f.TakeLoginToken(f.ctx, "t1"), store.ErrNotFound)
		})
		f.t.Run("I-08: of many uses at once one succeeds", func(t *testing.T) {
			add("t2")
			wantOnce(t, together(100, func(int) error { return f.TakeLoginToken(f.ctx, "t2") }), store.ErrNotFound)
		})
		f.t.Run("I-08: it ends with its time", func(*testing.T) {
			add("t3")
			f.clock.Advance(time.Minute)
			_, err := f.LoginToken(f.ctx, "t3")
			f.want("read", err, store.ErrNotFound)
			f.want("take", f.TakeLoginToken(f.ctx, "t3"), store.ErrNotFound)
		})
	})
}

func TestBrowserSession(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		f.must(f.SignInBrowser(f.ctx, "cookie", alice, f.clock.Now().Add(time.Hour)))
		if got, err := f.BrowserSession(f.ctx, "cookie"); err != nil || got != alice {
			f.t.Errorf("got %+v, error %v, want %+v", got, err, alice)
		}
		_, err := f.BrowserSession(f.ctx, "other cookie")
		f.want("another cookie", err, store.ErrNotFound)

		f.must(f.SignInBrowser(f.ctx, "cookie 2", alice, f.clock.Now().Add(time.Hour)))
		f.must(f.SignOutBrowser(f.ctx, "cookie 2"))
		f.want("sign out twice", f.SignOutBrowser(f.ctx, "cookie 2"), nil)
		_, err = f.BrowserSession(f.ctx, "cookie 2")
		f.want("after signing out", err, store.ErrNotFound)

		f.clock.Advance(time.Hour)
		_, err = f.BrowserSession(f.ctx, "cookie")
		f.want("after its time", err, store.ErrNotFound)
	})
}

func TestSealedStateIsNotReadable(t *testing.T) {
	each(t, func(f *fixture) {
		f.must(f.BeginUpstream(f.ctx, "browser", "state", store.UpstreamLogin{ProviderID: "idp", RequestID: "request", Verifier: "verifier", Nonce: "nonce"},
			f.clock.Now().Add(time.Minute)))
		_, reader := f.SQL(f.t)
		var sealed []byte
		f.must(reader.QueryRow("SELECT state_sealed FROM upstream_logins").Scan(&sealed))
		for _, plain := range []string{"request", "verifier", "nonce"} {
			if bytes.Contains(sealed, []byte(plain)) {
				f.t.Errorf("%q can be read in the row", plain)
			}
		}
	})
}
