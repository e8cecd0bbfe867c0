package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"

	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/storetest"
)

// tokenRequest is the context of a request to the token endpoint by a client.
func (f *fixture) tokenRequest(c *store.Client) context.Context {
	request := fosite.NewAccessRequest(&store.Session{})
	request.Client = c
	return f.BeginExchange(context.WithValue(f.ctx, fosite.AccessRequestContextKey, fosite.AccessRequester(request)))
}

func sessionOf(t *testing.T, r fosite.Requester) *store.Session {
	t.Helper()
	s, ok := r.GetSession().(*store.Session)
	if !ok {
		t.Fatalf("a session of type %T", r.GetSession())
	}
	return s
}

func TestFositeCode(t *testing.T) {
	hash := string(secret.Hash("code"))
	each(t, func(f *fixture) {
		adapter, c, alice := store.Fosite{Store: f.Store}, f.client("App"), f.login("alice")
		id := f.code("code", c, "alice")
		ctx := f.tokenRequest(c)
		f.must(f.LoadCode(ctx, []byte(hash)))

		f.t.Run("what is known of a code", func(t *testing.T) {
			r, err := adapter.GetAuthorizeCodeSession(ctx, hash, nil)
			f.must(err)
			s := sessionOf(t, r)
			if r.GetID() != id || r.GetClient().GetID() != c.ID || !slices.Equal(r.GetGrantedScopes(), fosite.Arguments{"openid", "urn:matrix:client:device:D1"}) ||
				r.GetRequestForm().Get("redirect_uri") != "https://app.example/cb" || !r.GetRequestedAt().Equal(f.clock.Now()) {
				t.Errorf("request %+v", r)
			}
			if s.ID != id || s.UserID != "@alice:example.org" || s.DeviceID != "D1" || s.Login != alice || s.Nonce != "the nonce" || s.Rotation.Generation != 1 {
				t.Errorf("session %+v", s)
			}
			if s.GetSubject() != "@alice:example.org" || s.GetUsername() != "alice" || s.IDTokenClaims().Subject != "@alice:example.org" {
				t.Errorf("subject %q, username %q, claims %+v", s.GetSubject(), s.GetUsername(), s.IDTokenClaims())
			}
		})
		f.t.Run("L-03: its challenge stays as long as the code", func(t *testing.T) {
			f.must(adapter.DeletePKCERequestSession(ctx, hash))
			r, err := adapter.GetPKCERequestSession(ctx, hash, nil)
			f.must(err)
			if form := r.GetRequestForm(); form.Get("code_challenge") != "the challenge" || form.Get("code_challenge_method") != "S256" {
				t.Errorf("form %v", form)
			}
		})
		f.t.Run("it is an OpenID Connect request by its scope", func(t *testing.T) {
			with, without := &fosite.Request{GrantedScope: fosite.Arguments{"openid"}}, &fosite.Request{}
			if r, err := adapter.GetOpenIDConnectSession(ctx, "code", with); err != nil || r != with {
				t.Errorf("with openid: %v, error %v", r, err)
			}
			_, err := adapter.GetOpenIDConnectSession(ctx, "code", without)
			f.want("without openid", err, openid.ErrNoSessionFound)
		})
		f.t.Run("another code is not found", func(*testing.T) {
			for _, other := range []string{"", string(secret.Hash("other"))} {
				_, err := adapter.GetAuthorizeCodeSession(ctx, other, nil)
				f.want("code", err, fosite.ErrNotFound)
				_, err = adapter.GetPKCERequestSession(ctx, other, nil)
				f.want("challenge", err, fosite.ErrNotFound)
			}
			f.must(f.LoadCode(f.tokenRequest(c), secret.Hash("other")))
		})
		f.t.Run("D-17: nor is an expired one", func(*testing.T) {
			f.clock.Advance(time.Minute)
			_, err := adapter.GetAuthorizeCodeSession(ctx, hash, nil)
			f.want("code", err, fosite.ErrNotFound)
		})
	})
}

