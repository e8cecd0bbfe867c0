package command

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGrowth(t *testing.T) {
	for _, tt := range []struct {
		what string
		live uint64
		want int
	}{
		{"nothing in use", 0, 400},
		{"a server with little to do", 8 << 20, 400},
		{"as much as there is room for", 12 << 20, 400},
		{"a little more", 13 << 20, 350},
		{"a crowd", 30 << 20, 150},
		{"as much as the room", 48 << 20, 100},
		{"far more than the room", 8 << 30, 100},
	} {
		if got := growth(tt.live); got != tt.want {
			t.Errorf("%s: by %d %%, want %d", tt.what, got, tt.want)
		}
	}
}

// percent is by how much the heap grows now.
func percent() int {
	now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(now)
	return int(now[0].Value.Uint64())
}

// becomes runs the garbage collector until the heap grows by so many percent.
func becomes(t *testing.T, want int) {
	t.Helper()
	for range 1000 {
		if percent() == want {
			return
		}
		runtime.GC()
		time.Sleep(time.Millisecond) // what a run leaves behind is seen beside it
	}
	t.Fatalf("the heap grows by %d %%, want %d", percent(), want)
}

func TestSpareCollector(t *testing.T) {
	before := percent()
	t.Run("the heap grows by less while there is much in use", func(t *testing.T) {
		stop := spareCollector(lookup(nil))
		defer stop()
		much := make([]byte, 100<<20)
		becomes(t, leastGrowth)
		runtime.KeepAlive(much)
		becomes(t, mostGrowth)
	})
	t.Run("it is as it was when the server has stopped", func(t *testing.T) { becomes(t, before) })
	t.Run("GOGC is left as it is", func(t *testing.T) {
		defer spareCollector(lookup([]string{"GOGC=50"}))()
		if got := percent(); got != before {
			t.Errorf("the heap grows by %d %%, want %d", got, before)
		}
	})
}
