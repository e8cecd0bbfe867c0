package store_test

import (
	"testing"
	"time"

	"keymaker/store"
)

// waiting is a session of alice that waits for an approval.
func (f *fixture) waiting(l store.Login, device string) (id string, x store.UIASession) {
	f.t.Helper()
	g := f.start(l, device, f.client("App").ID)
	id, err := f.BeginUIA(f.ctx, l.Localpart, g.ID)
	f.must(err)
	x, err = f.UIASession(f.ctx, id)
	f.must(err)
	return id, x
}

func resetProof(x store.UIASession) store.ProofKey {
	return store.ProofKey{Browser: "browser", Localpart: x.Login.Localpart, Purpose: "reset", Detail: x.SessionID}
}

// approve proves and approves.
func (f *fixture) approve(x store.UIASession) {
	f.t.Helper()
	f.must(f.AddProof(f.ctx, resetProof(x), x.Login))
	f.must(f.ApproveReset(f.ctx, resetProof(x), x))
}

func TestUIASession(t *testing.T) {
	tests := []struct {
		name string
		do   func(f *fixture, id string, x store.UIASession)
	}{
		{"it is of one session", func(f *fixture, _ string, x store.UIASession) {
			if x.DeviceID != "D1" || x.Kind != store.OAuth || x.Login.Localpart != "alice" || x.Login.UpstreamSubject != "alice" || x.Login.ProviderID != "idp" {
				f.t.Errorf("it is %+v", x)
			}
		}},
		{"J-07: the id stays the same for a client that polls", func(f *fixture, id string, x store.UIASession) {
			for range 12 {
				f.clock.Advance(20 * time.Minute)
				again, err := f.BeginUIA(f.ctx, "alice", x.SessionID)
				f.must(err)
				if again != id {
					f.t.Fatal("it has changed")
				}
			}
		}},
		{"it is forgotten after an hour", func(f *fixture, id string, x store.UIASession) {
			f.clock.Advance(time.Hour)
			_, err := f.UIASession(f.ctx, id)
			f.want("look", err, store.ErrNotFound)
			again, err := f.BeginUIA(f.ctx, "alice", x.SessionID)
			f.must(err)
			if again == id {
				f.t.Error("the id is that of before")
			}
		}},
		{"requests at once get one id", func(f *fixture, _ string, x store.UIASession) {
			f.clock.Advance(time.Hour)
			servers := []*store.Store{f.Store, f.again()}
			ids := make([]string, 8)
			for _, err := range together(len(ids), func(i int) (err error) {
				ids[i], err = servers[i%2].BeginUIA(f.ctx, "alice", x.SessionID)
				return err
			}) {
				f.must(err)
			}
			for _, id := range ids {
				if id != ids[0] {
					f.t.Errorf("one got %q, another %q", ids[0], id)
				}
			}
		}},
		{"another session has another id", func(f *fixture, id string, _ store.UIASession) {
			if other, _ := f.waiting(f.login("bob"), "D1"); other == id {
				f.t.Error("it is the same")
			}
		}},
		{"nobody begins one for a session of somebody else", func(f *fixture, _ string, x store.UIASession) {
			f.clock.Advance(time.Hour)
			_, err := f.BeginUIA(f.ctx, "bob", x.SessionID)
			f.want("begin", err, store.ErrNotFound)
		}},
		{"it ends with its session", func(f *fixture, id string, x store.UIASession) {
			f.must(f.EndSession(f.ctx, x.SessionID, store.End{}))
			_, err := f.UIASession(f.ctx, id)
			f.want("look", err, store.ErrNotFound)
			f.clock.Advance(time.Hour)
			_, err = f.BeginUIA(f.ctx, "alice", x.SessionID)
			f.want("begin", err, store.ErrNotFound)
		}},
		{"an unknown id is nobody", func(f *fixture, _ string, _ store.UIASession) {
			_, err := f.UIASession(f.ctx, "unknown")
			f.want("look", err, store.ErrNotFound)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				id, x := f.waiting(f.login("alice"), "D1")
				tt.do(f, id, x)
			})
		})
	}
}

