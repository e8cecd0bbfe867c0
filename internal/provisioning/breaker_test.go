package provisioning_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/provisioning"
)

// timed makes a call, and tells how long it took.
func timed(t *testing.T, call func(context.Context) error) (took time.Duration, err error) {
	t.Helper()
	began := time.Now()
	err = call(t.Context())
	return time.Since(began), err
}

func reactivate(c *provisioning.Client) func(context.Context) error {
	return func(ctx context.Context) error { return c.ReactivateUser(ctx, "alice") }
}

func TestALostHomeserverIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: []func(net.Conn){hanging}}
		c := n.client(t)
		for range 3 {
			if took, err := timed(t, reactivate(c)); took != provisioning.Timeout {
				t.Fatalf("%v after %s", err, took)
			}
		}
		for _, call := range calls {
			took, err := timed(t, func(ctx context.Context) error { return call.call(ctx, c) })
			if call.name == "DeleteUser" || call.name == "SyncDevices" {
				expectKind(t, err, provisioning.ErrUnavailable) // these two wait for nobody either
			}
			if took != 0 || err == nil || !strings.Contains(err.Error(), "is not asked") {
				t.Errorf("%s: %v after %s", call.name, err, took)
			}
		}
		if n.dialed != 3 {
			t.Errorf("%d connections", n.dialed)
		}
		time.Sleep(provisioning.Pause + time.Millisecond)
		if took, err := timed(t, reactivate(c)); took != provisioning.Timeout {
			t.Errorf("nobody finds out whether it is back: %v after %s", err, took)
		}
		if took, err := timed(t, reactivate(c)); took != 0 {
			t.Errorf("one failure is enough then: %v after %s", err, took)
		}
		n.serve = []func(net.Conn){answering(good)}
		time.Sleep(provisioning.Pause + time.Millisecond)
		for range 2 {
			if _, err := timed(t, reactivate(c)); err != nil {
				t.Errorf("it is back: %v", err)
			}
		}
	})
}

func TestOneCallFindsOutWhetherTheHomeserverIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{serve: []func(net.Conn){nil}}
		c := n.client(t)
		for range 3 {
			_ = c.ReactivateUser(t.Context(), "alice")
		}
		n.serve, n.dialed = []func(net.Conn){hanging}, 0
		time.Sleep(provisioning.Pause + time.Millisecond)
		var waited atomic.Int32
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if took, err := timed(t, reactivate(c)); err == nil || took > 0 {
					waited.Add(1)
				}
			})
		}
		wg.Wait()
		if waited.Load() != 1 {
			t.Errorf("%d calls waited", waited.Load())
		}
	})
}

func TestWhatCountsAsALoss(t *testing.T) {
	status := func(s string) func(net.Conn) {
		return answering("HTTP/1.1 " + s + "\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
	}
	tests := []struct {
		name  string
		serve func(net.Conn)
		lost  bool
	}{
		{"a refused connection", nil, true},
		{"a connection that ends", ending(""), true},
		{"half an answer", ending(good[:len(good)-1]), true},
		{"no answer", hanging, true},
		{"a proxy that reaches nobody", status("502 x"), true},
		{"a proxy that waits for nobody", status("504 x"), true},
		{"a server that is not ready", status("503 x"), true},
		{"a success", status("200 x"), false},
		{"a bad request", status("400 x"), false},
		{"a refused secret", status("403 x"), false},
		{"an unknown user", status("404 x"), false},
		{"an error of one call", status("500 x"), false},
		{"a limit", status("429 x"), false},
		{"a redirect", status("302 x"), false},
		{"garbage", answering(strings.Replace(good, "{}", "no", 1)), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := (&network{serve: []func(net.Conn){tt.serve}}).client(t)
				for range 3 {
					_ = c.ReactivateUser(t.Context(), "alice")
				}
				err := c.ReactivateUser(t.Context(), "alice")
				if lost := err != nil && strings.Contains(err.Error(), "is not asked"); lost != tt.lost {
					t.Errorf("lost %t: %v", lost, err)
				}
			})
		})
	}
	t.Run("a success in between", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := &network{serve: []func(net.Conn){nil, nil, ending(good), nil, nil, answering(good)}}
			c := n.client(t)
			for i, want := range []bool{false, false, true, false, false, true} {
				if err := c.ReactivateUser(t.Context(), "alice"); (err == nil) != want {
					t.Errorf("call %d: %v", i, err)
				}
			}
		})
	})
	for name, tt := range map[string]struct {
		wait time.Duration
		lost bool
	}{"a caller who waits for a moment": {time.Second, false}, "callers who wait for long": {4 * time.Second, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := (&network{serve: []func(net.Conn){hanging}}).client(t)
				impatient := func() error {
					ctx, cancel := context.WithTimeout(t.Context(), tt.wait)
					defer cancel()
					_, err := c.QueryUser(ctx, "alice")
					return err
				}
				for range 3 {
					expectKind(t, impatient(), provisioning.ErrUnavailable)
				}
				err := impatient()
				if lost := err != nil && strings.Contains(err.Error(), "is not asked"); lost != tt.lost {
					t.Errorf("lost %t: %v", lost, err)
				}
			})
		})
	}
}

// What may take minutes neither makes others wait nor tells them anything.
func TestLastingCallsStandInNobodysWay(t *testing.T) {
	lasting := map[string]func(context.Context, *provisioning.Client) error{
		"a deletion": func(ctx context.Context, c *provisioning.Client) error { return c.DeleteUser(ctx, "alice", true) },
		"a list of devices": func(ctx context.Context, c *provisioning.Client) error {
			return c.SyncDevices(ctx, "alice", nil)
		},
	}
	for name, call := range lasting {
		t.Run("the end of "+name+" is no loss", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{serve: []func(net.Conn){hanging, hanging, hanging, answering(good)}}
				c := n.client(t)
				for range 3 {
					expectKind(t, call(t.Context(), c), provisioning.ErrUnavailable)
				}
				if err := c.ReactivateUser(t.Context(), "alice"); err != nil {
					t.Error(err)
				}
			})
		})
		t.Run(name+" lets others find out first", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
				n := &network{serve: []func(net.Conn){nil, nil, nil, ending(bad), hanging, answering(good)}}
				c := n.client(t)
				for range 3 {
					_ = c.ReactivateUser(t.Context(), "alice")
				}
				time.Sleep(provisioning.Pause + time.Millisecond)
				var wg sync.WaitGroup
				wg.Go(func() { _ = call(t.Context(), c) })
				synctest.Wait() // it has found out, and hangs now
				if took, err := timed(t, reactivate(c)); err != nil || took != 0 {
					t.Errorf("%v after %s", err, took)
				}
				wg.Wait()
			})
		})
	}
}

func TestTheLogTellsOfALossOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c, err := provisioning.New(provisioning.Options{
			Endpoint: "http://homeserver.example", Secret: sharedSecret, Clock: clock.System{}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		n := &network{serve: []func(net.Conn){nil}}
		n.use(t, c)
		for range 5 {
			for range 5 {
				_ = c.ReactivateUser(t.Context(), "alice")
			}
			time.Sleep(provisioning.Pause + time.Millisecond)
		}
		n.serve = []func(net.Conn){answering(good)}
		for range 2 {
			_ = c.ReactivateUser(t.Context(), "alice")
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "level=WARN") || !strings.Contains(lines[1], "answers again") {
			t.Errorf("the log is\n%s", log.String())
		}
	})
}
