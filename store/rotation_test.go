package store_test

import (
	"errors"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

// The state machine of conformance D-23, without a database.
func TestRotation(t *testing.T) {
	var (
		first, second, third = secret.Hash("R1"), secret.Hash("R2"), secret.Hash("R3")
		arrived              = time.UnixMilli(1_000_000).UTC()
		rotated              = arrived.Add(-time.Hour)
	)
	key := func(generation int64, hash []byte) store.RefreshKey {
		return store.RefreshKey{SessionID: "s", Generation: generation, Hash: hash}
	}
	// The session has rotated once: R1 -> R2.
	row := func(change func(*store.SessionRow)) store.SessionRow {
		r := store.SessionRow{ID: "s", Generation: 2, RefreshHash: second, PreviousRefreshHash: first, SuccessorSeed: []byte("of R2"), PreviousSeed: []byte("of R1"),
			RotatedAt: rotated.UnixMilli()}
		change(&r)
		return r
	}
	unused := func(*store.SessionRow) {}
	usedAt := func(at time.Time) func(*store.SessionRow) {
		return func(r *store.SessionRow) { ms := at.UnixMilli(); r.GenerationUsedAt = &ms }
	}
	next := store.Rotation{Seed: []byte("of R2"), Generation: 3}
	repeat := store.Rotation{Seed: []byte("of R1"), Generation: 2, Replay: true, ReplayedAt: rotated}

	tests := []struct {
		name string
		row  store.SessionRow
		key  store.RefreshKey
		want store.Rotation
		err  error
	}{
		{"the current one rotates", row(unused), key(2, second), next, nil},
		{"the current one rotates, used or not", row(usedAt(rotated)), key(2, second), next, nil},
		{"D-23: the previous one repeats the answer that was lost", row(unused), key(1, first), repeat, nil},
		{"D-23: the previous one is void once the answer was used", row(usedAt(arrived.Add(-time.Millisecond))), key(1, first), store.Rotation{}, store.ErrReused},
		{"D-23: and in the very moment of the request", row(usedAt(arrived)), key(1, first), store.Rotation{}, store.ErrReused},
		{"D-23: but not while the request was on its way", row(usedAt(arrived.Add(time.Millisecond))), key(1, first), repeat, nil},
		{"D-25: an older one is reused", row(func(r *store.SessionRow) { r.Generation, r.RefreshHash, r.PreviousRefreshHash = 3, third, second }),
			key(1, first), store.Rotation{}, store.ErrReused},
		{"D-25: one of the previous generation that is not the previous one", row(unused), key(1, third), store.Rotation{}, store.ErrReused},
		{"one of the current generation that is not the current one", row(unused), key(2, third), store.Rotation{}, store.ErrNotFound},
		{"one of a generation to come", row(unused), key(3, third), store.Rotation{}, store.ErrNotFound},
		{"the current one of a session that has ended", row(func(r *store.SessionRow) { r.EndedAt = &r.RotatedAt }), key(2, second), store.Rotation{}, store.ErrNotFound},
		{"an older one of a session that has ended", row(func(r *store.SessionRow) { r.EndedAt = &r.RotatedAt }), key(0, first), store.Rotation{}, store.ErrNotFound},
		{"of a session without refresh tokens", store.SessionRow{ID: "s", Generation: 1}, key(1, nil), store.Rotation{}, store.ErrNotFound},
		{"the first one rotates", store.SessionRow{ID: "s", Generation: 1, RefreshHash: first, SuccessorSeed: []byte("of R1")}, key(1, first),
			store.Rotation{Seed: []byte("of R1"), Generation: 2}, nil},
		{"before the first one there is none", store.SessionRow{ID: "s", Generation: 1, RefreshHash: first}, key(0, second), store.Rotation{}, store.ErrReused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := store.RotationOf(&tt.row, tt.key, arrived)
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if string(got.Seed) != string(tt.want.Seed) || got.Generation != tt.want.Generation || got.Replay != tt.want.Replay || !got.ReplayedAt.Equal(tt.want.ReplayedAt) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestRefreshKey(t *testing.T) {
	key := store.RefreshKey{SessionID: "01ABC", Generation: 7, Hash: secret.Hash("R")}
	if got, err := store.ParseRefreshKey(key.String()); err != nil || got.SessionID != key.SessionID || got.Generation != 7 || string(got.Hash) != string(key.Hash) {
		t.Errorf("got %+v, error %v, want %+v", got, err, key)
	}
	for _, s := range []string{"", "..", "a.b", "a.x.00", "a.1.", "a.1.00", "a.1.zz", key.String() + ".1", "kmr_something"} {
		if _, err := store.ParseRefreshKey(s); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: error %v, want ErrNotFound", s, err)
		}
	}
}
