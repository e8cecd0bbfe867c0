package store_test

import (
	"testing"
	"time"

	"keymaker/store"
)

func TestPushedRequest(t *testing.T) {
	each(t, func(f *fixture) {
		push := func(uri string) {
			f.t.Helper()
			f.must(f.Push(f.ctx, uri, "c1", []byte(`{"state":["s"]}`), f.clock.Now().Add(time.Minute)))
		}
		f.t.Run("it comes back once, as it went", func(t *testing.T) {
			push("u1")
			if params, err := f.TakePushed(f.ctx, "u1", "c1"); err != nil || string(params) != `{"state":["s"]}` {
				t.Errorf("got %s, error %v", params, err)
			}
			_, err := f.TakePushed(f.ctx, "u1", "c1")
			f.want("take it again", err, store.ErrNotFound)
		})
		f.t.Run("to another client it does not exist, and it stays for its own", func(*testing.T) {
			push("u2")
			_, err := f.TakePushed(f.ctx, "u2", "c2")
			f.want("take another client's", err, store.ErrNotFound)
			_, err = f.TakePushed(f.ctx, "u2", "c1")
			f.want("take it afterwards", err, nil)
		})
		f.t.Run("it ends with its time", func(*testing.T) {
			push("u3")
			f.clock.Advance(time.Minute)
			_, err := f.TakePushed(f.ctx, "u3", "c1")
			f.want("take it", err, store.ErrNotFound)
		})
		f.t.Run("of many at once one gets it", func(t *testing.T) {
			push("u4")
			wantOnce(t, together(50, func(int) error {
				_, err := f.TakePushed(f.ctx, "u4", "c1")
				return err
			}), store.ErrNotFound)
		})
	})
}
