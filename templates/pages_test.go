package templates

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/text/language"
)

// maxPage is the most that a browser loads for one page, in bytes.
const maxPage = 30_000

// TestEveryPageIsSmallWithAllThatAnAdministratorCanAdd counts every page in every
// language, with the switch to all others, as large a logo as there may be, a long
// name and all links.
func TestEveryPageIsSmallWithAllThatAnAdministratorCanAdd(t *testing.T) {
	long := "https://www.example.com/" + strings.Repeat("long-address/", 12)
	drawing := `<svg xmlns="http://www.w3.org/2000/svg">`
	drawing += strings.Repeat(" ", maxLogo-len(drawing)-len("</svg>")) + "</svg>"
	r, err := New(Options{ServerName: serverName, Branding: Branding{Name: strings.Repeat("Name ", 20), Logo: file(t, "logo.svg", drawing),
		Accent: "#7a1fa2", Privacy: long + "privacy", Terms: long + "terms", Imprint: long + "imprint"}})
	if err != nil {
		t.Fatal(err)
	}
	rest := 0
	for path, asset := range r.Assets() {
		if !strings.Contains(path, "/mark.") { // the logo is there in its place
			rest += len(asset.Body)
		}
	}
	here := &url.URL{Path: DefaultAssetPrefix, RawQuery: url.Values{"oidc_req_id": {strings.Repeat("A", 43)}}.Encode()}
	for _, lang := range r.Languages() {
		for name, page := range samples() {
			var buf bytes.Buffer
			if err := r.RenderVisit(&buf, Visit{Lang: lang, Here: here}, page); err != nil {
				t.Fatal(err)
			}
			if size := buf.Len() + rest; size > maxPage {
				t.Errorf("%s in %s: page, stylesheet and logo have %d bytes, want %d at most", name, lang, size, maxPage)
			}
		}
	}
}

func TestEveryPageIsSmall(t *testing.T) {
	rest := 0
	for _, asset := range renderer(t).Assets() {
		rest += len(asset.Body)
	}
	eachSample(t, func(t *testing.T, _ language.Tag, source string) {
		if size := len(source) + rest; size >= maxPage {
			t.Errorf("page, stylesheet and mark have %d bytes, want fewer than %d", size, maxPage)
		}
	})
}

func TestNoPageNeedsMoreThanTheContentSecurityPolicyAllows(t *testing.T) {
	served := renderer(t).Assets()
	// What fetches something, runs something, or changes where a page's links lead.
	forbidden := []string{"style", "iframe", "object", "embed", "base", "audio", "video", "source"}
	eachSample(t, func(t *testing.T, _ language.Tag, source string) {
		for _, n := range elements(parse(t, source), "") {
			if slices.Contains(forbidden, n.Data) || n.Data == "script" && (words(n) != "" || attr(n, "src") == "") {
				t.Errorf("L-09: there is a %s element", n.Data)
			}
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("L-09: %s has an inline %s", n.Data, a.Key)
				}
				if a.Key == "src" || n.Data == "link" && a.Key == "href" {
					if _, ok := served[a.Val]; !ok && a.Val != samplePicture {
						t.Errorf("%s refers to %s, which is no asset", n.Data, a.Val)
					}
				}
			}
		}
	})
}

func TestEveryLinkLeadsSomewhereSafe(t *testing.T) {
	allowed := []string{"", "https", "com.example.app"}
	eachSample(t, func(t *testing.T, _ language.Tag, source string) {
		for _, a := range elements(parse(t, source), "a") {
			href := attr(a, "href")
			u, err := url.Parse(href)
			if err != nil || href == "" || !slices.Contains(allowed, u.Scheme) || strings.Contains(href, "ZgotmplZ") {
				t.Errorf("L-24: a link leads to %q", href)
			}
			if attr(a, "target") != "" && attr(a, "rel") != "noopener noreferrer" {
				t.Errorf("the link to %s opens a tab that knows this one", href)
			}
			if words(a) == "" {
				t.Errorf("the link to %s has no name", href)
			}
		}
	})
}

func TestEveryFormIsAPOSTThatProvesWhereItCameFrom(t *testing.T) {
	eachSample(t, func(t *testing.T, _ language.Tag, source string) {
		for _, form := range elements(parse(t, source), "form") {
			if strings.HasPrefix(attr(form, "action"), "http") {
				checkReturn(t, form)
				continue
			}
			if attr(form, "method") != "post" || attr(form, "action") != sampleForm.Action {
				t.Errorf("C-60: the form is a %q to %q", attr(form, "method"), attr(form, "action"))
			}
			fields := map[string]string{}
			asks := false
			for _, input := range elements(form, "input") {
				if attr(input, "type") != "hidden" {
					asks = true
					checkLabel(t, form, input)
					continue
				}
				fields[attr(input, "name")] = attr(input, "value")
			}
			if fields[FieldCSRF] != sampleForm.CSRFToken {
				t.Errorf("L-06: %s is %q", FieldCSRF, fields[FieldCSRF])
			}
			if fields[FieldRequest] != sampleForm.RequestID {
				t.Errorf("%s is %q", FieldRequest, fields[FieldRequest])
			}
			var decisions []string
			for _, button := range elements(form, "button") {
				if attr(button, "name") != FieldDecision && !asks || words(button) == "" {
					t.Errorf("a button is called %q and says %q", attr(button, "name"), words(button))
				}
				decisions = append(decisions, attr(button, "value"))
			}
			if len(decisions) == 1 && (asks || decisions[0] == DecisionApprove) {
				continue // there is nothing to decide yet, or nothing to say no to
			}
			if !slices.Equal(decisions, []string{DecisionApprove, DecisionCancel}) {
				t.Errorf("the buttons decide %q", decisions)
			}
		}
	})
}

