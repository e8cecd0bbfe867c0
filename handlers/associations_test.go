package handlers_test

import (
	"testing"

	"keymaker/internal/harness"
)

func TestAssociatedAtTheFirstLogin(t *testing.T) {
	tests := []struct {
		name         string
		first        string // who makes the user that is associated
		claims       []string
		second, want string // who signs in then, and as whom
	}{
		{"whoever has the subject becomes the user", "bob", []string{"sub=subject-alice"}, "alice", "@bob"},
		{"whoever has the verified address becomes the user", "bob", []string{"email=alice@example.org"}, "alice", "@bob"},
		{"an address that is not verified is nobody's", "alice", []string{"email=bob@example.org"}, "bob", "@bob"},
		{"nobody does who has some of the claims", "bob", []string{"sub=subject-alice", "name=Somebody"}, "alice", "@alice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := harness.Start(t)
			e.LogIn(tt.first, "FIRST")
			admin(e, append(append([]string{"query", "oauth", "associate", e.IDP.ClientID}, tt.claims...), "@"+tt.first+":"+harness.ServerName)...)
			e.Restart()
			for range 2 { // it is a link like any other afterwards
				tokens := e.LogIn(tt.second, "SECOND")
				if got := e.WhoAmI(tokens.Access).Text("user_id"); got != tt.want+":"+harness.ServerName {
					t.Errorf("the person became %s, want %s", got, tt.want)
				}
			}
		})
	}
}
