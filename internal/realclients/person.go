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
	// Post is what the client's page sends to URL in a form; nil = it is a link.
	Post url.Values `json:"post"`
	// StopAt is the beginning of the client's own addresses, where no browser
	// goes: nobody listens there.
	StopAt string `json:"stop_at"`
	// User is the name that the person signs in with.
	User string `json:"user"`
	// Decision is "approve", "cancel", or "look": they stop at what they are asked.
	Decision string `json:"decision"`
	// Field is what the person has come to fill in, with Value: on the first page
	// that has it. What comes after that they look at. "" = they only decide.
	Field string `json:"field"`
	Value string `json:"value"`
	// Browser names a browser that may be used again, with its cookies; "" = one
	// that nobody has used.
	Browser string `json:"browser"`
}

// Arrival is where the person has ended.
type Arrival struct {
	// Location is the client's address that they were sent to; "" = none.
	Location string `json:"location"`
	// Form is what a page sent there in a form; nil = it was a redirect.
	Form url.Values `json:"form,omitempty"`
	// SignedIn and Asked tell whether the person had to sign in, and to decide.
	SignedIn bool `json:"signed_in"`
	Asked    bool `json:"asked"`
	// URL, Status, Text and Links are of the last page.
	URL    string   `json:"url"`
	Status int      `json:"status"`
	Text   string   `json:"text"`
	Links  []string `json:"links"`
}

// Person walks the pages of the server and of the identity provider for the
// scripts: they post an Errand and get the Arrival, both as JSON. A step that
// the pages do not allow is a page that the script did not expect, or a 500 with
// the reason.
type Person struct {
	// Transport is what their browsers connect by; nil is http.DefaultTransport.
	Transport http.RoundTripper

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
	way := walk{errand: errand, browser: p.browser(errand)}
	if err := way.follow(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(way.arrival) // the script sees what is missing
}

func (p *Person) browser(errand Errand) *browser.Browser {
	if errand.Browser == "" {
		return p.newBrowser(errand)
	}
	if p.browsers == nil {
		p.browsers = map[string]*browser.Browser{}
	}
	key := errand.Browser + "\n" + errand.StopAt
	if p.browsers[key] == nil {
		p.browsers[key] = p.newBrowser(errand)
	}
	return p.browsers[key]
}

func (p *Person) newBrowser(errand Errand) *browser.Browser {
	transport := p.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	return browser.New(transport, errand.StopAt)
}

// walk is one errand on its way.
type walk struct {
	errand  Errand
	arrival Arrival
	browser *browser.Browser
}

// follow follows the pages until one has nothing left to do.
func (w *walk) follow(ctx context.Context) error {
	page, err := w.begin(ctx)
	for range maxSteps {
		if err != nil || w.atEnd(page) {
			return err
		}
		form, link := w.next(page)
		switch {
		case form != nil:
			page, err = w.browser.Submit(ctx, page, form)
		case link != nil:
			page, err = w.browser.Open(ctx, link.String())
		default:
			return nil
		}
	}
	return errors.New("the pages have no end: the last one says " + page.Text())
}

func (w *walk) begin(ctx context.Context) (*browser.Page, error) {
	if w.errand.Post != nil {
		return w.browser.Post(ctx, w.errand.URL, w.errand.Post)
	}
	return w.browser.Open(ctx, w.errand.URL)
}

// atEnd notes a page, and tells whether it is the last one.
func (w *walk) atEnd(page *browser.Page) bool {
	w.arrival.URL, w.arrival.Status, w.arrival.Text = page.URL.String(), page.Status, page.Text()
	w.arrival.Links = nil
	for _, link := range page.Links() {
		w.arrival.Links = append(w.arrival.Links, link.String())
	}
	if page.Location != nil {
		w.arrival.Location = page.Location.String()
		return true
	}
	if w.errand.StopAt == "" {
		return page.Status >= http.StatusBadRequest
	}
	if form := page.FormInto(w.errand.StopAt); form != nil {
		w.arrival.Location, w.arrival.Form = form.Action(), form.Values
		return true
	}
	return page.Status >= http.StatusBadRequest
}

// next is what a person does on a page: the form that they send, or the link
// that they follow.
func (w *walk) next(page *browser.Page) (*browser.Form, *url.URL) {
	if form := w.signIn(page); form != nil {
		return form, nil
	}
	if form := page.Form("decision"); form != nil {
		w.arrival.Asked = true
		if field := w.errand.Field; field != "" && page.Form(field) != nil {
			form = page.Form(field)
			form.Values.Set(field, w.errand.Value)
			form.Values.Set("decision", "approve")
			w.errand.Field, w.errand.Decision = "", "look"
			return form, nil
		}
		if w.errand.Decision == "look" {
			return nil, nil
		}
		form.Values.Set("decision", w.errand.Decision)
		return form, nil
	}
	if form := page.Form("user_code"); form != nil { // the link has filled it in
		return form, nil
	}
	for _, link := range page.Links() {
		if strings.Contains(link.Path, "/login/sso/redirect") || link.Query().Has("idp_id") { // the choice of a provider
			return nil, link
		}
	}
	return nil, nil
}

// signIn fills in the page of an identity provider, where a name is enough; nil =
// it is no such page.
func (w *walk) signIn(page *browser.Page) *browser.Form {
	for _, name := range []string{"username", "login"} {
		if form := page.Form(name); form != nil {
			w.arrival.SignedIn = true
			form.Values.Set(name, w.errand.User)
			form.Values.Set("password", "any")
			return form
		}
	}
	return nil
}
