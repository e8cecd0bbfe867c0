package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/store"
	"keymaker/store/storetest"
)

// batches is a fixture on SQLite with a table to write to, where a batch takes as
// long as it likes.
func batches(t *testing.T) *fixture {
	t.Helper()
	f := open(t, storetest.Databases()[0])
	f.exec("CREATE TABLE scratch (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES scratch, big BLOB)")
	f.Batches(1000, time.Hour)
	return f
}

// commits are how many transactions that wrote something the file's log holds:
// the last page of each says how large the file is after it.
func (f *fixture) commits() int {
	f.t.Helper()
	log, err := os.ReadFile(strings.TrimPrefix(f.options.URL.Reveal(), "sqlite:") + "-wal")
	f.must(err)
	n, size := 0, 24+int(binary.BigEndian.Uint32(log[8:]))
	for at := 32; at+size <= len(log); at += size {
		if binary.BigEndian.Uint32(log[at+4:]) > 0 {
			n++
		}
	}
	return n
}

// put writes a row.
func (f *fixture) put(ctx context.Context, id int) error {
	return f.Writer(ctx).Exec("INSERT INTO scratch (id) VALUES (?)", id).Error
}

// rows are the ids that are kept.
func (f *fixture) rows() []int {
	f.t.Helper()
	var ids []int
	f.must(f.Writer(f.ctx).Raw("SELECT id FROM scratch ORDER BY id").Scan(&ids).Error)
	return ids
}

// queued has all do something as soon as there is a turn, in this order, while
// nobody else does, and returns what each returned.
func (f *fixture) queued(do ...func() error) []error {
	f.t.Helper()
	errs := make([]error, len(do))
	var all sync.WaitGroup
	f.want("hold the writer", f.InTx(f.ctx, func(ctx context.Context) error {
		for i := range do {
			all.Add(1)
			if err := f.untilWaiting(ctx, func() { defer all.Done(); errs[i] = do[i]() }); err != nil {
				return err
			}
		}
		return errStop
	}), errStop)
	all.Wait()
	return errs
}

// puts is a transaction that writes a row, does something else, and ends with its
// error.
func (f *fixture) puts(id int, more ...func(ctx context.Context) error) func() error {
	return func() error {
		return f.InTx(f.ctx, func(ctx context.Context) error {
			err := f.put(ctx, id)
			for _, do := range more {
				if err == nil {
					err = do(ctx)
				}
			}
			return err
		})
	}
}

