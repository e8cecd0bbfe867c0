package realclients

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"keymaker/internal/demo/browser"
)

// maxSteps is more pages than any way through the server has.
const maxSteps = 10

// Errand is what a script asks a person to do.
type Errand struct {
	// URL is where the person begins, as a link that they follow.
	URL string `json:"url"`
	// StopAt is the beginning of the client's own addresses, where no browser
	// goes: nobody listens there.
	StopAt string `json:"stop_at"`
	// User is the name that the person signs in with.
	User string `json:"user"`
	// Decision is "approve" or "cancel".
	Decision string `json:"decision"`
	// Browser names a browser that may be used again, with its cookies; "" = one
	// that nobody has used.
	Browser string `json:"browser"`
}

// Arrival is where the person has ended.
type Arrival struct {
	// Location is the client's address that they were sent to; "" = none.
	Location string `json:"location"`
	// URL, Status and Text are of the last page.
	URL    string `json:"url"`
	Status int    `json:"status"`
	Text   string `json:"text"`
}

// Person walks the pages of the server and of the identity provider for the
// scripts: they post an Errand and get the Arrival, both as JSON. A step that
// the pages do not allow is a page that the script did not expect, or a 500 with
// the reason.
type Person struct {
	mu       sync.Mutex
	browsers map[string]*browser.Browser
}

// ServeHTTP implements http.Handler.
func (p *Person) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errand Errand
	if err := json.NewDecoder(r.Body).Decode(&errand); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	page, err := walk(r.Context(), p.browser(errand), errand)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	arrival := Arrival{URL: page.URL.String(), Status: page.Status, Text: page.Text()}
	if page.Location != nil {
		arrival.Location = page.Location.String()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(arrival) // the script sees what is missing
}

func (p *Person) browser(errand Errand) *browser.Browser {
	if errand.Browser == "" {
		return browser.New(http.DefaultTransport, errand.StopAt)
	}
	if p.browsers == nil {
		p.browsers = map[string]*browser.Browser{}
	}
	key := errand.Browser + "\n" + errand.StopAt
	if p.browsers[key] == nil {
		p.browsers[key] = browser.New(http.DefaultTransport, errand.StopAt)
	}
	return p.browsers[key]
}

// walk follows the pages until one has nothing left to do.
func walk(ctx context.Context, b *browser.Browser, errand Errand) (*browser.Page, error) {
	page, err := b.Open(ctx, errand.URL)
	for range maxSteps {
		if err != nil || page.Location != nil || page.Status >= http.StatusBadRequest {
			return page, err
		}
		form, link := next(page, errand)
		switch {
		case form != nil:
			page, err = b.Submit(ctx, page, form)
		case link != nil:
			page, err = b.Open(ctx, link.String())
		default:
			return page, nil
		}
	}
	return nil, errors.New("the pages have no end: the last one says " + page.Text())
}

// next is what a person does on a page: the form that they send, or the link
// that they follow.
func next(page *browser.Page, errand Errand) (*browser.Form, *url.URL) {
	if form := page.Form("username"); form != nil { // the identity provider's
		form.Values.Set("username", errand.User)
		return form, nil
	}
	if form := page.Form("decision"); form != nil {
		form.Values.Set("decision", errand.Decision)
		return form, nil
	}
	if form := page.Form("user_code"); form != nil { // the link has filled it in
		return form, nil
	}
	for _, link := range page.Links() {
		if strings.Contains(link.Path, "/login/sso/redirect") { // the choice of a provider
			return nil, link
		}
	}
	return nil, nil
}
