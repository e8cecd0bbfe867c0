package linkstest_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/upstream"
	"keymaker/upstream/linkstest"
)

func TestMemory(t *testing.T) {
	linkstest.Run(t, func(*testing.T) upstream.Links { return linkstest.NewMemory() })
}

func TestStore(t *testing.T) {
	linkstest.Run(t, func(t *testing.T) upstream.Links {
		sealer, err := secret.NewSealer(secret.Bytes(secret.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(context.Background(), store.Options{
			URL:        secret.Text("sqlite:" + filepath.Join(t.TempDir(), "links.db")),
			ServerName: "example.org", Clock: clock.System{}, Sealer: sealer, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
}
