package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
	// requestLimit is far more than any answer takes.
	requestLimit = 30 * time.Second
	// largestAnswer is more than any answer has, in bytes.
	largestAnswer = 1 << 20
)

// client is one of those that ask at once: it has one connection.
type client struct {
	http *http.Client
}

func newClient() *client {
	return &client{&http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true},
		Timeout:       requestLimit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// request is what is sent.
type request struct {
	method, url, contentType, body string
	bearer                         string
	// from is the address that a proxy says the request came from: every
	// person has another, so that none meets a limit.
	from string
}

func get(url string) request { return request{method: http.MethodGet, url: url} }

func post(url, contentType, body string) request {
	return request{method: http.MethodPost, url: url, contentType: contentType, body: body}
}

// send sends a request, and wants an answer with that status.
func (c *client) send(ctx context.Context, q request, want int) ([]byte, error) {
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, q.url, body)
	if err != nil {
		return nil, err
	}
	if q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	if q.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+q.bearer)
	}
	if q.from != "" {
		r.Header.Set("X-Forwarded-For", q.from)
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	answer, err := readAll(response)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	if response.StatusCode != want {
		return answer, &statusError{response.StatusCode, want, response.Header.Get("Retry-After")}
	}
	return answer, nil
}

// readAll reads an answer in one piece where it says how long it is: what the
// client spends on it is in every rate.
func readAll(response *http.Response) ([]byte, error) {
	if response.ContentLength < 0 || response.ContentLength > largestAnswer {
		return io.ReadAll(response.Body)
	}
	answer := make([]byte, response.ContentLength)
	_, err := io.ReadFull(response.Body, answer)
	return answer, err
}

// statusError is an answer with another status than the one that was wanted.
type statusError struct {
	status, want int
	retryAfter   string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d, want %d", e.status, e.want) }
