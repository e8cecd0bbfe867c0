package store_test

import (
	"testing"

	"keymaker/store"
)

func TestAnAdministratorsMarkGoesWithTheLink(t *testing.T) {
	link := store.UpstreamLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "1"}
	for _, tt := range []struct {
		name string
		lose func(f *fixture) error
		want string
	}{
		{"unlinked", func(f *fixture) error {
			return f.Unlink(f.ctx, "alice", link, store.Unlinking{Actor: store.ActorAdmin, Last: true})
		}, ""},
		{"detached", func(f *fixture) error { _, err := f.DetachUser(f.ctx, "alice", byAdmin); return err }, ""},
		{"another provider says no", func(f *fixture) error { return f.MarkAdministrator(f.ctx, "alice", "other", false) }, "idp"},
		{"said again", func(f *fixture) error { return f.MarkAdministrator(f.ctx, "alice", "idp", true) }, "idp"},
		{"deactivated, and marked by a login on its way", func(f *fixture) error {
			if err := f.MarkAdministrator(f.ctx, "alice", "idp", false); err != nil {
				return err
			}
			if _, err := f.DeactivateUser(f.ctx, "alice"); err != nil {
				return err
			}
			return f.MarkAdministrator(f.ctx, "alice", "idp", true)
		}, ""},
	} {
		t.Run("C-3D: "+tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				_, err := f.Link(f.ctx, store.NewLink{ProviderID: link.ProviderID, Issuer: link.Issuer, Subject: link.Subject, Localpart: "alice", CreateUser: true})
				f.must(err)
				f.must(f.MarkAdministrator(f.ctx, "alice", "idp", true))
				f.must(tt.lose(f))
				user, err := f.User(f.ctx, "alice")
				f.must(err)
				if user.Account.MarkedAdminBy != tt.want {
					f.t.Errorf("marked by %q, want %q", user.Account.MarkedAdminBy, tt.want)
				}
				events, err := f.AuditEvents(f.ctx, "alice", 100)
				f.must(err)
				marks := map[string]int{}
				for _, e := range events {
					marks[e.Action]++
				}
				if unmarked := marks[store.ActionAdminUnmarked]; marks[store.ActionAdminMarked] != 1 || (unmarked == 1) != (tt.want == "") {
					f.t.Errorf("the audit log has %v", marks)
				}
			})
		})
	}
}