func TestResetApprovalIsUsedOnce(t *testing.T) {
	each(t, func(f *fixture) {
		id, x := f.waiting(f.login("alice"), "D1")
		f.want("take", f.TakeResetApproval(f.ctx, "alice", x.SessionID), store.ErrNotFound)
		f.approve(x)
		f.want("approve with the proof that was used", f.ApproveReset(f.ctx, resetProof(x), x), store.ErrNotFound)
		servers := []*store.Store{f.Store, f.again()}
		wantOnce(f.t, together(20, func(i int) error { return servers[i%2].TakeResetApproval(f.ctx, "alice", x.SessionID) }), store.ErrNotFound)
		_, err := f.UIASession(f.ctx, id)
		f.want("look at what is done", err, store.ErrNotFound)
		events, err := f.AuditEvents(f.ctx, "alice", 1)
		f.must(err)
		if e := events[0]; e.Action != store.ActionResetApproved || e.DeviceID != "D1" || e.SessionID != x.SessionID || e.Actor != store.ActorUser {
			f.t.Errorf("J-23: the newest event is %+v", e)
		}
	})
}

func TestAllowReset(t *testing.T) {
	each(t, func(f *fixture) {
		_, x := f.waiting(f.login("alice"), "D1")
		until, err := f.AllowReset(f.ctx, "alice", x.SessionID)
		f.must(err)
		if want := f.clock.Now().Add(10 * time.Minute); !until.Equal(want) {
			f.t.Errorf("it is good until %s, want %s", until, want)
		}
		events, err := f.AuditEvents(f.ctx, "alice", 1)
		f.must(err)
		if e := events[0]; e.Action != store.ActionResetApproved || e.DeviceID != "D1" || e.SessionID != x.SessionID || e.ClientID != x.ClientID ||
			e.Actor != store.ActorAdmin || e.Reason != x.Login.ProviderID {
			f.t.Errorf("the newest event is %+v", e)
		}
		f.want("take", f.TakeResetApproval(f.ctx, "alice", x.SessionID), nil)
		f.want("take once more", f.TakeResetApproval(f.ctx, "alice", x.SessionID), store.ErrNotFound)
		for range 2 { // the later one counts
			_, err = f.AllowReset(f.ctx, "alice", x.SessionID)
			f.must(err)
			f.clock.Advance(9 * time.Minute)
		}
		f.want("take the later one", f.TakeResetApproval(f.ctx, "alice", x.SessionID), nil)
		_, err = f.AllowReset(f.ctx, "alice", x.SessionID)
		f.must(err)
		f.clock.Advance(10 * time.Minute)
		f.want("take one that is over", f.TakeResetApproval(f.ctx, "alice", x.SessionID), store.ErrNotFound)
	})
}

func TestAllowResetRefuses(t *testing.T) {
	tests := []struct {
		name string
		ask  func(f *fixture, x store.UIASession) (localpart, session string)
		want error
	}{
		{"nobody", func(_ *fixture, x store.UIASession) (string, string) { return "nobody", x.SessionID }, store.ErrNotFound},
		{"another user", func(f *fixture, x store.UIASession) (string, string) { f.login("bob"); return "bob", x.SessionID }, store.ErrNotFound},
		{"no session", func(*fixture, store.UIASession) (string, string) { return "alice", "none" }, store.ErrNotFound},
		{"a session that has ended", func(f *fixture, x store.UIASession) (string, string) {
			f.must(f.EndSession(f.ctx, x.SessionID, store.End{Reason: store.EndLogout, Actor: store.ActorClient}))
			return "alice", x.SessionID
		}, store.ErrNotFound},
		{"a session without a device", func(f *fixture, x store.UIASession) (string, string) {
			return "alice", f.start(x.Login, "", x.ClientID).ID
		}, store.ErrNotFound},
		{"a legacy session", func(f *fixture, x store.UIASession) (string, string) {
			f.must(f.StartSession(f.ctx, store.NewSession{Session: store.Session{ID: "legacy", DeviceID: "OLD", Kind: store.Legacy, Login: x.Login}}))
			return "alice", "legacy"
		}, store.ErrNotFound},
		{"a locked account", func(f *fixture, x store.UIASession) (string, string) {
			_, err := f.LockUser(f.ctx, "alice")
			f.must(err)
			return "alice", x.SessionID
		}, store.ErrConflict},
		{"a closed account", func(f *fixture, x store.UIASession) (string, string) {
			_, err := f.DeactivateUser(f.ctx, "alice")
			f.must(err)
			return "alice", x.SessionID
		}, store.ErrConflict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				_, x := f.waiting(f.login("alice"), "D1")
				localpart, session := tt.ask(f, x)
				_, err := f.AllowReset(f.ctx, localpart, session)
				f.want("allow", err, tt.want)
				if approved, err := f.ResetApproved(f.ctx, "alice", x.SessionID); err != nil || approved {
					f.t.Errorf("approved %t, error %v", approved, err)
				}
			})
		})
	}
}