func TestFositeCodeReplay(t *testing.T) {
	hash := string(secret.Hash("code"))
	tests := []struct {
		name   string
		replay func(f *fixture, own, other *store.Client) context.Context
		want   error
		ended  string
	}{
		{"D-18: a code that comes back after it was redeemed ends its session", func(f *fixture, own, _ *store.Client) context.Context {
			f.clock.Advance(time.Millisecond)
			return f.tokenRequest(own)
		}, fosite.ErrInvalidatedAuthorizeCode, "code_replayed by server"},
		{"D-18: also long after its time", func(f *fixture, own, _ *store.Client) context.Context {
			f.clock.Advance(time.Hour)
			return f.tokenRequest(own)
		}, fosite.ErrInvalidatedAuthorizeCode, "code_replayed by server"},
		{"D-19: one that was on its way is merely void", func(f *fixture, own, _ *store.Client) context.Context { return f.tokenRequest(own) },
			fosite.ErrNotFound, ""},
		{"D-14: in the hands of another client it ends nothing", func(f *fixture, _, other *store.Client) context.Context {
			f.clock.Advance(time.Millisecond)
			return f.tokenRequest(other)
		}, fosite.ErrNotFound, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				adapter, own, other := store.Fosite{Store: f.Store}, f.client("App"), f.client("Other")
				alice := f.login("alice")
				g := grant{ID: f.code("code", own, "alice"), Access: secret.Bytes(32), Refresh: store.RefreshKey{Hash: secret.Bytes(32)}}
				f.must(adapter.InvalidateAuthorizeCodeSession(f.ctx, hash))
				f.must(f.startAs(g, alice, "D1", own.ID))

				ctx := tt.replay(f, own, other)
				f.must(f.LoadCode(ctx, []byte(hash)))
				r, err := adapter.GetAuthorizeCodeSession(ctx, hash, nil)
				f.want("replay", err, tt.want)
				if (r != nil) != errors.Is(tt.want, fosite.ErrInvalidatedAuthorizeCode) {
					f.t.Errorf("request %v: fosite needs one to revoke, and only then", r)
				}
				f.wantEnded("the session", g, tt.ended)
				if _, err := f.Device(f.ctx, "alice", "D1"); err != nil {
					f.t.Errorf("the device: %v", err)
				}
			})
		})
	}
}

// A whole exchange and a whole refresh, in the calls that fosite makes.
func TestFositeTokens(t *testing.T) {
	each(t, func(f *fixture) {
		adapter, c, alice := store.Fosite{Store: f.Store}, f.client("App"), f.login("alice")
		id := f.code("code", c, "alice")
		ctx := f.tokenRequest(c)
		f.must(f.LoadCode(ctx, secret.Hash("code")))
		r, err := adapter.GetAuthorizeCodeSession(ctx, string(secret.Hash("code")), nil)
		f.must(err)
		session := sessionOf(f.t, r)
		first := store.RefreshKey{SessionID: id, Generation: 1, Hash: secret.Bytes(32)}
		session.FirstRefresh, session.DeviceName = first.String(), "App"
		session.IssuedAt, session.ExpiresAt = f.clock.Now(), f.clock.Now().Add(5*time.Minute)
		session.RefreshExpiresAt = f.clock.Now().Add(time.Hour)
		f.must(f.InTx(ctx, func(ctx context.Context) error {
			return errors.Join(
				adapter.InvalidateAuthorizeCodeSession(ctx, string(secret.Hash("code"))),
				adapter.CreateAccessTokenSession(ctx, string(secret.Hash("A1")), r),
				adapter.CreateRefreshTokenSession(ctx, first.String(), "", r))
		}))

		f.t.Run("a code becomes a session with its tokens", func(t *testing.T) {
			r, err := adapter.GetAccessTokenSession(f.ctx, string(secret.Hash("A1")), nil)
			f.must(err)
			s := sessionOf(t, r)
			if r.GetID() != id || r.GetClient().GetID() != c.ID || !r.GetGrantedScopes().Has("openid", "urn:matrix:client:device:D1") || s.Login != alice ||
				!s.GetExpiresAt(fosite.AccessToken).Equal(f.clock.Now().Add(5*time.Minute)) {
				t.Errorf("request %+v, session %+v", r, s)
			}
			if d, err := f.Device(f.ctx, "alice", "D1"); err != nil || d.DisplayName != "App" || d.ClientID != c.ID {
				t.Errorf("device %+v, error %v", d, err)
			}
		})
		f.t.Run("a refresh token is exchanged for the next", func(t *testing.T) {
			ctx := f.tokenRequest(c)
			f.must(f.LoadRefresh(ctx, first))
			r, err := adapter.GetRefreshTokenSession(ctx, first.String(), nil)
			f.must(err)
			s := sessionOf(t, r)
			if r.GetID() != id || s.Presented.String() != first.String() || s.Rotation.Generation != 2 || !s.RefreshExpiresAt.Equal(f.clock.Now().Add(time.Hour)) {
				t.Errorf("request %+v, session %+v", r, s)
			}
			second := store.RefreshKey{SessionID: id, Generation: 2, Hash: secret.Bytes(32)}
			s.IssuedAt, s.ExpiresAt = f.clock.Now(), f.clock.Now().Add(5*time.Minute)
			f.must(f.InTx(ctx, func(ctx context.Context) error {
				return errors.Join(
					adapter.RotateRefreshToken(ctx, id, first.String()),
					adapter.CreateAccessTokenSession(ctx, string(secret.Hash("A2")), r),
					adapter.CreateRefreshTokenSession(ctx, second.String(), "", r))
			}))
			for _, access := range []string{"A1", "A2"} {
				if _, err := adapter.GetAccessTokenSession(f.ctx, string(secret.Hash(access)), nil); err != nil {
					t.Errorf("D-26: %s: %v", access, err)
				}
			}
			f.wantPresented("the next one", second, nil)
		})
	})
}

