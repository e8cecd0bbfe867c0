package command

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// mostGrowth and leastGrowth are by how many percent the heap grows before the
	// garbage collector runs. At Go's 100, which is the least, it would run many
	// times a second for the small heap of a server that has much to do.
	mostGrowth, leastGrowth = 400, 100
	// growthRoom is what the heap may grow by above leastGrowth, in bytes.
	growthRoom = 48 << 20
	// growthStep keeps the growth as it is for small differences, in percent: to
	// change it stops the server for some microseconds.
	growthStep = 50
)

// collector has Go's garbage collector run less often for as long as there is
// little memory to collect.
type collector struct {
	mu      sync.Mutex
	growth  int // in percent, as it is now
	stopped bool
}

// spareCollector begins with it, until the function that it returns is called.
// Whoever sets GOGC knows better.
func spareCollector(env func(string) string) (stop func()) {
	if env("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(mostGrowth)
	c := &collector{growth: mostGrowth}
	c.watch()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stopped = true
		debug.SetGCPercent(before)
	}
}

// watch looks at the heap after the next run of the garbage collector: it leaves
// behind what goes away then.
func (c *collector) watch() { runtime.AddCleanup(new([16]byte), (*collector).look, c) }

// look sets the growth to what the heap is like, and looks again.
func (c *collector) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if next := growth(live[0].Value.Uint64()); next != c.growth {
		debug.SetGCPercent(next)
		c.growth = next
	}
	c.watch()
}

// growth is by how many percent a heap grows of which so many bytes are in use.
func growth(live uint64) int {
	percent := growthRoom * 100 / max(live, 1) / growthStep * growthStep
	return int(min(max(percent, leastGrowth), mostGrowth))
}
