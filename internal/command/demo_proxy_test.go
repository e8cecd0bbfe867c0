package command_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"keymaker/internal/command"
)

// proxy stands between the journey and the server, and spoils what passes.
type proxy struct {
	*httptest.Server
	t      *testing.T
	spoil  func(p *proxy, x *exchange) // nil spoils nothing
	alter  func(r *http.Request)       // likewise, on the way in
	server string                      // host and port of the server

	mu     sync.Mutex
	past   []exchange // as the server answered
	logins int        // codes exchanged so far
	ended  bool       // a revocation has been answered
	// firstAccess is the first access token.
	firstAccess string
}

// exchange is one request and the answer to it.
type exchange struct {
	method, path string
	query, form  url.Values // of the request: form is its body
	status       int        // 0 hangs up
	header       http.Header
	body         string
}

func newProxy(t *testing.T) *proxy {
	p := &proxy{t: t}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

// ServeHTTP passes a request on and its answer back.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Errorf("read a request: %v", err)
	}
	r.RequestURI, r.URL.Scheme, r.URL.Host = "", "http", p.server
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Del("Accept-Encoding")
	if p.alter != nil {
		p.alter(r)
	}
	answer, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		p.t.Errorf("pass a request on: %v", err)
		return
	}
	said, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		p.t.Errorf("read an answer: %v", err)
	}
	form, _ := url.ParseQuery(string(body))
	x := exchange{r.Method, r.URL.Path, r.URL.Query(), form, answer.StatusCode, answer.Header, string(said)}
	genuine := x
	genuine.header = x.header.Clone()
	if p.spoil != nil {
		p.spoil(p, &x)
	}
	p.remember(genuine)
	if x.status == 0 {
		panic(http.ErrAbortHandler)
	}
	for name, values := range x.header {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length")
	w.WriteHeader(x.status)
	_, _ = io.WriteString(w, x.body)
}

func (p *proxy) remember(x exchange) {
	p.past = append(p.past, x)
	if x.grant("authorization_code") && x.status == http.StatusOK {
		p.logins++
		x.members(func(m map[string]any) {
			if token, ok := m["access_token"].(string); ok && p.firstAccess == "" {
				p.firstAccess = token
			}
		})
	}
	p.ended = p.ended || x.is("/revoke")
}

// count is how many requests for tokens by a grant have been answered.
func (p *proxy) count(grant string) int {
	n := 0
	for _, x := range p.past {
		if x.grant(grant) {
			n++
		}
	}
	return n
}

// is tells whether the path ends in one of these.
func (x *exchange) is(ends ...string) bool {
	for _, end := range ends {
		if strings.HasSuffix(x.path, end) {
			return true
		}
	}
	return false
}

// grant tells whether this is a request for tokens by a grant.
func (x *exchange) grant(grant string) bool {
	return x.is("/token") && x.form.Get("grant_type") == grant
}

// members changes the members of a JSON answer.
func (x *exchange) members(change func(m map[string]any)) {
	var m map[string]any
	if json.Unmarshal([]byte(x.body), &m) != nil {
		return
	}
	change(m)
	changed, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	x.body = string(changed)
}

// location changes the query of a redirect.
func (x *exchange) location(change func(q url.Values)) {
	u, err := url.Parse(x.header.Get("Location"))
	if err != nil {
		return
	}
	q := u.Query()
	change(q)
	u.RawQuery = q.Encode()
	x.header.Set("Location", u.String())
}

// answer replaces the answer.
func (x *exchange) answer(status int, mediaType, body string) {
	x.status, x.body = status, body
	x.header = http.Header{"Content-Type": {mediaType}}
}

// json replaces the answer by a JSON one.
func (x *exchange) json(status int, body string) { x.answer(status, "application/json", body) }

// repeat answers with the last success of the same kind of request.
func (p *proxy) repeat(x *exchange) {
	for i := len(p.past) - 1; i >= 0; i-- {
		old := p.past[i]
		if old.path == x.path && old.status == http.StatusOK && old.form.Get("grant_type") == x.form.Get("grant_type") {
			x.status, x.header, x.body = old.status, old.header.Clone(), old.body
			return
		}
	}
	p.t.Errorf("nothing like %s has succeeded before", x.path)
}

// secrets are all tokens, codes and states that have passed.
func (p *proxy) secrets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, x := range p.past {
		all = append(all, x.query.Get("code"), x.query.Get("state"), x.form.Get("code"), x.form.Get("code_verifier"))
		x.members(func(m map[string]any) {
			for _, name := range []string{"access_token", "refresh_token", "id_token"} {
				if token, ok := m[name].(string); ok {
					all = append(all, token)
				}
			}
		})
	}
	return all
}

// demoOnce runs the command behind the proxy and returns its exit status and
// what it printed.
func (p *proxy) demoOnce() (status int, out, errs string) {
	stdout, stderr := &watched{line: serverLine, found: func(host string) { p.server = host }}, &watched{}
	status = command.Main([]string{"demo", "--once", "--issuer", p.URL}, &command.Streams{Out: stdout, Err: stderr})
	return status, stdout.String(), stderr.String()
}

var serverLine = regexp.MustCompile(`(?m)^Server +http://(\S+)$`)

// watched is an output that tells, before anything else happens, what a line
// that was written to it announces.
type watched struct {
	mu    sync.Mutex
	text  strings.Builder
	line  *regexp.Regexp
	found func(announced string)
}

// Write implements io.Writer.
func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if w.found == nil {
		return len(b), nil
	}
	if at := w.line.FindStringSubmatch(w.text.String()); at != nil {
		w.found(at[1])
		w.found = nil
	}
	return len(b), nil
}

// String is what was written so far.
func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
