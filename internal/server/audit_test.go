package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keymaker/store"
)

func TestTheAuditLogIsWrittenUntilTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	s := startAlone(t, "[global.audit]\ndestination = \""+path+"\"\n")
	address, stop, ended := serve(t, s)
	post(t, address) // it serves
	if err := s.Store().Record(t.Context(), store.Event{Action: store.ActionUserLocked, Localpart: "alice", Actor: store.ActorAdmin, Reason: "last"}); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), `"action":"user_locked","outcome":"done","user_id":"@alice:example.org"`) {
		t.Errorf("%s, %v", text, err)
	}
}
