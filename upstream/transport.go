package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"
)

const (
	requestTimeout = 10 * time.Second // for one request, its answer included
	maxBody        = 1 << 20          // bytes of an answer
)

// newClient returns a client whose requests end in time and whose answers are
// bounded and whole. A strict one reports every answer but success as an error
// of the transport, and every answer that is neither JSON nor a JWT.
func newClient(base *http.Client, strict bool) *http.Client {
	if base == nil {
		base = &http.Client{}
	}
	next := base.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	timeout := requestTimeout
	if base.Timeout > 0 {
		timeout = min(timeout, base.Timeout)
	}
	return &http.Client{
		Transport:     &transport{next: next, strict: strict},
		CheckRedirect: checkRedirect,
		Timeout:       timeout,
	}
}

// checkRedirect follows no redirect of a request that carries credentials in
// its body, none that takes a token to another origin, and none that leaves
// https.
func checkRedirect(r *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case first.Method != http.MethodGet:
		return http.ErrUseLastResponse
	case first.Header.Get("Authorization") != "" && (first.URL.Scheme != r.URL.Scheme || first.URL.Host != r.URL.Host):
		return http.ErrUseLastResponse
	case first.URL.Scheme == "https" && r.URL.Scheme != "https":
		return errors.New("a redirect leaves https")
	case len(via) >= 5:
		return errors.New("too many redirects")
	}
	return nil
}

// transport reads every answer before it hands it on, so that whatever is
// wrong with it is an error of the transport, and looks the same to each of
// the libraries above.
type transport struct {
	next   http.RoundTripper
	strict bool
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, withoutAnswer(r.Context(), err)
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := answer.Location(); err != nil && !errors.Is(err, http.ErrNoLocation) {
		return nil, errors.New("answered with a redirect that cannot be read")
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case len(body) > maxBody:
		return nil, fmt.Errorf("answered with more than %d bytes", maxBody)
	case answer.StatusCode >= http.StatusInternalServerError:
		return nil, &statusError{answer.StatusCode}
	}
	if t.strict {
		if err := readable(answer, body); err != nil {
			return nil, err
		}
	}
	copied := *answer
	copied.Body = io.NopCloser(bytes.NewReader(body))
	return &copied, nil
}

// withoutAnswer is an error of the network as it is. Any other may repeat what
// the other side sent, which may be anything: its text is not kept.
func withoutAnswer(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var network net.Error
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &network) || errors.As(err, &certificate) {
		return err
	}
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, context.Canceled, http.ErrSchemeMismatch} {
		if errors.Is(err, known) {
			return err
		}
	}
	return errors.New("the connection failed, or what it carried is not HTTP")
}

// readable is nil for a redirect, and for success with JSON or a JWT.
func readable(answer *http.Response, body []byte) error {
	switch status := answer.StatusCode; {
	case status >= 300 && status < 400:
		return nil
	case status != http.StatusOK:
		return &statusError{status}
	case mediaType(answer) != typeJWT && !json.Valid(body):
		return errors.New("answered with something that is not JSON")
	}
	return nil
}

const typeJWT = "application/jwt"

func mediaType(answer *http.Response) string {
	t, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// statusError is an answer with a status that nothing can be made of.
type statusError struct{ status int }

func (e *statusError) Error() string {
	return fmt.Sprintf("answered %d %s", e.status, http.StatusText(e.status))
}
