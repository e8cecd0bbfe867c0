package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/secret"
	"keymaker/store"
)

func TestConfigure(t *testing.T) {
	wiki := store.NewClient{ID: "wiki", Metadata: []byte(appMetadata), SecretHash: secret.Hash("x")}
	each(t, func(f *fixture) {
		registered := f.client("App")
		err := f.Configure(f.ctx, []store.NewClient{wiki, {ID: registered.ID, Metadata: []byte(appMetadata)}})
		f.want("configure the id of a registered client", err, store.ErrClientRegistered)
		f.must(f.Configure(f.ctx, []store.NewClient{wiki}))

		c, err := f.Client(f.ctx, "wiki")
		f.must(err)
		if !c.Configured() || c.ApplicationType() != "native" || string(c.GetHashedSecret()) != string(secret.Hash("x")) {
			f.t.Errorf("configured as %+v", c)
		}
		if c, err := f.Client(f.ctx, registered.ID); err != nil || c.Configured() {
			f.t.Errorf("a registered client is configured, or gone: %v", err)
		}
		_, err = f.Register(f.ctx, store.NewClient{ID: "wiki", Metadata: []byte(appMetadata)})
		f.want("register the id of a configured client", err, store.ErrExists)
	})
}

func TestOrphans(t *testing.T) {
	wiki := store.NewClient{ID: "wiki", Metadata: []byte(appMetadata)}
	each(t, func(f *fixture) {
		f.must(f.Configure(f.ctx, []store.NewClient{wiki}))
		alice := f.login("alice")
		g := f.start(alice, "D1", "wiki")
		f.start(alice, "D2", f.client("App").ID)
		f.start(alice, "D3", "")
		check := func(when string, gone bool, want ...store.Orphan) {
			f.t.Helper()
			orphans, err := f.Orphans(f.ctx)
			f.must(err)
			if diff := cmp.Diff(want, orphans); diff != "" {
				f.t.Errorf("%s (-want +got):\n%s", when, diff)
			}
			session, err := f.AccessToken(f.ctx, g.Access)
			f.must(err)
			if session.ClientGone != gone || session.Ended {
				f.t.Errorf("%s: client gone %v, ended %v", when, session.ClientGone, session.Ended)
			}
		}
		check("while it is configured", false)
		f.must(f.Configure(f.ctx, nil))
		check("after its removal", true, store.Orphan{ClientID: "wiki", Sessions: 1, Newest: f.clock.Now()})
		f.must(f.Configure(f.ctx, []store.NewClient{wiki}))
		check("back again", false)
	})
}
