package provisioning

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
	"net/url"
	"time"
)

// request is one call.
type request struct {
	name string
	// query makes it a GET.
	query url.Values
	// body makes it a POST.
	body map[string]any
	// timeout is Timeout when it is 0. A longer one makes a lasting call.
	timeout time.Duration
}

// answer is a success.
type answer struct {
	status int
	body   []byte // a JSON object, or empty with 204
}

// call makes a call, and explains its failure.
func (c *Client) call(ctx context.Context, r request) (answer, error) {
	ask := c.guarded
	if r.timeout > Timeout {
		ask = c.lasting
	}
	a, err := ask(ctx, r)
	var refused *Refused
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		// Tuwunel says so of the secret, and Synapse of what was asked. A call
		// that asks for nothing tells which it is.
		if checked := c.check(ctx); checked != nil {
			err = checked
		}
	}
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", r.name, err)
	}
	return a, nil
}

// post makes a call whose answer says nothing.
func (c *Client) post(ctx context.Context, name string, body map[string]any) error {
	_, err := c.call(ctx, request{name: name, body: body})
	return err
}

// Check asks whether the homeserver answers, takes provisioning, and takes our
// secret. It changes nothing. Its errors are ErrUnavailable, ErrDisabled and
// ErrSecret.
func (c *Client) Check(ctx context.Context) error {
	if err := c.check(ctx); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return nil
}

// check asks for a name without giving it: the refusal of that is the good
// answer.
func (c *Client) check(ctx context.Context) error {
	_, err := c.guarded(ctx, request{name: "is_localpart_available", query: url.Values{}})
	var refused *Refused
	switch {
	case err == nil:
		return fmt.Errorf("%w (it answers a question that was not asked)", ErrDisabled)
	case !errors.As(err, &refused):
		return err
	case refused.Status == http.StatusForbidden:
		return fmt.Errorf("%w (%s)", ErrSecret, reason(refused.Status, refused.Errcode))
	case refused.Status != http.StatusBadRequest:
		return fmt.Errorf("%w (%s)", ErrDisabled, reason(refused.Status, refused.Errcode))
	}
	return nil
}

// exchange sends a request and reads its answer.
func (c *Client) exchange(ctx context.Context, r request) (answer, error) {
	if r.timeout == 0 {
		r.timeout = Timeout
	}
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	began := c.clock.Now()
	a, err := c.send(limited, r)
	var f *failure
	if errors.As(err, &f) && f.cause != nil {
		switch waited := c.clock.Now().Sub(began); {
		case ctx.Err() == nil:
			f.words = fmt.Sprintf("no answer within %s", r.timeout)
		case waited < telling:
			f.words, f.effect = "whoever needed the answer did not wait for it", unknown
		default:
			f.words = fmt.Sprintf("no answer within %s, and nobody waits longer", waited.Truncate(time.Second))
		}
	}
	if effectOf(err) == lost {
		// What is idle goes where this call went.
		c.http.CloseIdleConnections()
	}
	c.log.DebugContext(ctx, "call of the homeserver", "call", r.name, "took", c.clock.Now().Sub(began), "error", err)
	return a, err
}

func (c *Client) send(ctx context.Context, r request) (answer, error) {
	h, err := c.request(ctx, r)
	if err != nil {
		return answer{}, err
	}
	response, err := c.http.Do(h)
	if err != nil {
		return answer{}, transportFailure(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return answer{}, transportFailure(err)
	case len(body) > maxBody:
		return answer{}, &failure{words: fmt.Sprintf("its answer is longer than %d bytes", maxBody)}
	}
	return read(response.StatusCode, response.Header, body)
}

func (c *Client) request(ctx context.Context, r request) (*http.Request, error) {
	method, target, body := http.MethodPost, c.base+r.name, io.Reader(http.NoBody)
	if r.body == nil {
		method = http.MethodGet
		if len(r.query) > 0 {
			target += "?" + r.query.Encode()
		}
	} else {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode the call: %w", err)
		}
		body = bytes.NewReader(text)
	}
	h, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, errors.New("the call makes no request") // the reason holds the address
	}
	h.Header.Set("Authorization", "Bearer "+c.secret.Reveal())
	h.Header.Set("Accept", "application/json")
	h.Header.Set("User-Agent", "Keymaker")
	if r.body != nil {
		h.Header.Set("Content-Type", "application/json")
	}
	// Every call may be repeated. Go then sends it again when the connection
	// was closed just before; the empty header itself is not sent.
	h.Header["Idempotency-Key"] = nil
	return h, nil
}

// read tells what an answer means.
func read(status int, h http.Header, body []byte) (answer, error) {
	if status == http.StatusNoContent {
		return answer{status: status}, nil
	}
	var object struct {
		Errcode string `json:"errcode"`
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	isObject := err == nil && kind == "application/json" && bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) && json.Unmarshal(body, &object) == nil
	switch {
	case status < 200 || status >= 300:
		return answer{}, errorOf(status, printable(object.Errcode))
	case status != http.StatusOK && status != http.StatusCreated:
		return answer{}, &failure{words: reason(status, "") + ", which answers none of our calls"}
	case !isObject:
		return answer{}, &failure{words: "its answer is no JSON object"}
	}
	return answer{status: status, body: body}, nil
}

// transportFailure is what it means that there is no whole answer. The words
// hold addresses and reasons of the network, and nothing that was sent or
// received.
func transportFailure(err error) error {
	var (
		network     *net.OpError
		certificate *tls.CertificateVerificationError
		f           = &failure{effect: lost}
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		f.cause = context.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		f.cause = context.Canceled
	case errors.As(err, &network):
		f.words = network.Error()
	case errors.As(err, &certificate):
		f.words = certificate.Error()
	case errors.Is(err, http.ErrSchemeMismatch):
		f.words = "it does not speak https: the endpoint must begin with http"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.words = "the connection ended before its answer did"
	default:
		f.words = "the connection ended, or what came over it is no HTTP"
	}
	return f
}