// checkLabel sees that a visible input has one label with words.
func checkLabel(t *testing.T, form, input *html.Node) {
	t.Helper()
	var labels []string
	for _, label := range elements(form, "label") {
		if attr(label, "for") == attr(input, "id") {
			labels = append(labels, words(label))
		}
	}
	if len(labels) != 1 || labels[0] == "" {
		t.Errorf("the visible input %q has the labels %q", attr(input, "name"), labels)
	}
}

// checkReturn sees that a form to an application has what it is to get, and
// nothing else.
func checkReturn(t *testing.T, form *html.Node) {
	t.Helper()
	if to := attr(form, "action"); attr(form, "method") != "post" || to != sampleReturn && to != "http://127.0.0.1:49152/callback" {
		t.Errorf("the form is a %q to %q", attr(form, "method"), to)
	}
	var fields []Field
	for _, input := range elements(form, "input") {
		if attr(input, "type") != "hidden" {
			t.Errorf("the input %s is visible", attr(input, "name"))
		}
		fields = append(fields, Field{attr(input, "name"), attr(input, "value")})
	}
	if !slices.Equal(fields, sampleFields) {
		t.Errorf("the form has the fields %q", fields)
	}
	if buttons := elements(form, "button"); len(buttons) != 1 || words(buttons[0]) == "" || attr(buttons[0], "name") != "" {
		t.Errorf("there are %d buttons", len(buttons))
	}
}

func TestEveryPageHasTheStructureThatAssistiveToolsNeed(t *testing.T) {
	eachSample(t, func(t *testing.T, lang language.Tag, source string) {
		doc := parse(t, source)
		root := elements(doc, "html")[0]
		if attr(root, "lang") != lang.String() || attr(root, "dir") != direction(lang) {
			t.Errorf("the document is lang=%q dir=%q", attr(root, "lang"), attr(root, "dir"))
		}
		for _, name := range []string{"title", "header", "main", "h1"} {
			if found := elements(doc, name); len(found) != 1 || words(found[0]) == "" {
				t.Errorf("there are %d %s elements with words, want 1", len(found), name)
			}
		}
		checkHeadings(t, doc)
		checkIDs(t, doc)
		for _, n := range elements(doc, "") {
			if n.Data == "img" && !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "alt" }) {
				t.Error("a picture has no alternative")
			}
			if n.Data == "svg" && attr(n, "aria-hidden") != "true" {
				t.Error("a drawing that says nothing new is not hidden")
			}
		}
		for _, broken := range []string{"<no value>", "ZgotmplZ", "{{", "}}", "%!", string(placeholder)} {
			if strings.Contains(html.UnescapeString(source), broken) {
				t.Errorf("the page contains %q", broken)
			}
		}
	})
}

// checkHeadings sees that no level is skipped.
func checkHeadings(t *testing.T, doc *html.Node) {
	t.Helper()
	level := 0
	for _, n := range elements(doc, "") {
		if len(n.Data) != 2 || n.Data[0] != 'h' || n.Data[1] < '1' || n.Data[1] > '6' {
			continue
		}
		next := int(n.Data[1] - '0')
		if next > level+1 {
			t.Errorf("h%d follows h%d", next, level)
		}
		level = next
	}
}

// checkIDs sees that every id is unique and every reference has its target.
func checkIDs(t *testing.T, doc *html.Node) {
	t.Helper()
	ids := map[string]bool{}
	for _, n := range elements(doc, "") {
		if id := attr(n, "id"); id != "" {
			if ids[id] {
				t.Errorf("the id %s is there twice", id)
			}
			ids[id] = true
		}
	}
	for _, n := range elements(doc, "") {
		if to := attr(n, "aria-labelledby"); to != "" && !ids[to] {
			t.Errorf("nothing has the id %s", to)
		}
	}
}

// In Arabic a date that is not set apart is put in the order day, month, year.
func TestEveryMomentIsSetApart(t *testing.T) {
	eachSample(t, func(t *testing.T, _ language.Tag, source string) {
		found := 0
		for n := range parse(t, source).Descendants() {
			if n.Type != html.TextNode || !strings.HasSuffix(n.Data, " UTC") {
				continue
			}
			found++
			if n.Parent.Data != "span" || attr(n.Parent, "dir") != "ltr" {
				t.Errorf("%q stands in a %s", n.Data, n.Parent.Data)
			}
		}
		if all := strings.Count(source, " UTC"); found != all {
			t.Errorf("%d of %d moments end what they stand in", found, all)
		}
	})
}
