package command_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/store"
)

func TestAuditFilters(t *testing.T) {
	inAdminFolder(t)
	c := clock.NewManual(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	s, err := store.Open(t.Context(), store.Options{URL: "sqlite:keymaker.db", ServerName: "example.com", Clock: c, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []store.Event{
		{Action: store.ActionConsentDenied, Localpart: "alice", ClientID: "one", Actor: store.ActorUser, Reason: "first"},
		{Action: store.ActionSessionEnded, Localpart: "alice", ClientID: "two", Actor: store.ActorServer, Reason: string(store.EndRefreshReused)},
		{Action: store.ActionSessionEnded, Localpart: "alice", ClientID: "one", Actor: store.ActorUser, Reason: "third"},
	} {
		if err := s.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		c.Advance(24 * time.Hour)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		line string
		want []string // of first, refresh_reused, third
	}{
		{"--user alice --until 2026-03-10", []string{"first", "refresh_reused", "third"}},
		{"--client one", []string{"first", "third"}},
		{"--action session_ended", []string{"refresh_reused", "third"}},
		{"--outcome denied", []string{"first"}},
		{"--outcome refused", []string{"refresh_reused"}},
		{"--outcome done --client one", []string{"third"}},
		{"--since 2026-03-02 --until 2026-03-03", []string{"refresh_reused"}},
		{"--since 2026-03-02T12:00:00Z --until 2026-03-03T12:00:00Z", []string{"refresh_reused"}},
		{"--since 24h", nil},
		{"--until 24h --client two", []string{"refresh_reused"}},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			status, out, errs := administer("", append([]string{"audit", "--json"}, strings.Fields(tt.line)...)...)
			if status != 0 {
				t.Fatalf("exit status %d: %s", status, errs)
			}
			for _, reason := range []string{"first", "refresh_reused", "third"} {
				wanted := false
				for _, w := range tt.want {
					wanted = wanted || w == reason
				}
				if strings.Contains(out, `"`+reason+`"`) != wanted {
					t.Errorf("%s is there: %v\n%s", reason, !wanted, out)
				}
			}
		})
	}
	for line, says := range map[string]string{"--since yesterday": "--since yesterday is no time", "--outcome good": "must be one of done, denied, refused", "--until=-3h": "is no time"} {
		if status, _, errs := administer("", append([]string{"audit"}, strings.Fields(line)...)...); status != 2 || !strings.Contains(errs, says) {
			t.Errorf("%s: exit status %d: %s", line, status, errs)
		}
	}
}
