package command_test

import (
	"encoding/json"
	"strings"
	"testing"

	"keymaker/store"
)

func TestAdminUnlink(t *testing.T) {
	tests := []struct {
		name, in, line string
		status         int
		says           string
		left           int // identities of alice and of bob together, of five
	}{
		{"the only one at a provider", "", "alice --provider kc1 --yes", 0, "The identity s-alice at kc1 is no longer linked to @alice:example.com.", 4},
		{"by the provider's brand", "", "alice --provider Keycloak --yes", 0, "s-alice at kc1", 4},
		{"one of several", "", "alice --provider gh1 --subject 77 --yes", 0, "The identity 77 at gh1", 4},
		{"several, and none is named", "", "alice --provider gh1 --yes", 1, "name one with --subject, and --issuer if need be: 77 (https://github.com), 78 (https://github.com), 78 (https://other.example)", 5},
		{"several of one subject", "", "alice --provider gh1 --subject 78 --yes", 1, "--issuer", 5},
		{"one of several of one subject", "", "alice --provider gh1 --subject 78 --issuer https://other.example --yes", 0, "The identity 78", 4},
		{"somebody else's", "", "alice --provider gh1 --subject 42 --yes", 1, "no such identity at gh1", 5},
		{"none at the provider", "", "bob --provider kc1 --yes", 1, "@bob:example.com has no identity at kc1", 5},
		{"no such provider", "", "bob --provider nothing --yes", 1, "there is no identity provider nothing", 5},
		{"no such user", "", "nobody --provider gh1 --yes", 1, "there is no user @nobody:example.com", 5},
		{"no provider", "", "bob --yes", 2, "--provider", 5},
		{"the last one", "", "bob --provider gh1 --yes", 1, "it is the only identity of @bob:example.com, and nobody could sign in any more: --last", 5},
		{"the last one, before anything is asked", "yes\n", "bob --provider gh1", 1, "it is the only identity", 5},
		{"the last one, knowingly", "", "bob --provider gh1 --last --yes", 0, "Nobody can sign in to the account until somebody is associated with it.", 4},
		{"the last one, once it is confirmed", "yes\n", "bob --provider gh1 --last", 0, "It is the only one", 4},
		{"nobody is at a terminal", "", "alice --provider kc1", 1, "nothing was changed", 5},
		{"the answer is no", "no\n", "alice --provider kc1", 1, "nothing was changed", 5},
		{"the answer is yes", "yes\n", "alice --provider kc1", 0, "Unlink the identity s-alice at kc1 from @alice:example.com?", 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := withMoreIdentities(t)
			status, out, errs := administer(tt.in, append([]string{"user", "unlink"}, strings.Fields(tt.line)...)...)
			if status != tt.status || !strings.Contains(out+errs, tt.says) {
				t.Errorf("exit status %d, want %d: %s%q does not say %q", status, tt.status, out, errs, tt.says)
			}
			if tt.name == "the last one, before anything is asked" && strings.Contains(errs, "Type yes") {
				t.Errorf("it asks: %s", errs)
			}
			left := 0
			for _, user := range []string{"alice", "bob"} {
				links, err := s.UpstreamLinks(t.Context(), user)
				if err != nil {
					t.Fatal(err)
				}
				left += len(links)
			}
			if left != tt.left {
				t.Errorf("%d identities are left, want %d", left, tt.left)
			}
		})
	}
}

// withMoreIdentities is inQueryFolder where alice has four identities.
func withMoreIdentities(t *testing.T) *store.Store {
	t.Helper()
	s := inQueryFolder(t)
	for _, n := range []store.NewLink{{Issuer: "https://github.com", Subject: "77"}, {Issuer: "https://github.com", Subject: "78"}, {Issuer: "https://other.example", Subject: "78"}} {
		n.ProviderID, n.Localpart = "gh1", "alice"
		if err := s.AddLink(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestAdminUnlinkIsAudited(t *testing.T) {
	s := withMoreIdentities(t)
	status, out, errs := administer("", "user", "unlink", "alice", "--provider", "gh1", "--subject", "77", "--yes", "--json")
	var said struct {
		UserID   string `json:"user_id"`
		Provider string `json:"provider"`
		Issuer   string `json:"issuer"`
		Subject  string `json:"subject"`
		Last     *bool  `json:"last"`
	}
	if status != 0 || json.Unmarshal([]byte(out), &said) != nil || said.Last == nil || *said.Last ||
		said.UserID != "@alice:example.com" || said.Provider != "gh1" || said.Issuer != "https://github.com" || said.Subject != "77" {
		t.Errorf("exit status %d: %s%s", status, out, errs)
	}
	if _, out, _ := administer("", "audit", "--user", "alice", "--limit", "1"); !strings.Contains(spaces.ReplaceAllString(out, " "), "admin @alice:example.com gh1") || !strings.Contains(out, "user_unlinked") {
		t.Errorf("the audit log says:\n%s", out)
	}
	if live, err := s.LiveSessions(t.Context(), "alice"); err != nil || len(live) != 1 {
		t.Errorf("sessions %+v, error %v", live, err)
	}
	t.Run("of a closed account they stay", func(t *testing.T) {
		administer("", "user", "deactivate", "alice", "--yes")
		if status, _, errs := administer("", "user", "unlink", "alice", "--provider", "kc1", "--yes"); status != 1 || !strings.Contains(errs, "is deactivated") {
			t.Errorf("exit status %d: %s", status, errs)
		}
	})
}
