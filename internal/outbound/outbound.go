// Package outbound is the HTTP client for addresses that others chose: what a
// client registered as its logout or key set URI. It cannot be made to reach
// into the network that the server stands in, whatever a name resolves to, nor
// to wait or to read without end.
package outbound

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"code.dny.dev/ssrf"
)

const (
	// Timeout bounds a request, its answer included.
	Timeout = 10 * time.Second
	// MaxBody is how much of an answer a client of New can read, in bytes.
	MaxBody = 256 << 10
)

// ErrTooLarge is returned when an answer is read beyond what a client may read.
var ErrTooLarge = errors.New("the answer is too long")

// Reach says which addresses a client may connect to. The address is judged
// when the connection is made, so that a name cannot change in between.
type Reach int

// How far a client reaches.
const (
	// Public: no private, link-local, loopback or otherwise special address.
	Public Reach = iota
	// PublicAndLoopback is for a server that itself is on a loopback address,
	// where clients are developed and tested.
	PublicAndLoopback
	// Anywhere is for addresses that the administrator named.
	Anywhere
)

// New returns a client that reaches no further than it says, follows no
// redirect, uses no proxy, ends every request after Timeout and every answer
// after MaxBody.
func New(reach Reach) *http.Client { return NewFor(reach, MaxBody) }

// NewFor is New for answers of at most so many bytes.
func NewFor(reach Reach, maxBody int) *http.Client {
	dialer := &net.Dialer{Timeout: Timeout}
	options := []ssrf.Option{ssrf.WithAnyPort()}
	if reach == PublicAndLoopback {
		options = append(options, ssrf.WithAllowedV4Prefixes(netip.MustParsePrefix("127.0.0.0/8")), ssrf.WithAllowedV6Prefixes(netip.MustParsePrefix("::1/128")))
	}
	if reach != Anywhere {
		dialer.Control = ssrf.New(options...).Safe
	}
	return &http.Client{
		Timeout:       Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: bounded{maxBody, &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: Timeout, ResponseHeaderTimeout: Timeout, MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute,
		}},
	}
}

// Refused tells whether an error of a client means that the address is out of
// its reach.
func Refused(err error) bool { return errors.Is(err, ssrf.ErrProhibitedIP) }

// bounded ends answers after so many bytes.
type bounded struct {
	max  int
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = &body{ReadCloser: answer.Body, left: b.max}
	return answer, nil
}

// body is an answer of which only so many bytes are left to be read.
type body struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left+1)])
	if n > b.left {
		return b.left, ErrTooLarge
	}
	b.left -= n
	return n, err
}
