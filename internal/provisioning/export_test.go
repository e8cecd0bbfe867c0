package provisioning

import (
	"context"
	"net"
	"net/http"
)

// transport is what every Client has.
func (c *Client) transport() *http.Transport {
	t, ok := c.http.Transport.(*http.Transport)
	if !ok {
		panic("the transport is of another kind")
	}
	return t
}

// SetDial lets a test be the network.
func (c *Client) SetDial(dial func(ctx context.Context) (net.Conn, error)) {
	c.transport().DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }
}

// HasProxy tells whether there may be a proxy in between.
func (c *Client) HasProxy() bool { return c.transport().Proxy != nil }

// Connections is how many connections a Client keeps at most.
const Connections = connections
