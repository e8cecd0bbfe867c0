package store_test

import (
	"testing"

	"keymaker/internal/secret"
	"keymaker/store"
)

// What a request may contain but PostgreSQL cannot store in a text.
var strange = []struct{ name, text string }{
	{"a NUL", "a\x00b"},
	{"bytes that are no UTF-8", "a\xff\xfeb"},
}

func TestLookingForStrangeText(t *testing.T) {
	for _, tt := range strange {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				f.login("alice")
				tests := []struct {
					what string
					err  func() error
					want error
				}{
					{"a client", func() error { _, err := f.Client(f.ctx, tt.text); return err }, store.ErrNotFound},
					{"a user", func() error { _, err := f.User(f.ctx, tt.text); return err }, store.ErrNotFound},
					{"a link", func() error { _, err := f.LinkedUser(f.ctx, "idp", "https://idp.example", tt.text); return err }, store.ErrNotFound},
					{"a device", func() error { _, err := f.Device(f.ctx, "alice", tt.text); return err }, store.ErrNotFound},
					{"a device to rename", func() error { return f.RenameDevice(f.ctx, "alice", tt.text, "x") }, store.ErrNotFound},
					{"a refresh token", func() error {
						_, err := f.Presented(f.ctx, store.RefreshKey{SessionID: tt.text, Hash: secret.Bytes(32)}, store.OAuth)
						return err
					}, store.ErrNotFound},
				}
				for _, look := range tests {
					f.want(look.what, look.err(), look.want)
				}
			})
		})
	}
}
