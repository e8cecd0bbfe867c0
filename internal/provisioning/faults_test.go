package provisioning_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keymaker/internal/provisioning"
)

// A network is where a homeserver misbehaves. Each connection has its behaviour
// of serve, of which the last goes on; nil does not let itself be dialed.
type network struct {
	serve []func(net.Conn)

	mu     sync.Mutex // two calls may dial at once
	dialed int
}

// client returns a client for which the network is all there is. It is for a
// bubble of synctest.
func (n *network) client(t *testing.T) *provisioning.Client {
	t.Helper()
	c := newClient(t, "http://homeserver.example")
	n.use(t, c)
	return c
}

// use makes the network all there is for a client.
func (n *network) use(t *testing.T, c *provisioning.Client) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		time.Sleep(2 * time.Second) // the bubble's time: what drips ends
	})
	c.SetDial(func(context.Context) (net.Conn, error) {
		n.mu.Lock()
		serve := n.serve[min(n.dialed, len(n.serve)-1)]
		n.dialed++
		n.mu.Unlock()
		if serve == nil {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
		}
		mine, theirs := net.Pipe()
		go func() {
			defer func() { _ = theirs.Close() }()
			serve(theirs)
		}()
		context.AfterFunc(ctx, func() { _, _ = mine.Close(), theirs.Close() })
		return mine, nil
	})
}

// answering reads each request, and writes text.
func answering(text string) func(net.Conn) {
	return func(c net.Conn) {
		for read := bufio.NewReader(c); ; {
			if !asked(read) {
				return
			}
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

// ending reads a request, writes text, and closes the connection.
func ending(text string) func(net.Conn) {
	return func(c net.Conn) {
		if asked(bufio.NewReader(c)) {
			_, _ = io.WriteString(c, text)
		}
	}
}

// asked reads a request.
func asked(r *bufio.Reader) bool {
	request, err := http.ReadRequest(r)
	if err == nil {
		_, err = io.Copy(io.Discard, request.Body)
	}
	return err == nil
}

// hanging reads a request, and says no more.
func hanging(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// dripping writes the header, and then a byte each second.
func dripping(c net.Conn) {
	if !asked(bufio.NewReader(c)) {
		return
	}
	_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
	for ; err == nil; time.Sleep(time.Second) {
		_, err = io.WriteString(c, " ")
	}
}

// flooding writes a GiB.
func flooding(c net.Conn) {
	if !asked(bufio.NewReader(c)) {
		return
	}
	_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n{")
	for i := 0; i < 1<<14 && err == nil; i++ {
		_, err = c.Write(make([]byte, 1<<16))
	}
}

const good = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

func TestFaultsOfTheNetwork(t *testing.T) {
	tests := []struct {
		name  string
		serve func(net.Conn)
		says  string
		takes time.Duration // at most; the calls with more time take theirs
	}{
		{"nobody listens", nil, "connection refused", 0},
		{"a connection is closed at once", func(net.Conn) {}, "the connection ended", 0},
		{"a connection is closed after the call", ending(""), "the connection ended", 0},
		{"an answer ends in its header", ending("HTTP/1.1 200 OK\r\nContent-"), "the connection ended", 0},
		{"an answer ends in its body", ending(good[:len(good)-1]), "the connection ended", 0},
		{"an answer ends between its chunks", ending("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"), "the connection ended", 0},
		{"an answer is no HTTP", ending("GET /_synapse/mas/query_user?localpart=alice HTTP/1.1\r\n\r\n"), "is no HTTP", 0},
		{"a header does not end", answering("HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 1<<20)), "is no HTTP", 0},
		{"a body of a GiB", flooding, "longer than 1048576 bytes", 0},
		{"no answer comes", hanging, "no answer within", provisioning.Timeout},
		{"an answer drips", dripping, "no answer within", provisioning.Timeout},
	}
	allowed := map[string]time.Duration{"DeleteUser": provisioning.DeleteTimeout, "SyncDevices": provisioning.SyncTimeout}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, call := range calls {
				synctest.Test(t, func(t *testing.T) {
					c := (&network{serve: []func(net.Conn){tt.serve}}).client(t)
					began := time.Now()
					err := call.call(t.Context(), c)
					took := time.Since(began)
					expectKind(t, err, provisioning.ErrUnavailable)
					if err != nil && (!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "alice") || strings.Contains(err.Error(), sharedSecret)) {
						t.Errorf("%s: error %q", call.name, err)
					}
					want := tt.takes
					if want > 0 && allowed[call.name] > 0 {
						want = allowed[call.name]
					}
					if took != want {
						t.Errorf("%s: it took %s, want %s", call.name, took, want)
					}
				})
			}
		})
	}
}

func TestNoMoreIsReadThanTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := make(chan int, 1)
		n := &network{serve: []func(net.Conn){func(c net.Conn) {
			counted := &countingConn{Conn: c}
			flooding(counted)
			sent <- counted.written
		}}}
		expectKind(t, n.client(t).ReactivateUser(t.Context(), "alice"), provisioning.ErrUnavailable)
		if got := <-sent; got > 2<<20 {
			t.Errorf("%d bytes", got)
		}
	})
}

