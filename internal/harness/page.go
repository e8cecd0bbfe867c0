package harness

import (
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// lines are elements that begin a line.
var lines = []string{"br", "p", "h1", "h2", "li", "dt", "dd", "div", "button", "a"}

// Text is what a person reads on a page: no markup, and one space wherever
// there is white space. The title and the names of buttons are in it.
func (p Page) Text() string {
	var words []string
	for n := range p.root().Descendants() {
		switch {
		case n.Type == html.TextNode:
			words = append(words, n.Data)
		case n.Type == html.ElementNode && slices.Contains(lines, n.Data):
			words = append(words, " ")
		}
	}
	return strings.Join(strings.Fields(strings.Join(words, "")), " ")
}

// Links are where a page lets a person go without an answer to a form: the
// targets of its links.
func (p Page) Links() []string {
	var links []string
	for n := range p.root().Descendants() {
		if n.Type == html.ElementNode && n.Data == "a" {
			links = append(links, attribute(n, "href"))
		}
	}
	return links
}

// Input is the value of an input element of that name, or "".
func (p Page) Input(name string) string {
	for n := range p.root().Descendants() {
		if n.Type == html.ElementNode && n.Data == "input" && attribute(n, "name") == name {
			return attribute(n, "value")
		}
	}
	return ""
}

// Form is the first form on a page: where it goes, and the values of its inputs.
func (p Page) Form() (action string, values url.Values) {
	values = url.Values{}
	for n := range p.root().Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" {
			continue
		}
		for f := range n.Descendants() {
			if f.Data == "input" {
				values.Add(attribute(f, "name"), attribute(f, "value"))
			}
		}
		return attribute(n, "action"), values
	}
	return "", values
}

// Has says whether there is an element of that name on the page.
func (p Page) Has(element string) bool {
	for n := range p.root().Descendants() {
		if n.Type == html.ElementNode && n.Data == element {
			return true
		}
	}
	return false
}

// root is the page without its foot, which is the same for all pages.
func (p Page) root() *html.Node {
	root, err := html.Parse(strings.NewReader(p.HTML))
	if err != nil {
		return &html.Node{} // no reader of a string fails
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "footer" {
			n.Parent.RemoveChild(n)
			break
		}
	}
	return root
}

// Cookie is the header that the browser would send to the server.
func (b *Browser) Cookie() string {
	b.e.t().Helper()
	u, err := url.Parse(b.e.URL)
	if err != nil {
		b.e.t().Fatal(err)
	}
	var pairs []string
	for _, c := range b.Jar.Cookies(u) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}