// What a transaction does to fail, or to have the others fail.
func gives(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// failsLater is refused by SQLite when all of the batch is to be committed.
func (f *fixture) failsLater(ctx context.Context) error {
	f.in(ctx).exec("PRAGMA defer_foreign_keys = ON")
	f.in(ctx).exec("INSERT INTO scratch (id, parent) VALUES (1000, 9999)")
	return nil
}

// fills meets the end of the disk, after which SQLite rolls back all there is.
func (f *fixture) fills(ctx context.Context) error {
	f.in(ctx).exec(fmt.Sprintf("PRAGMA max_page_count = %d", f.in(ctx).number("PRAGMA page_count")))
	err := f.Writer(ctx).Exec("INSERT INTO scratch (id, big) VALUES (2000, zeroblob(1000000))").Error
	if err == nil {
		return errors.New("the disk was not full")
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// fillsUnseen meets it as well, and goes on to write.
func (f *fixture) fillsUnseen(ctx context.Context) error {
	_ = f.fills(ctx)
	return f.put(ctx, 3000)
}

// losesUnseen has all rolled back where only whoever reads the rows could see it,
// and goes on to write.
func (f *fixture) losesUnseen(ctx context.Context) error {
	var id int
	_ = f.Writer(ctx).Raw("ROLLBACK").Scan(&id).Error
	return f.put(ctx, 3000)
}

func TestWritesThatArriveTogether(t *testing.T) {
	down := store.ErrUnavailable
	tests := []struct {
		name    string
		turns   func(*fixture) []func() error
		want    []error
		kept    []int
		commits int
	}{
		{"they share one commit", func(f *fixture) []func() error {
			return []func() error{f.puts(1), f.puts(2), f.puts(3), func() error { return f.put(f.ctx, 4) }, f.puts(5)}
		}, []error{nil, nil, nil, nil, nil}, []int{1, 2, 3, 4, 5}, 1},
		{"one that fails loses only its own", func(f *fixture) []func() error {
			return []func() error{f.puts(1), f.puts(2, gives(errStop)), f.puts(3)}
		}, []error{nil, errStop, nil}, []int{1, 3}, 1},
		{"the first may fail, and the last", func(f *fixture) []func() error {
			return []func() error{f.puts(1, gives(errStop)), f.puts(2), f.puts(3, gives(errStop))}
		}, []error{errStop, nil, errStop}, []int{2}, 1},
		{"a statement alone that fails loses only itself", func(f *fixture) []func() error {
			return []func() error{f.puts(1), func() error { return f.put(f.ctx, 1) }, f.puts(3)}
		}, []error{nil, errAny, nil}, []int{1, 3}, 1},
		{"a commit that fails is everybody's", func(f *fixture) []func() error {
			return []func() error{f.puts(1), f.puts(2, f.failsLater), func() error { return f.put(f.ctx, 3) }}
		}, []error{down, down, errAny}, nil, 0},
		{"it is also theirs who gave up for what they read", func(f *fixture) []func() error {
			return []func() error{f.puts(1, f.failsLater), f.puts(2, gives(store.ErrConflict))}
		}, []error{down, down}, nil, 0},
		{"it is not theirs who had given up before anybody wrote", func(f *fixture) []func() error {
			return []func() error{f.puts(1, gives(store.ErrConflict)), f.puts(2, f.failsLater)}
		}, []error{store.ErrConflict, down}, nil, 0},
		{"who only read is told as well", func(f *fixture) []func() error {
			return []func() error{f.puts(1, f.failsLater), func() error {
				return f.InTx(f.ctx, func(ctx context.Context) error { f.in(ctx).number("SELECT count(*) FROM scratch"); return nil })
			}}
		}, []error{down, down}, nil, 0},
		{"a full disk fails all before it, and none after it", func(f *fixture) []func() error {
			return []func() error{f.puts(1), f.puts(2, f.fills), f.puts(3)}
		}, []error{down, down, nil}, []int{3}, 1},
		{"a full disk at the first", func(f *fixture) []func() error {
			return []func() error{f.puts(1, f.fills), f.puts(2)}
		}, []error{down, nil}, []int{2}, 1},
		{"nothing is written by itself after a full disk", func(f *fixture) []func() error {
			return []func() error{f.puts(1), f.puts(2, f.fillsUnseen), f.puts(3)}
		}, []error{down, errAny, nil}, []int{3}, 1},
		{"nor by the first", func(f *fixture) []func() error {
			return []func() error{f.puts(1, f.fillsUnseen), f.puts(2)}
		}, []error{errAny, nil}, []int{2}, 1},
		{"nor where it was lost in reading rows", func(f *fixture) []func() error {
			return []func() error{f.puts(1), f.puts(2, f.losesUnseen), f.puts(3)}
		}, []error{down, errAny, nil}, []int{3}, 1},
		{"one that hides the full disk commits nothing", func(f *fixture) []func() error {
			return []func() error{f.puts(1, func(ctx context.Context) error { _ = f.fills(ctx); return nil }), f.puts(2)}
		}, []error{down, nil}, []int{2}, 1},
		{"one that is cancelled meanwhile loses only its own", func(f *fixture) []func() error {
			ctx, cancel := context.WithCancel(f.ctx)
			return []func() error{f.puts(1), f.in(ctx).puts(2, func(context.Context) error { cancel(); return nil }), f.puts(3)}
		}, []error{nil, context.Canceled, nil}, []int{1, 3}, 1},
		{"one that is cancelled amid a statement loses only its own", func(f *fixture) []func() error {
			ctx, cancel := context.WithCancel(f.ctx)
			return []func() error{f.puts(1), f.in(ctx).puts(2, func(ctx context.Context) error {
				time.AfterFunc(5*time.Millisecond, cancel)
				return f.Writer(ctx).Exec(`INSERT INTO scratch (id) VALUES ((WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 500000)
					SELECT max(n) FROM c))`).Error
			}), f.puts(3)}
		}, []error{nil, context.Canceled, nil}, []int{1, 3}, 1},
		{"one that panics loses only its own", func(f *fixture) []func() error {
			return []func() error{f.puts(1), func() (err error) {
				defer func() {
					if recover() == "boom" {
						err = errStop
					}
				}()
				return f.puts(2, func(context.Context) error { panic("boom") })()
			}, f.puts(3)}
		}, []error{nil, errStop, nil}, []int{1, 3}, 1},
		{"one that nobody ends loses only its own when its request is over", func(f *fixture) []func() error {
			return []func() error{f.puts(1), func() error {
				ctx, cancel := context.WithCancel(f.ctx)
				defer cancel()
				ctx, err := f.BeginTX(ctx)
				return errors.Join(err, f.put(ctx, 2))
			}, f.puts(3)}
		}, []error{nil, nil, nil}, []int{1, 3}, 1},
		{"what takes long begins a batch, and nobody before it waits for it", func(f *fixture) []func() error {
			return []func() error{f.puts(1), f.in(store.AtLength(f.ctx)).puts(2), f.puts(3)}
		}, []error{nil, nil, nil}, []int{1, 2, 3}, 2},
		{"what returns rows without a transaction is a batch of its own", func(f *fixture) []func() error {
			return []func() error{f.puts(1), func() error {
				var id int
				return f.Writer(f.ctx).Raw("INSERT INTO scratch (id) VALUES (2) RETURNING id").Scan(&id).Error
			}, f.puts(3)}
		}, []error{nil, nil, nil}, []int{1, 2, 3}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := batches(t)
			before := f.commits()
			errs := f.queued(tt.turns(f)...)
			for i, want := range tt.want {
				if !errors.Is(want, errAny) {
					f.want(fmt.Sprintf("turn %d", i+1), errs[i], want)
				} else if errs[i] == nil {
					t.Errorf("turn %d: no error", i+1)
				}
				if errors.Is(want, down) && (errors.Is(errs[i], store.ErrConflict) || errors.Is(errs[i], errStop)) {
					t.Errorf("turn %d: %v says what was read", i+1, errs[i])
				}
			}
			if got := f.commits() - before; got != tt.commits {
				t.Errorf("%d commits, want %d", got, tt.commits)
			}
			if got := f.rows(); !slices.Equal(got, tt.kept) {
				t.Errorf("kept are %v, want %v", got, tt.kept)
			}
			f.must(f.put(f.ctx, 9000)) // it goes on
		})
	}
}

// errAny is whatever error.
var errAny = errors.New("any error")

func TestBatchesAreBounded(t *testing.T) {
	tests := []struct {
		name    string
		most    int
		longest time.Duration
		commits int
	}{
		{"in number", 4, time.Hour, 3},
		{"in time", 1000, 0, 10},
		{"and else not", 1000, time.Hour, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := batches(t)
			f.Batches(tt.most, tt.longest)
			before := f.commits()
			var turns []func() error
			for i := range 10 {
				turns = append(turns, f.puts(i))
			}
			wantAll(t, f.queued(turns...))
			if got := f.commits() - before; got != tt.commits {
				t.Errorf("%d commits, want %d", got, tt.commits)
			}
		})
	}
}

func TestUrgentWritesGoFirst(t *testing.T) {
	f := batches(t)
	const others = 3
	var mu sync.Mutex
	var order []string
	turn := func(ctx context.Context, name string) func() error {
		return func() error {
			return f.InTx(ctx, func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
				return nil
			})
		}
	}
	var turns []func() error
	for i := range others {
		turns = append(turns, turn(f.ctx, fmt.Sprint("other ", i)))
	}
	var want []string
	for i := range 2*store.Patience + 1 {
		if i > 0 && i%store.Patience == 0 {
			want = append(want, fmt.Sprint("other ", i/store.Patience-1))
		}
		name := fmt.Sprint("urgent ", i)
		turns, want = append(turns, turn(store.Urgent(f.ctx), name)), append(want, name)
	}
	wantAll(t, f.queued(turns...))
	if want = append(want, "other 2"); !slices.Equal(order, want) {
		t.Errorf("the order is\n%q, want\n%q", order, want)
	}
}

