// Package porttest finds ports for tests that start programs.
package porttest

import (
	"net"
	"testing"
)

// Free is a port of the loopback interface on which nobody listens. Somebody may
// before it is used.
func Free(t testing.TB) int {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("find a port: %v", err)
	}
	defer func() { _ = l.Close() }()
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("find a port: %v is no TCP address", l.Addr())
	}
	return address.Port
}
