package harness

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"keymaker/internal/demoidp/demoidptest"
)

// Browser is a person's browser: it keeps cookies and follows redirects, but
// not away from the server and the identity provider.
type Browser struct {
	*http.Client
	e *Env
}

// NewBrowser opens a browser that nobody has used.
func (e *Env) NewBrowser() *Browser {
	e.t().Helper()
	c := demoidptest.Browser(e.t())
	c.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		for _, origin := range append([]string{e.URL, e.IDP.Issuer}, e.Origins...) {
			if strings.HasPrefix(r.URL.String(), origin+"/") {
				return nil
			}
		}
		return http.ErrUseLastResponse
	}
	return &Browser{Client: c, e: e}
}

// For is the same browser for a subtest, as Env.For is the same environment.
func (b *Browser) For(t testing.TB) *Browser { return &Browser{Client: b.Client, e: b.e.For(t)} }

// Page is where a browser has ended.
type Page struct {
	*http.Response
	HTML string
}

// Location is where the browser would go on to, when the server sent it away.
func (p Page) Location() *url.URL {
	u, err := p.Response.Location()
	if err != nil {
		return &url.URL{}
	}
	return u
}

// Visit opens a path of the server, or a URL.
func (b *Browser) Visit(path string) Page {
	b.e.t().Helper()
	if strings.HasPrefix(path, "/") {
		path = b.e.URL + path
	}
	response, err := b.Get(path)
	if err != nil {
		b.e.t().Fatalf("open %s: %v", path, err)
	}
	return b.read(response)
}

// Follow goes where the n-th link of a page leads; the first one is 0.
func (b *Browser) Follow(at Page, n int) Page {
	b.e.t().Helper()
	links := b.at(at).Links()
	if n >= len(links) {
		b.e.t().Fatalf("link %d of %d at %s (status %d):\n%s", n, len(links), at.Request.URL, at.StatusCode, at.HTML)
	}
	target, err := at.Request.URL.Parse(links[n])
	if err != nil {
		b.e.t().Fatalf("link %q: %v", links[n], err)
	}
	return b.Visit(target.String())
}

func (b *Browser) read(response *http.Response) Page {
	b.e.t().Helper()
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		b.e.t().Fatalf("read %s: %v", response.Request.URL, err)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return Page{Response: response, HTML: string(body)}
}

// SignIn fills in an identity provider's form, if that is where the browser is,
// and returns where it ends.
func (b *Browser) SignIn(at Page, user string) Page {
	b.e.t().Helper()
	if strings.HasPrefix(b.at(at).Request.URL.String(), b.e.URL+"/") {
		return at
	}
	return b.read(demoidptest.Login(b.e.t(), b.Client, at.Response, user))
}

// Authorize opens an authorization request.
func (b *Browser) Authorize(r Request) Page {
	b.e.t().Helper()
	return b.Visit("/_tuwunel/oidc/authorize?" + r.Values.Encode())
}

// Consent opens an authorization request, signs in, and returns the consent
// page. Whose name is taken takes another one, where that is offered.
func (b *Browser) Consent(r Request, user string) Page {
	b.e.t().Helper()
	return b.AnotherName(b.SignIn(b.Authorize(r), user))
}

// AnotherName goes on with a generated name on the page that says that the
// person's own is taken; any other page is returned.
func (b *Browser) AnotherName(at Page) Page {
	b.e.t().Helper()
	action, values := at.Form()
	about, err := url.ParseQuery(values.Get("oidc_req_id"))
	if err != nil || about.Get("do") != "new_name" {
		return at
	}
	values.Set("decision", "approve")
	return b.Post(at, action, values)
}

// Decide presses a button of the form on a page: "approve" or "cancel".
func (b *Browser) Decide(at Page, decision string) Page {
	b.e.t().Helper()
	action, values := b.Fields(at)
	values.Set("decision", decision)
	return b.Post(at, action, values)
}

// Post sends a form from a page.
func (b *Browser) Post(at Page, action string, values url.Values) Page {
	b.e.t().Helper()
	target, err := b.at(at).Request.URL.Parse(action)
	if err != nil {
		b.e.t().Fatalf("action %q: %v", action, err)
	}
	response, err := b.PostForm(target.String(), values)
	if err != nil {
		b.e.t().Fatalf("post %s: %v", target, err)
	}
	return b.read(response)
}

// at is a page that a browser has come to, and fails if it has come to none.
func (b *Browser) at(p Page) Page {
	b.e.t().Helper()
	if p.Response == nil {
		b.e.t().Fatal("there is no page")
	}
	return p
}

// Fields are the action and the hidden fields of the form with a decision.
func (b *Browser) Fields(at Page) (action string, values url.Values) {
	b.e.t().Helper()
	return b.fields(at, func(url.Values) bool { return true })
}

// FieldsFor are those of the form of an account page that does this.
func (b *Browser) FieldsFor(at Page, do string) (action string, values url.Values) {
	b.e.t().Helper()
	return b.fields(at, func(v url.Values) bool {
		about, err := url.ParseQuery(v.Get("oidc_req_id"))
		return err == nil && about.Get("do") == do
	})
}

func (b *Browser) fields(at Page, is func(url.Values) bool) (action string, values url.Values) {
	b.e.t().Helper()
	root, err := html.Parse(strings.NewReader(b.at(at).HTML))
	if err != nil {
		b.e.t().Fatalf("parse %s: %v", at.Request.URL, err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		values := url.Values{}
		decision := false
		for f := range n.Descendants() {
			decision = decision || attribute(f, "name") == "decision"
			if f.Data == "input" && attribute(f, "name") != "" {
				values.Set(attribute(f, "name"), attribute(f, "value"))
			}
		}
		if decision && is(values) {
			return attribute(n, "action"), values
		}
	}
	b.e.t().Fatalf("no form to decide at %s (status %d):\n%s", at.Request.URL, at.StatusCode, at.HTML)
	return "", nil
}

// PostFile sends a form from a page with a file in one of its fields, as
// multipart/form-data.
func (b *Browser) PostFile(at Page, action string, values url.Values, field string, file []byte) Page {
	b.e.t().Helper()
	target, err := b.at(at).Request.URL.Parse(action)
	if err != nil {
		b.e.t().Fatalf("action %q: %v", action, err)
	}
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, list := range values {
		for _, value := range list {
			if name != field {
				_ = w.WriteField(name, value)
			}
		}
	}
	if part, err := w.CreateFormFile(field, "file"); err == nil {
		_, _ = part.Write(file)
	}
	_ = w.Close()
	response, err := b.Client.Post(target.String(), w.FormDataContentType(), &body)
	if err != nil {
		b.e.t().Fatalf("post %s: %v", target, err)
	}
	return b.read(response)
}

// Approve walks a request to its answer and returns the parameters that reach
// the client.
func (b *Browser) Approve(r Request, user string) url.Values {
	b.e.t().Helper()
	end := b.Consent(r, user)
	if end.StatusCode != http.StatusSeeOther { // as it is where the approval is remembered
		end = b.Decide(end, "approve")
	}
	if end.StatusCode != http.StatusSeeOther {
		b.e.t().Fatalf("approve: status %d at %s:\n%s", end.StatusCode, end.Request.URL, end.HTML)
	}
	return Returned(end)
}

// Returned are the parameters in the query or the fragment of where a browser
// was sent.
func Returned(p Page) url.Values {
	to := p.Location()
	values := to.Query()
	if fragment, err := url.ParseQuery(to.EscapedFragment()); err == nil && len(fragment) > 0 {
		values = fragment
	}
	return values
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