func TestWhatApprovesNoReset(t *testing.T) {
	tests := []struct {
		name string
		key  func(k *store.ProofKey)
		by   func(l *store.Login)
	}{
		{"no proof", func(k *store.ProofKey) { k.Browser = "another" }, nil},
		{"a proof for another session", func(k *store.ProofKey) { k.Detail = "another" }, nil},
		{"a proof at another provider", nil, func(l *store.Login) { l.ProviderID = "another" }},
		{"a proof of another issuer", nil, func(l *store.Login) { l.UpstreamIssuer = "https://another.example" }},
		{"a proof as another subject", nil, func(l *store.Login) { l.UpstreamSubject = "another" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				_, x := f.waiting(f.login("alice"), "D1")
				key, by := resetProof(x), x.Login
				if tt.by != nil {
					tt.by(&by)
				}
				f.must(f.AddProof(f.ctx, key, by))
				if tt.key != nil {
					tt.key(&key)
				}
				f.want("approve", f.ApproveReset(f.ctx, key, x), store.ErrNotFound)
				f.want("take", f.TakeResetApproval(f.ctx, "alice", x.SessionID), store.ErrNotFound)
			})
		})
	}
}

func TestWhatAnApprovalDoesNotOpen(t *testing.T) {
	tests := []struct {
		name string
		take func(f *fixture, x store.UIASession) error
		want error
	}{
		{"it opens for ten minutes", func(f *fixture, x store.UIASession) error {
			f.clock.Advance(10*time.Minute - time.Millisecond)
			return f.TakeResetApproval(f.ctx, "alice", x.SessionID)
		}, nil},
		{"not after that", func(f *fixture, x store.UIASession) error {
			f.clock.Advance(10 * time.Minute)
			return f.TakeResetApproval(f.ctx, "alice", x.SessionID)
		}, store.ErrNotFound},
		{"not for another session of the user", func(f *fixture, x store.UIASession) error {
			return f.TakeResetApproval(f.ctx, "alice", f.start(x.Login, "D2", x.ClientID).ID)
		}, store.ErrNotFound},
		{"not for a later session of the device", func(f *fixture, x store.UIASession) error {
			return f.TakeResetApproval(f.ctx, "alice", f.start(x.Login, "D1", x.ClientID).ID)
		}, store.ErrNotFound},
		{"not for another user", func(f *fixture, x store.UIASession) error { return f.TakeResetApproval(f.ctx, "bob", x.SessionID) }, store.ErrNotFound},
		{"not once the session has ended", func(f *fixture, x store.UIASession) error {
			f.must(f.EndSession(f.ctx, x.SessionID, store.End{}))
			return f.TakeResetApproval(f.ctx, "alice", x.SessionID)
		}, store.ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				_, x := f.waiting(f.login("alice"), "D1")
				f.approve(x)
				f.want("take", tt.take(f, x), tt.want)
			})
		})
	}
}
