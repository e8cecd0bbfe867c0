package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

const appMetadata = `{"client_name":"App","redirect_uris":["https://app.example/cb","app:/cb"],"grant_types":["authorization_code","refresh_token"],` +
	`"response_types":["code"],"token_endpoint_auth_method":"none","application_type":"native","id_token_signed_response_alg":"ES256"}`

func TestClient(t *testing.T) {
	each(t, func(f *fixture) {
		registered, err := f.Register(f.ctx, store.NewClient{ID: "c1", Metadata: []byte(appMetadata), MetadataHash: secret.Hash(appMetadata)})
		f.must(err)
		read, err := f.Client(f.ctx, "c1")
		f.must(err)
		for _, c := range []*store.Client{registered, read} {
			if c.GetID() != "c1" || string(c.Metadata) != appMetadata || !c.CreatedAt.Equal(f.clock.Now()) || c.GetHashedSecret() != nil {
				f.t.Errorf("got %+v", c)
			}
			if !slices.Equal(c.GetRedirectURIs(), []string{"https://app.example/cb", "app:/cb"}) || !c.GetGrantTypes().Has("authorization_code", "refresh_token") ||
				!c.GetResponseTypes().ExactOne("code") || !c.IsPublic() || c.ApplicationType() != "native" || c.IDTokenAlg() != "ES256" {
				f.t.Errorf("metadata read as %+v", c)
			}
		}
		if only := read.OnlyRedirecting("app:/cb"); !slices.Equal(only.GetRedirectURIs(), []string{"app:/cb"}) || len(read.GetRedirectURIs()) != 2 {
			f.t.Errorf("restricted to %v, and the client itself to %v", only.GetRedirectURIs(), read.GetRedirectURIs())
		}
		_, err = f.Client(f.ctx, "nobody")
		f.want("an unknown client", err, store.ErrNotFound)
	})
}

func TestRegister(t *testing.T) {
	public := func(id string) store.NewClient {
		return store.NewClient{ID: id, Metadata: []byte(appMetadata), MetadataHash: secret.Hash(appMetadata)}
	}
	confidential := func(id string) store.NewClient {
		return store.NewClient{ID: id, Metadata: []byte(appMetadata), SecretHash: secret.Hash(id)}
	}
	each(t, func(f *fixture) {
		f.t.Run("B-41: the same metadata give the same client", func(t *testing.T) {
			first, err := f.Register(f.ctx, public("first"))
			f.must(err)
			f.clock.Advance(time.Hour)
			second, err := f.Register(f.ctx, public("second"))
			f.must(err)
			if second.ID != "first" || !second.CreatedAt.Equal(first.CreatedAt) {
				t.Errorf("the second registration is %s of %v, want first of %v", second.ID, second.CreatedAt, first.CreatedAt)
			}
			_, err = f.Client(f.ctx, "second")
			f.want("the client that was not made", err, store.ErrNotFound)
		})
		f.t.Run("B-41: many at once end with one client", func(t *testing.T) {
			other := secret.Hash("other")
			ids := make([]string, 50)
			wantAll(t, together(len(ids), func(i int) error {
				c, err := f.Register(f.ctx, store.NewClient{ID: fmt.Sprint("other", i), Metadata: []byte(appMetadata), MetadataHash: other})
				if err == nil {
					ids[i] = c.ID
				}
				return err
			}))
			if slices.Sort(ids); ids[0] != ids[len(ids)-1] {
				t.Errorf("clients %v", slices.Compact(ids))
			}
		})
		f.t.Run("a client with a secret is never shared", func(t *testing.T) {
			for _, id := range []string{"secret1", "secret2"} {
				c, err := f.Register(f.ctx, confidential(id))
				f.must(err)
				read, err := f.Client(f.ctx, id)
				f.must(err)
				if c.ID != id || string(read.GetHashedSecret()) != string(secret.Hash(id)) {
					t.Errorf("%s became %s with secret hash %x", id, c.ID, read.GetHashedSecret())
				}
			}
		})
		f.t.Run("an id that is taken", func(*testing.T) {
			_, err := f.Register(f.ctx, confidential("secret1"))
			f.want("register", err, store.ErrExists)
		})
	})
}

func TestHasGrants(t *testing.T) {
	each(t, func(f *fixture) {
		c, alice := f.client("App"), f.login("alice")
		check := func(when string, want bool) {
			f.t.Helper()
			if got, err := f.HasGrants(f.ctx, c.ID); err != nil || got != want {
				f.t.Errorf("%s: %v, error %v, want %v", when, got, err, want)
			}
		}
		check("before any", false)
		g := f.start(alice, "D1", c.ID)
		f.start(alice, "D2", "another client")
		check("with one", true)
		f.must(f.EndSession(f.ctx, g.ID, store.End{Reason: store.EndLogout, Actor: store.ActorUser}))
		check("after its end", false)
		f.must(f.Consent(f.ctx, "alice", c.ID, []string{"openid"}))
		check("with a consent that is remembered", true)
	})
}
