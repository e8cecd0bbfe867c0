// Package browser is a person's web browser without a screen: it keeps cookies,
// follows redirects, reads pages and sends the forms that it finds in them. It
// knows nothing about the pages it walks through.
package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

const (
	maxPage      = 1 << 20 // bytes
	maxRedirects = 20
)

// Browser is one browser with the cookies of one person. It is not safe for
// concurrent use.
type Browser struct {
	client *http.Client
	// trail is every address of the last Open or Submit.
	trail []*url.URL
}

// New returns a browser without cookies. A redirect to an address that begins
// with stopAt is not followed: there an application listens that this browser
// stands for. With "" every redirect is followed.
func New(transport http.RoundTripper, stopAt string) *Browser {
	jar, _ := cookiejar.New(nil) // it never fails
	b := &Browser{}
	b.client = &http.Client{Transport: transport, Jar: jar, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		b.trail = append(b.trail, r.URL)
		switch {
		case stopAt != "" && strings.HasPrefix(r.URL.String(), stopAt):
			return http.ErrUseLastResponse
		case len(via) > maxRedirects:
			return errors.New("too many redirects")
		}
		return nil
	}}
	return b
}

// Page is where the browser has ended.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	// Location is the redirect that was not followed; nil on any other page.
	Location *url.URL
	// Trail is every address on the way here, the first one first.
	Trail []*url.URL

	root *html.Node
}

// Open goes to an address.
func (b *Browser) Open(ctx context.Context, address string) (*Page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, withoutQuery(err)
	}
	return b.visit(r)
}

// Post sends a form to an address, as the page of an application would.
func (b *Browser) Post(ctx context.Context, address string, values url.Values) (*Page, error) {
	return b.post(ctx, address, values, "null")
}

// Submit sends a form of a page.
func (b *Browser) Submit(ctx context.Context, p *Page, f *Form) (*Page, error) {
	target, err := p.URL.Parse(f.action)
	if err != nil {
		return nil, fmt.Errorf("read the action of the form: %w", withoutQuery(err))
	}
	return b.post(ctx, target.String(), f.Values, p.URL.Scheme+"://"+p.URL.Host)
}

func (b *Browser) post(ctx context.Context, address string, values url.Values, origin string) (*Page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(values.Encode()))
	if err != nil {
		return nil, withoutQuery(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	return b.visit(r)
}

func (b *Browser) visit(r *http.Request) (*Page, error) {
	b.trail = []*url.URL{r.URL}
	response, err := b.client.Do(r)
	if err != nil {
		return nil, withoutQuery(err)
	}
	defer func() { _ = response.Body.Close() }()
	p := &Page{URL: response.Request.URL, Status: response.StatusCode, Header: response.Header, Trail: b.trail}
	if location, err := response.Location(); err == nil {
		p.Location = location
	}
	if p.root, err = html.Parse(io.LimitReader(response.Body, maxPage)); err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	return p, nil
}

// withoutQuery keeps states and codes out of an error, which names an address.
func withoutQuery(err error) error {
	var failed *url.Error
	if !errors.As(err, &failed) {
		return err
	}
	address, _, _ := strings.Cut(failed.URL, "?")
	return &url.Error{Op: failed.Op, URL: address, Err: failed.Err}
}
