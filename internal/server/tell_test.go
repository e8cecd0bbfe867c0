package server_test

import (
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/internal/server"
	"keymaker/store"
)

func TestUsesAreWrittenByThemselves(t *testing.T) {
	e := harness.Start(t, func(o *harness.Options) { o.Global = "access_token_ttl = 3600" })
	tokens := e.LogIn("alice", "INUSE")
	e.Clock.Advance(time.Second)
	used := e.Clock.Now()
	e.Introspect(tokens.Access)
	seen := func() (at int64) {
		t.Helper()
		d, err := e.Server.Store().Device(t.Context(), "alice", "INUSE")
		if err != nil {
			t.Fatal(err)
		}
		return d.LastSeenAt.UnixMilli()
	}
	e.Clock.Advance(store.SeenResolution)
	e.Server.Tell(t.Context(), 1)
	t.Run("D-23b: a first use at the next turn", func(t *testing.T) {
		if got := seen(); got != used.UnixMilli() {
			t.Errorf("seen at %d, want %d", got, used.UnixMilli())
		}
	})
	e.Introspect(tokens.Access)
	t.Run("F-07: the use of a device in the last of some turns", func(t *testing.T) {
		for turn := 1; turn <= server.SeenTurns; turn++ {
			e.Server.Tell(t.Context(), turn)
			if got, want := seen() == e.Clock.Now().UnixMilli(), turn == server.SeenTurns; got != want {
				t.Errorf("turn %d: it is written: %t, want %t", turn, got, want)
			}
		}
	})
}
