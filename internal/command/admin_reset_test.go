package command_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"keymaker/store"
)

func TestAdminAllowReset(t *testing.T) {
	tests := []struct {
		name, in, line string
		status         int
		says           string
		allowed        string // the session that may, "" for none
	}{
		{"the only OIDC device", "", "alice --yes", 0, "Device ALICEPHONE of @alice:example.com may replace the encryption keys once, until ", "01SESSION1"},
		{"the device by its name", "", "@alice:example.com --device ALICEPHONE --yes", 0, "Device ALICEPHONE", "01SESSION1"},
		{"one of several", "", "bob --device BOBTABLET --yes", 0, "Device BOBTABLET", "01SESSION5"},
		{"several, and none is named", "", "bob --yes", 1, "name one with --device: BOBPHONE, BOBTABLET", ""},
		{"several, and another is named", "", "bob --device ALICEPHONE --yes", 1, "no OIDC device ALICEPHONE that is signed in; these are: BOBPHONE, BOBTABLET", ""},
		{"a device of a legacy login", "", "bob --device BOBLEGACY --yes", 1, "no OIDC device BOBLEGACY", ""},
		{"nobody's device", "", "alice --device NOTHING --yes", 1, "these are: ALICEPHONE", ""},
		{"a user without such a device", "", "carol --yes", 1, "@carol:example.com has no OIDC device that is signed in", ""},
		{"no user", "", "nobody --yes", 1, "there is no user @nobody:example.com", ""},
		{"a locked account", "", "eve --yes", 1, "the account @eve:example.com is locked or deactivated", ""},
		{"nobody is at a terminal", "", "alice", 1, "nothing was changed", ""},
		{"the answer is no", "no\n", "alice", 1, "nothing was changed", ""},
		{"the answer is yes", "yes\n", "alice", 0, "Device ALICEPHONE", "01SESSION1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := inQueryFolder(t)
			bob := store.Login{Localpart: "bob", ProviderID: "gh1", UpstreamIssuer: "https://github.com", UpstreamSubject: "42"}
			startSession(t, s, "01SESSION5", "BOBTABLET", "Tablet", bob)
			if _, err := s.Link(t.Context(), store.NewLink{ProviderID: "gh1", Issuer: "https://github.com", Subject: "9", Localpart: "carol", CreateUser: true}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.LockUser(t.Context(), "eve"); err != nil {
				t.Fatal(err)
			}
			status, out, errs := administer(tt.in, append([]string{"user", "allow-reset"}, strings.Fields(tt.line)...)...)
			if status != tt.status || !strings.Contains(out+errs, tt.says) {
				t.Errorf("exit status %d, want %d: %s%q does not say %q", status, tt.status, out, errs, tt.says)
			}
			if tt.in != "" && (!strings.Contains(errs, "ALICEPHONE") || !strings.Contains(errs, "@alice:example.com")) {
				t.Errorf("the question does not name the device: %s", errs)
			}
			for session, user := range map[string]string{"01SESSION1": "alice", "01SESSION2": "bob", "01SESSION3": "eve", "01SESSION5": "bob"} {
				if allowed, err := s.ResetApproved(t.Context(), user, session); err != nil || allowed != (session == tt.allowed) {
					t.Errorf("%s: allowed %t, error %v", session, allowed, err)
				}
			}
		})
	}
}

func TestAdminAllowResetIsAudited(t *testing.T) {
	inAdminFolder(t)
	status, out, errs := administer("", "user", "allow-reset", "alice", "--yes", "--json")
	var said struct {
		UserID    string    `json:"user_id"`
		DeviceID  string    `json:"device_id"`
		SessionID string    `json:"session_id"`
		ClientID  string    `json:"client_id"`
		Until     time.Time `json:"until"`
	}
	if status != 0 || json.Unmarshal([]byte(out), &said) != nil {
		t.Fatalf("exit status %d: %s%s", status, out, errs)
	}
	left := time.Until(said.Until)
	if said.UserID != "@alice:example.com" || said.DeviceID != "DEVICE" || said.SessionID != "SESSION" || said.ClientID != "app" || left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("it says %+v", said)
	}
	_, out, _ = administer("", "audit", "--user", "alice", "--limit", "1")
	if line := spaces.ReplaceAllString(out, " "); !strings.Contains(line, "reset_approved") || !strings.Contains(line, "admin @alice:example.com keymaker DEVICE app SESSION") {
		t.Errorf("the audit log says:\n%s", out)
	}
}
