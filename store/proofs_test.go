package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"keymaker/store"
)

// proofOf is alice's proof in a browser.
func proofOf(browser string) store.ProofKey {
	return store.ProofKey{Browser: browser, Localpart: "alice", Purpose: "purpose", Detail: "detail"}
}

func TestProofIsForOneChange(t *testing.T) {
	tests := []struct {
		name   string
		change func(k *store.ProofKey)
		wait   time.Duration
		want   error
	}{
		{"it permits what it was made for", func(*store.ProofKey) {}, 0, nil},
		{"for ten minutes", func(*store.ProofKey) {}, store.ProofLife - time.Millisecond, nil},
		{"and not longer", func(*store.ProofKey) {}, store.ProofLife, store.ErrNotFound},
		{"not in another browser", func(k *store.ProofKey) { k.Browser = "another" }, 0, store.ErrNotFound},
		{"not in a browser without a cookie", func(k *store.ProofKey) { k.Browser = "" }, 0, store.ErrNotFound},
		{"not for another purpose", func(k *store.ProofKey) { k.Purpose = "another" }, 0, store.ErrNotFound},
		{"not for another detail", func(k *store.ProofKey) { k.Detail = "another" }, 0, store.ErrNotFound},
		{"not for no detail", func(k *store.ProofKey) { k.Detail = "" }, 0, store.ErrNotFound},
		{"not for another account", func(k *store.ProofKey) { k.Localpart = "bob" }, 0, store.ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				alice := f.login("alice")
				f.login("bob")
				f.must(f.AddProof(f.ctx, proofOf("browser"), alice))
				k := proofOf("browser")
				tt.change(&k)
				f.clock.Advance(tt.wait)
				seen, err := f.Proof(f.ctx, k)
				f.want("look", err, tt.want)
				taken, err := f.TakeProof(f.ctx, k)
				f.want("take", err, tt.want)
				if seen != taken || err == nil && (taken.ProviderID != "idp" || taken.UpstreamSubject != "alice" || !taken.AuthTime.Equal(alice.AuthTime)) {
					f.t.Errorf("seen %+v, taken %+v", seen, taken)
				}
				_, err = f.TakeProof(f.ctx, k)
				f.want("take again", err, store.ErrNotFound)
			})
		})
	}
}

func TestProofIsTakenOnce(t *testing.T) {
	each(t, func(f *fixture) {
		f.must(f.AddProof(f.ctx, proofOf("browser"), f.login("alice")))
		servers := []*store.Store{f.Store, f.again()}
		wantOnce(f.t, together(20, func(i int) error {
			_, err := servers[i%2].TakeProof(f.ctx, proofOf("browser"))
			return err
		}), store.ErrNotFound)
	})
}

func TestProofOutlivesAChangeThatFails(t *testing.T) {
	each(t, func(f *fixture) {
		f.must(f.AddProof(f.ctx, proofOf("browser"), f.login("alice")))
		failed := errors.New("the change failed")
		err := f.InTx(f.ctx, func(ctx context.Context) error {
			_, err := f.TakeProof(ctx, proofOf("browser"))
			return errors.Join(err, failed)
		})
		f.want("change", err, failed)
		_, err = f.TakeProof(f.ctx, proofOf("browser"))
		f.want("take", err, nil)
	})
}

func TestLaterProofReplacesTheEarlier(t *testing.T) {
	each(t, func(f *fixture) {
		alice := f.login("alice")
		f.must(f.AddProof(f.ctx, proofOf("browser"), alice))
		f.clock.Advance(store.ProofLife - time.Second)
		alice.UpstreamSubject = "another"
		f.must(f.AddProof(f.ctx, proofOf("browser"), alice))
		f.clock.Advance(time.Minute)
		got, err := f.TakeProof(f.ctx, proofOf("browser"))
		f.want("take", err, nil)
		if got.UpstreamSubject != "another" {
			f.t.Errorf("the proof is of %q", got.UpstreamSubject)
		}
		_, err = f.TakeProof(f.ctx, proofOf("browser"))
		f.want("take again", err, store.ErrNotFound)
	})
}

func TestWhatEndsAProof(t *testing.T) {
	deactivate := func(localpart string) func(f *fixture) error {
		return func(f *fixture) error {
			_, err := f.DeactivateUser(f.ctx, localpart)
			return err
		}
	}
	tests := []struct {
		name string
		end  func(f *fixture) error
		kept bool
	}{
		{"closing the account", deactivate("alice"), false},
		{"signing out everywhere", func(f *fixture) error {
			_, err := f.SignOutUser(f.ctx, "alice", store.End{})
			return err
		}, false},
		{"signing out elsewhere, from another browser", func(f *fixture) error {
			return f.SignOutElsewhere(f.ctx, store.Login{Localpart: "alice", BrowserHash: "another"}, "")
		}, false},
		{"another account's end", deactivate("bob"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				f.login("bob")
				f.must(f.AddProof(f.ctx, proofOf("browser"), f.login("alice")))
				f.must(tt.end(f))
				_, err := f.TakeProof(f.ctx, proofOf("browser"))
				f.want("take", err, map[bool]error{true: nil, false: store.ErrNotFound}[tt.kept])
			})
		})
	}
}

func TestDemandIsMet(t *testing.T) {
	demanded := store.ProofDemand{Localpart: "alice", Issuer: "https://idp.example", Subject: "1"}
	tests := []struct {
		name   string
		demand store.ProofDemand
		login  store.Login
		want   bool
	}{
		{"by the very account", demanded, store.Login{Localpart: "alice", UpstreamIssuer: "https://idp.example", UpstreamSubject: "1"}, true},
		{"not by another subject", demanded, store.Login{Localpart: "alice", UpstreamIssuer: "https://idp.example", UpstreamSubject: "2"}, false},
		{"not by the subject at another issuer", demanded, store.Login{Localpart: "alice", UpstreamIssuer: "https://evil.example", UpstreamSubject: "1"}, false},
		{"not by an account that is not linked any more", demanded, store.Login{UpstreamIssuer: "https://idp.example", UpstreamSubject: "1"}, false},
		{"by any linked account where none is named", store.ProofDemand{Localpart: "alice"}, store.Login{Localpart: "alice", UpstreamSubject: "7"}, true},
		{"not by another's", store.ProofDemand{Localpart: "alice"}, store.Login{Localpart: "bob", UpstreamSubject: "7"}, false},
		{"not by nobody's", store.ProofDemand{Localpart: "alice"}, store.Login{UpstreamSubject: "7"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.demand.Met(tt.login); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
