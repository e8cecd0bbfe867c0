package command_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAdminAssociate(t *testing.T) {
	tests := []struct {
		name, line string
		says       string
		listed     string
	}{
		{"by the subject", "kc1 sub=1234 @alice:example.com", "Whoever has sub=1234 at kc1 becomes @alice:example.com", "kc1 sub=1234 @alice:example.com"},
		{"by several claims, in any order", "keycloak @alice:example.com sub=1234 email=a=b@example.com", "Whoever has email=a=b@example.com sub=1234 at kc1", "kc1 email=a=b@example.com sub=1234 @alice:example.com"},
		{"with the claims as flags", "kc1 @alice:example.com --claim sub=1,2 --claim email=a@example.com", "Whoever has email=a@example.com sub=1,2 at kc1", "sub=1,2"},
		{"with a user by the name alone", "kc1 sub=1234 alice", "becomes @alice:example.com", "@alice:example.com"},
		{"by a claim that people may choose, with a warning", "kc1 team=a alice", "warning: Neither sub nor email", "team=a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inQueryFolder(t)
			if out := query(t, "associate "+tt.line); !strings.Contains(out, tt.says) {
				t.Errorf("%q is not said:\n%s", tt.says, out)
			}
			if out := query(t, "associate "+tt.line); !strings.Contains(out, "It was so already") {
				t.Errorf("the second time says:\n%s", out)
			}
			if out := spaces.ReplaceAllString(query(t, "list-associations"), " "); !strings.Contains(out, tt.listed) {
				t.Errorf("%q is not listed:\n%s", tt.listed, out)
			}
			if out := query(t, "list-associations --user bob"); strings.Contains(out, "alice") {
				t.Errorf("bob's are listed as:\n%s", out)
			}
		})
	}
	t.Run("one that is removed is not listed", func(t *testing.T) {
		inQueryFolder(t)
		var made struct {
			ID      string `json:"association_id"`
			Changed bool   `json:"changed"`
		}
		if err := json.Unmarshal([]byte(query(t, "associate kc1 sub=1234 alice --json")), &made); err != nil || made.ID == "" || !made.Changed {
			t.Fatalf("it is %+v, error %v", made, err)
		}
		query(t, "remove-association "+made.ID)
		if out := query(t, "list-associations --json"); !strings.Contains(out, `"associations": []`) {
			t.Errorf("listed are:\n%s", out)
		}
		if status, _, errs := administer("", "query", "oauth", "remove-association", made.ID); status != 1 || !strings.Contains(errs, "there is no association "+made.ID) {
			t.Errorf("removed again: exit status %d, %s", status, errs)
		}
		if _, out, _ := administer("", "audit", "--user", "alice"); !strings.Contains(out, "user_associated") || !strings.Contains(out, "association_removed") || strings.Contains(out, "1234") {
			t.Errorf("the audit log is:\n%s", out)
		}
	})
}

func TestAdminAssociateRefusesClearly(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		status int
		says   string
	}{
		{"no claim", []string{"kc1", "alice"}, 2, "1 to 10 claims"},
		{"no user", []string{"kc1", "sub=1"}, 2, "name the user"},
		{"two users", []string{"kc1", "sub=1", "alice", "bob"}, 2, "only one user"},
		{"a claim without a name", []string{"kc1", "=1", "alice"}, 2, "is no claim"},
		{"a claim without a value", []string{"kc1", "sub=", "alice"}, 2, "is no claim"},
		{"a claim twice", []string{"kc1", "sub=1", "sub=2", "alice"}, 2, "each claim once"},
		{"too many claims", []string{"kc1", "a=1", "b=1", "c=1", "d=1", "e=1", "f=1", "g=1", "h=1", "i=1", "j=1", "k=1", "alice"}, 2, "1 to 10 claims"},
		{"a value beyond all measure", []string{"kc1", "sub=" + strings.Repeat("x", 1025), "alice"}, 2, "too long"},
		{"a value that is no text", []string{"kc1", "sub=a\x1bb", "alice"}, 2, "no text"},
		{"a user who is not there", []string{"kc1", "sub=1", "carol"}, 1, "there is no user @carol:example.com"},
		{"a user of another server", []string{"kc1", "sub=1", "@alice:other.example"}, 2, "no user of this server"},
		{"a provider that is not there", []string{"nobody", "sub=1", "alice"}, 1, "no identity provider nobody"},
		{"a provider that is gone", []string{"old", "sub=1", "alice"}, 1, "no identity provider old"},
		{"an account that is linked", []string{"kc1", "sub=s-alice", "bob"}, 1, "linked to @alice:example.com already"},
		{"claims that somebody else has", []string{"gh1", "sub=9", "bob"}, 1, "associated with @alice:example.com already"},
	}
	inQueryFolder(t)
	query(t, "associate gh1 sub=9 alice")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, out, errs := administer("", append([]string{"query", "oauth", "associate"}, tt.args...)...)
			if status != tt.status || !strings.Contains(errs, tt.says) || out != "" {
				t.Errorf("exit status %d, want %d: %s%q does not say %q", status, tt.status, out, errs, tt.says)
			}
		})
	}
	t.Run("a user who is deactivated", func(t *testing.T) {
		administer("", "user", "deactivate", "bob", "--yes")
		if status, _, errs := administer("", "query", "oauth", "associate", "gh1", "sub=77", "bob"); status != 1 || !strings.Contains(errs, "is deactivated") {
			t.Errorf("exit status %d, %s", status, errs)
		}
	})
}
