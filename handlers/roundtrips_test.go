package handlers_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"keymaker/internal/harness"
	"keymaker/store/storetest"
)

// relay stands between the server and PostgreSQL, and counts how often the server
// sends something and then waits for an answer: whatever is sent without waiting
// in between is one round trip.
type relay struct {
	trips atomic.Int64
	to    string
}

// relayed makes a database behind a relay, and returns its URL there.
func relayed(t *testing.T, d storetest.Database) (*relay, string) {
	t.Helper()
	at, err := url.Parse(d.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{to: at.Host}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			go r.serve(client)
		}
	}()
	at.Host = l.Addr().String()
	return r, at.String()
}

func (r *relay) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var asked atomic.Bool
	go func() {
		_, _ = io.Copy(client, heard{server, func() { asked.Store(false) }})
		_ = client.Close()
	}()
	_, _ = io.Copy(server, heard{client, func() {
		if !asked.Swap(true) {
			r.trips.Add(1)
		}
	}})
}

// heard tells when something was read.
type heard struct {
	io.Reader
	tell func()
}

// Read implements io.Reader.
func (r heard) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.tell()
	}
	return n, err
}

// TestRoundTrips counts, beside the statements of TestStatements, how often the
// server waits for PostgreSQL in a request: once for each statement, and once each
// for BEGIN and COMMIT. What the server does beside it, every second, may fall into
// one of them, so the cheapest of a few counts.
func TestRoundTrips(t *testing.T) {
	for _, d := range storetest.Databases() {
		if d.Name != "postgres" {
			continue // SQLite is in the process
		}
		r, address := relayed(t, d)
		e := harness.Start(t, func(o *harness.Options) {
			o.Global = "oidc_rc_per_second = 0"
			o.DatabaseURL, o.SecretFile = address, storetest.SecretFile(t)
		})
		tokens := e.LogIn("alice", "TRIPS")
		tests := []struct {
			name    string
			prepare func(e *harness.Env) func() harness.Answer
			want    int64
		}{
			{"an introspection waits once", func(e *harness.Env) func() harness.Answer {
				return func() harness.Answer { return e.Introspect(tokens.Access) }
			}, 1},
			{"a refresh waits once to read, and once for its transaction", func(e *harness.Env) func() harness.Answer {
				return func() harness.Answer {
					a := e.Refresh(tokens.ClientID, tokens.Refresh)
					tokens.Refresh = a.Text("refresh_token")
					return a
				}
			}, 1 + 1},
			{"a code exchange waits twice to read and for the device, and ten times in its transaction", func(e *harness.Env) func() harness.Answer {
				g := approved(e, tokens.ClientID, "openid "+harness.ScopeStable+"EXCHANGED")
				return func() harness.Answer { return e.Form(tokenPath, g.values()) }
			}, 2 + 10},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				e := e.For(t)
				least := int64(1 << 62)
				for range 5 {
					request := tt.prepare(e)
					before := r.trips.Load()
					a := request()
					least = min(least, r.trips.Load()-before)
					expectStatus(e, a, http.StatusOK)
				}
				if least != tt.want {
					t.Errorf("it waits %d times, want %d", least, tt.want)
				}
			})
		}
	}
}