func TestFositeRefreshTokenThatIsNoGood(t *testing.T) {
	each(t, func(f *fixture) {
		adapter, c, other, alice := store.Fosite{Store: f.Store}, f.client("App"), f.client("Other"), f.login("alice")
		present := func(c *store.Client, key store.RefreshKey, signature string) (context.Context, fosite.Requester, error) {
			ctx := f.tokenRequest(c)
			f.must(f.LoadRefresh(ctx, key))
			r, err := adapter.GetRefreshTokenSession(ctx, signature, nil)
			return ctx, r, err
		}
		g := f.start(alice, "D1", c.ID)
		second, _ := f.rotate(g.Refresh)
		f.rotate(second)

		f.t.Run("what is no refresh token is not found", func(*testing.T) {
			for _, signature := range []string{"", "no key", store.RefreshKey{SessionID: "nothing", Generation: 1, Hash: secret.Bytes(32)}.String()} {
				_, r, err := present(c, g.Refresh, signature)
				f.want(signature, err, fosite.ErrNotFound)
				if r != nil {
					f.t.Errorf("%q: a request", signature)
				}
			}
		})
		f.t.Run("D-14: a reused one of another client ends nothing", func(*testing.T) {
			_, _, err := present(other, g.Refresh, g.Refresh.String())
			f.want("present", err, fosite.ErrNotFound)
			f.wantEnded("the session", g, "")
		})
		f.t.Run("D-25: a reused one comes with its request, and its session ends", func(t *testing.T) {
			ctx, r, err := present(c, g.Refresh, g.Refresh.String())
			f.want("present", err, fosite.ErrInactiveToken)
			if r == nil || r.GetID() != g.ID || r.GetSession() == nil {
				t.Fatalf("request %v", r)
			}
			f.must(f.InTx(ctx, func(ctx context.Context) error { // what fosite does then
				return errors.Join(adapter.DeleteRefreshTokenSession(ctx, g.Refresh.String()), adapter.RevokeRefreshToken(ctx, r.GetID()), adapter.RevokeAccessToken(ctx, r.GetID()))
			}))
			f.wantEnded("the session", g, "refresh_reused by server")
		})
		f.t.Run("one of an ended session is not found", func(*testing.T) {
			_, _, err := present(c, g.Refresh, g.Refresh.String())
			f.want("present", err, fosite.ErrNotFound)
		})
		f.t.Run("D-2D: nor is one of a legacy session", func(*testing.T) {
			legacy := f.start(alice, "D2", c.ID)
			f.exec("UPDATE sessions SET kind = 'legacy' WHERE id = ?", legacy.ID)
			_, _, err := present(c, legacy.Refresh, legacy.Refresh.String())
			f.want("present", err, fosite.ErrNotFound)
		})
	})
}

func TestFositeClient(t *testing.T) {
	each(t, func(f *fixture) {
		adapter, c := store.Fosite{Store: f.Store}, f.client("App")
		if got, err := adapter.GetClient(f.ctx, c.ID); err != nil || got.GetID() != c.ID {
			f.t.Errorf("client %v, error %v", got, err)
		}
		_, err := adapter.GetClient(f.ctx, "nobody")
		f.want("an unknown client", err, fosite.ErrNotFound)

		only := c.OnlyRedirecting("app:/cb")
		got, err := adapter.GetClient(f.WithClient(f.ctx, only), c.ID)
		if err != nil || !slices.Equal(got.GetRedirectURIs(), []string{"app:/cb"}) {
			f.t.Errorf("the client of the context: %v, error %v", got, err)
		}
		_, err = adapter.GetClient(f.WithClient(f.ctx, only), "nobody")
		f.want("another client than that of the context", err, fosite.ErrNotFound)

		f.want("a client assertion", adapter.ClientAssertionJWTValid(f.ctx, "jti"), fosite.ErrJTIKnown)
		f.want("a client assertion to remember", adapter.SetClientAssertionJWT(f.ctx, "jti", f.clock.Now()), fosite.ErrJTIKnown)
	})
}

func TestSessionClone(t *testing.T) {
	s := &store.Session{ID: "s", UserID: "@alice:example.org"}
	s.IDTokenClaims().AccessTokenHash = "hash"
	clone, ok := s.Clone().(*store.Session)
	if !ok || clone == s || clone.ID != "s" || clone.IDTokenClaims().AccessTokenHash != "" {
		t.Errorf("clone %+v", clone)
	}
	s.SetExpiresAt(fosite.AccessToken, storetest.Start)
	if !s.GetExpiresAt(fosite.AccessToken).IsZero() || !s.GetExpiresAt(fosite.RefreshToken).IsZero() {
		t.Error("fosite's clock decides about the end of a token")
	}
}