func TestWhoIsCancelledWhileWaitingLeavesTheQueue(t *testing.T) {
	f := batches(t)
	ctx, cancel := context.WithCancel(f.ctx)
	gone := make(chan error, 1)
	wantAll(t, f.queued(f.puts(1), func() error { gone <- f.in(ctx).puts(2)(); return nil }, func() error {
		cancel()
		f.want("the cancelled one", <-gone, context.Canceled)
		return f.puts(3)()
	}))
	if got := f.rows(); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("kept are %v", got)
	}
}

// A thousand transactions at once, of which some fail, some are cancelled and some
// are statements alone: what is there afterwards is what was said to be.
func TestManyWritersAtOnce(t *testing.T) {
	f := batches(t)
	f.Batches(64, 5*time.Millisecond)
	f.must(f.put(f.ctx, 0))
	f.exec("UPDATE scratch SET parent = 0 WHERE id = 0")
	count := func(ctx context.Context) error {
		return f.Writer(ctx).Exec("UPDATE scratch SET big = COALESCE(big, 0) + 1 WHERE id = 0").Error
	}
	errs := together(1000, func(i int) error {
		ctx, cancel := context.WithCancel(f.ctx)
		defer cancel()
		if i%2 == 0 {
			ctx = store.Urgent(ctx)
		}
		more := []func(context.Context) error{count}
		switch i % 10 {
		case 3:
			more = append(more, gives(errStop))
		case 5:
			more = append(more, func(context.Context) error { cancel(); return nil })
		case 7:
			time.AfterFunc(time.Duration(i)*time.Microsecond, cancel)
		case 9:
			return f.put(ctx, i+1)
		}
		return f.in(ctx).puts(i+1, more...)()
	})
	var want []int
	counted := int64(0)
	for i, err := range errs {
		switch {
		case err == nil:
			want = append(want, i+1)
			if i%10 != 9 {
				counted++
			}
		case !errors.Is(err, errStop) && !errors.Is(err, context.Canceled):
			t.Errorf("transaction %d: %v", i, err)
		}
	}
	if got := f.rows(); !slices.Equal(got, append([]int{0}, want...)) {
		t.Errorf("%d rows are kept, of %d that were said to be", len(got)-1, len(want))
	}
	if got := f.number("SELECT big FROM scratch WHERE id = 0"); got != counted {
		t.Errorf("%d are counted of %d", got, counted)
	}
	if inUse := f.Pools()["writer"].InUse; inUse != 0 {
		t.Errorf("%d connections are in use", inUse)
	}
}