type countingConn struct {
	net.Conn
	written int
}

func (c *countingConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.written += n
	return n, err
}

func TestTheCallerMayStopWaiting(t *testing.T) {
	for _, call := range calls {
		synctest.Test(t, func(t *testing.T) {
			c := (&network{serve: []func(net.Conn){hanging}}).client(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			err := call.call(ctx, c)
			expectKind(t, err, provisioning.ErrUnavailable)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%s: %v after %s", call.name, err, time.Since(began))
			}
		})
	}
}

// A connection may be closed just when the next call is sent over it.
func TestACallOverAConnectionThatHasEndedIsSentAgain(t *testing.T) {
	for _, call := range calls {
		synctest.Test(t, func(t *testing.T) {
			text := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(described), described)
			second := func(c net.Conn) { // answers one call, and closes at the next
				if r := bufio.NewReader(c); asked(r) {
					_, _ = io.WriteString(c, text)
					_ = asked(r)
				}
			}
			n := &network{serve: []func(net.Conn){second, answering(text)}}
			c := n.client(t)
			for range 2 {
				if err := call.call(t.Context(), c); err != nil {
					t.Errorf("%s: %v", call.name, err)
				}
			}
			if n.dialed != 2 {
				t.Errorf("%s: %d connections", call.name, n.dialed)
			}
		})
	}
}

func TestAConnectionIsUsedAgain(t *testing.T) {
	answers := map[string]string{
		"a success":              good,
		"a success with no body": "HTTP/1.1 204 No Content\r\n\r\n",
		"a refusal":              "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"an error page":          "HTTP/1.1 500 Oh\r\nContent-Type: text/html\r\nContent-Length: 40\r\n\r\n" + strings.Repeat("x", 40),
		"a large answer":         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000002\r\n\r\n{" + strings.Repeat(" ", 1000000) + "}",
	}
	for name, text := range answers {
		t.Run("after "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := &network{serve: []func(net.Conn){answering(text)}}
				c := n.client(t)
				for range 10 {
					_ = c.ReactivateUser(t.Context(), "alice")
					synctest.Wait()
				}
				if n.dialed != 1 {
					t.Errorf("%d connections", n.dialed)
				}
			})
		})
	}
	t.Run("but not one that has waited for long", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			n := &network{serve: []func(net.Conn){answering(good)}}
			c := n.client(t)
			for range 2 {
				if err := c.ReactivateUser(t.Context(), "alice"); err != nil {
					t.Error(err)
				}
				time.Sleep(31 * time.Second) // the bubble's time
			}
			if n.dialed != 2 {
				t.Errorf("%d connections", n.dialed)
			}
		})
	})
}

// Connections that lead nowhere any more are not tried one after the other.
func TestOneDeadConnectionCondemnsTheIdleOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dies := func(c net.Conn) {
			if asked(bufio.NewReader(c)) {
				time.Sleep(time.Second) // so that the other call needs another
				_, _ = io.WriteString(c, good)
			}
			hanging(c)
		}
		n := &network{serve: []func(net.Conn){dies, dies, answering(good)}}
		c := n.client(t)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if err := c.ReactivateUser(t.Context(), "alice"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		expectKind(t, c.ReactivateUser(t.Context(), "alice"), provisioning.ErrUnavailable)
		if err := c.ReactivateUser(t.Context(), "alice"); err != nil || n.dialed != 3 {
			t.Errorf("%v, %d connections", err, n.dialed)
		}
	})
}

// A reset is what the kernel of a machine sends whose program has died.
func TestAConnectionIsReset(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1))
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}()
	err = newClient(t, "http://"+l.Addr().String()).ReactivateUser(t.Context(), "alice")
	expectKind(t, err, provisioning.ErrUnavailable)
	if err != nil && !strings.Contains(err.Error(), "connection reset by peer") {
		t.Errorf("error %v", err)
	}
}

func TestAHomeserverThatSpeaksNoTLS(t *testing.T) {
	h := serve(t, reply{status: 200, body: "{}"})
	err := newClient(t, strings.Replace(h.URL, "http", "https", 1)).ReactivateUser(t.Context(), "alice")
	expectKind(t, err, provisioning.ErrUnavailable)
	if err != nil && !strings.Contains(err.Error(), "it does not speak https") {
		t.Errorf("error %v", err)
	}
}
