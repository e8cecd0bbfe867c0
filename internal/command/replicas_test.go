package command_test

import (
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// walk walks every flow, again and again and all at once, until ctx ends. What
// the proxy has cut off is begun again; anything else that goes wrong fails.
func (f *fleet) walk(ctx context.Context, t *testing.T) (wait func() (done, again int64)) {
	var walking sync.WaitGroup
	var done, again atomic.Int64
	for _, w := range flows {
		walking.Go(func() {
			for ctx.Err() == nil {
				before := f.cut.Load()
				switch failure := f.try(t, w, "alice"); {
				case failure == "":
					done.Add(1)
				case f.cut.Load() > before && strings.Contains(failure, "502"), strings.Contains(failure, io.ErrUnexpectedEOF.Error()):
					again.Add(1)
				default:
					t.Errorf("%s: %s", w.name, failure)
					return
				}
				select {
				case <-ctx.Done():
				case <-time.After(w.pause):
				}
			}
		})
	}
	return func() (int64, int64) { walking.Wait(); return done.Load(), again.Load() }
}

// TestThreeReplicasWithOneKilledEverySecond walks every flow meanwhile, and has
// clients that remember every answer: no token is refused that one of the servers
// has acknowledged, and what is tried again succeeds.
func TestThreeReplicasWithOneKilledEverySecond(t *testing.T) {
	t.Parallel()
	f := startFleet(t, emptyPostgres(t), "")
	w, remembered := watch(t, f.Env)
	w.epoch.Add(1) // until the end
	ctx, stop := context.WithTimeout(t.Context(), 12*time.Second)
	defer stop()
	wait := f.walk(ctx, t)
	kills := 0
	for ; ctx.Err() == nil; kills++ {
		p := f.servers[kills%3]
		p.kill()
		p.start()
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	done, again := wait()
	remembered()
	t.Logf("%d servers killed, %d flows to the end, %d begun again, %d requests cut off", kills, done, again, f.cut.Load())
	if kills < 5 || done < int64(len(flows)) || again > done {
		t.Error("too few flows came to their end")
	}
}

// stopGently ends a server as systemd does, and waits for it.
func (p *process) stopGently() {
	p.T.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.T.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.T.Errorf("a server that was told to stop ended with %v", err)
	}
}

// TestARollingRestartFailsNoRequest restarts the servers one after the other,
// twice, and expects every flow to come to its end at the first attempt, behind a
// proxy that tries nothing twice.
func TestARollingRestartFailsNoRequest(t *testing.T) {
	t.Parallel()
	f := startFleet(t, emptyPostgres(t), "shutdown_delay = 1")
	f.once = true
	w, remembered := watch(t, f.Env)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	wait := f.walk(ctx, t)
	for n := range 6 {
		i := n % 3
		f.servers[i].stopGently()
		f.servers[i].start()
		for deadline := time.Now().Add(10 * time.Second); !f.ready[i].Load() && time.Now().Before(deadline); {
			time.Sleep(healthInterval)
		}
	}
	stop()
	done, again := wait()
	remembered()
	t.Logf("%d flows to the end", done)
	if w.lost.Load()+w.unavailable.Load() > 0 {
		t.Errorf("%d requests without an answer, %d answers 503", w.lost.Load(), w.unavailable.Load())
	}
	if again > 0 || f.cut.Load() > 0 || done < int64(len(flows)) {
		t.Errorf("%d requests were cut off, %d flows came to their end, %d were begun again", f.cut.Load(), done, again)
	}
}