// BenchmarkWriters has the rows of a refresh written by so many at once, each with
// a commit of its own or together.
func BenchmarkWriters(b *testing.B) {
	for _, most := range []int{1, 64} {
		for _, writers := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("%d at once, %d to a commit", writers, most), func(b *testing.B) {
				s := storetest.Open(b, storetest.Options(b, storetest.Databases()[0].URL(b)))
				s.Batches(most, 5*time.Millisecond)
				if err := s.Writer(b.Context()).Exec("CREATE TABLE scratch (id INTEGER PRIMARY KEY, hash BLOB)").Error; err != nil {
					b.Fatal(err)
				}
				left := make(chan struct{}, b.N)
				for range b.N {
					left <- struct{}{}
				}
				close(left)
				b.ResetTimer()
				for _, err := range together(writers, func(int) error {
					for range left {
						err := s.InTx(b.Context(), func(ctx context.Context) error {
							return errors.Join(s.Writer(ctx).Exec("INSERT INTO scratch (hash) VALUES (randomblob(32))").Error,
								s.Writer(ctx).Exec("UPDATE scratch SET hash = randomblob(32) WHERE id = 1").Error)
						})
						if err != nil {
							return err
						}
					}
					return nil
				}) {
					if err != nil {
						b.Error(err)
					}
				}
			})
		}
	}
}
