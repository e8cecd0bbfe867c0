package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

const (
	callTimeout = time.Minute
	// maxAnswer bounds what is read of a server, in bytes: the longest list.
	maxAnswer = 64 << 20
)

// Client asks a server that runs, through its socket.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient asks the server that listens on a Unix socket.
func NewClient(socket string) *Client { return &Client{socket: socket, http: HTTPClient(socket)} }

// Base is what comes before a path of the private socket. The host is nobody's:
// the transport knows the socket alone.
const Base = "http://keymaker.invalid"

// HTTPClient speaks HTTP through a Unix socket.
func HTTPClient(socket string) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	return &http.Client{Transport: transport, Timeout: callTimeout}
}

func (c *Client) call(ctx context.Context, name string, question []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, Base+path+name, bytes.NewReader(question))
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	r.Header.Set("Content-Type", jsonMedia)
	response, err := c.http.Do(r)
	switch {
	case errors.Is(err, syscall.EACCES):
		return nil, refused("the socket %s may not be opened: be the user that the server runs as", Printable(c.socket))
	case err != nil:
		return nil, fmt.Errorf("no server answers on %s: %w", c.socket, err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode == http.StatusOK {
		return body, nil
	}
	var known Error
	if err := json.Unmarshal(body, &known); err != nil || known.Text == "" {
		return nil, fmt.Errorf("the server answers with status %d", response.StatusCode)
	}
	return nil, &known
}
