package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// largest is how much of an answer is read, in bytes.
const largest = 1 << 20

// answer is what somebody answered.
type answer struct {
	status int
	header http.Header
	body   []byte
	// expires is when the certificate ends; zero without one.
	expires time.Time
}

// field is a text of the JSON object that was answered, by its path; "" when
// there is none.
func (a answer) field(path ...string) string {
	var value any
	if json.Unmarshal(a.body, &value) != nil {
		return ""
	}
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	text, _ := value.(string)
	return text
}

// says is the status, and the name of a Matrix error.
func (a answer) says() string {
	text := fmt.Sprintf("it answered %d %s", a.status, http.StatusText(a.status))
	if code := a.field("errcode"); code != "" {
		text += fmt.Sprintf(" %.40q", code)
	}
	return text
}

// ask sends a request, with JSON as its body unless that is "", and with
// headers. The error does not repeat the address.
func (d *Doctor) ask(ctx context.Context, method, address, body string, headers ...[2]string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return answer{}, errors.New("the address is not a URL")
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		r.Header.Set(h[0], h[1])
	}
	response, err := d.HTTPClient.Do(r)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err
		}
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, largest))
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, header: response.Header, body: text}
	if response.TLS != nil && len(response.TLS.PeerCertificates) > 0 {
		a.expires = response.TLS.PeerCertificates[0].NotAfter
	}
	return a, nil
}

// origin is that of a client in a browser.
var origin = [2]string{"Origin", "https://client.example"}

func (d *Doctor) get(ctx context.Context, address string) (answer, error) {
	return d.ask(ctx, http.MethodGet, address, "", origin)
}

// at is a path of the public address.
func (d *Doctor) at(path string) string { return strings.TrimSuffix(d.Config.Issuer(), "/") + path }

// inside is a path of the homeserver itself.
func (d *Doctor) inside(path string) string {
	return strings.TrimSuffix(d.Config.Homeserver.Endpoint, "/") + path
}

// unreached is the result of a check that the public address did not answer: the
// first says so, and those after it have nothing to add.
func (d *Doctor) unreached(s step, err error) Result {
	if d.silent {
		return s.skipped("the public address does not answer")
	}
	d.silent = true
	return s.failed(err.Error(), "Start the server and the reverse proxy, and let requests from outside reach the proxy.")
}
