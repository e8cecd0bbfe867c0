package browser

import (
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// Form is a form of a page, with the values that it was shown with. A button
// has no value until it is pressed, which is to set one.
type Form struct {
	Values url.Values

	action string
	fields map[string]bool // the names of its inputs and buttons
}

// Action is where the form is sent, as the page says it.
func (f *Form) Action() string { return f.action }

// Form returns the first form that is sent by POST and has an input or button
// of that name; nil when there is none.
func (p *Page) Form(field string) *Form {
	return p.form(func(f *Form) bool { return f.fields[field] })
}

// FormTo returns the form that is sent by POST to an address of this site; nil
// when there is none.
func (p *Page) FormTo(action string) *Form {
	return p.form(func(f *Form) bool { return f.action == action })
}

// FormInto returns the first form that is sent by POST to an address that begins
// with prefix; nil when there is none.
func (p *Page) FormInto(prefix string) *Form {
	return p.form(func(f *Form) bool { return strings.HasPrefix(f.action, prefix) })
}

// form returns the first form that is sent by POST and meets a condition.
func (p *Page) form(meets func(*Form) bool) *Form {
	for n := range p.root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "form" || !strings.EqualFold(attribute(n, "method"), "post") {
			continue
		}
		if f := readForm(n); meets(f) {
			return f
		}
	}
	return nil
}

// Links are where the links of the page lead, in the order of the page.
func (p *Page) Links() []*url.URL {
	var links []*url.URL
	for n := range p.root.Descendants() {
		if n.Type != html.ElementNode || n.Data != "a" {
			continue
		}
		if to, err := p.URL.Parse(attribute(n, "href")); err == nil {
			links = append(links, to)
		}
	}
	return links
}

func readForm(n *html.Node) *Form {
	f := &Form{Values: url.Values{}, action: attribute(n, "action"), fields: map[string]bool{}}
	for field := range n.Descendants() {
		name := attribute(field, "name")
		if field.Type != html.ElementNode || name == "" {
			continue
		}
		f.fields[name] = true
		if field.Data == "input" {
			f.Values.Add(name, attribute(field, "value"))
		}
	}
	return f
}

// Text is what a person reads on the page, on one line.
func (p *Page) Text() string {
	var b strings.Builder
	for n := range p.root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" && n.Parent.Data != "script" {
			b.WriteString(n.Data)
		}
		if n.Type == html.ElementNode && !inline[n.Data] {
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// inline elements do not part words.
var inline = map[string]bool{"a": true, "b": true, "bdi": true, "code": true, "em": true, "small": true, "span": true, "strong": true}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
