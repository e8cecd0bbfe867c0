package templates

import (
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/text/language"
)

// eachMail runs check on every mail in every language.
func eachMail(t *testing.T, check func(t *testing.T, m Mail, l Letter)) {
	r := renderer(t)
	for _, lang := range r.Languages() {
		for _, m := range mailSamples() {
			t.Run(lang.String()+"/"+string(m.Kind), func(t *testing.T) { check(t, m, letterOf(t, r, lang, m)) })
		}
	}
}

func TestAMailLoadsAndRunsNothing(t *testing.T) {
	allowed := []string{"html", "head", "meta", "title", "style", "body", "div", "table", "tbody", "tr", "td", "h1", "p", "span", "bdi", "br", "a"}
	eachMail(t, func(t *testing.T, _ Mail, l Letter) {
		for _, n := range elements(parse(t, l.Markup), "") {
			if !slices.Contains(allowed, n.Data) {
				t.Errorf("there is a %s element", n.Data)
			}
			for _, a := range n.Attr {
				if a.Key == "src" || a.Key == "background" || strings.HasPrefix(a.Key, "on") || strings.Contains(a.Val, "url(") {
					t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
				}
			}
		}
		if strings.Contains(l.Markup, "url(") || strings.Contains(l.Markup, "@import") || len(l.Markup)+len(l.Plain) >= maxPage {
			t.Errorf("it loads something, or has %d bytes", len(l.Markup)+len(l.Plain))
		}
	})
}

func TestAMailSaysTheSameInBothWays(t *testing.T) {
	eachMail(t, func(t *testing.T, m Mail, l Letter) {
		doc := parse(t, l.Markup)
		isolates := strings.NewReplacer("\u2068", "", "\u2069", "")
		text := isolates.Replace(strings.Join(strings.Fields(l.Plain), " "))
		for _, name := range []string{"h1", "p", "td"} {
			for _, n := range elements(doc, name) {
				if n.FirstChild != nil && n.FirstChild.Data == "table" || len(elements(n, "a")) > 0 {
					continue
				}
				for _, line := range texts(n) {
					if !strings.Contains(text, line) {
						t.Errorf("the text has not what the HTML has: %q", line)
					}
				}
			}
		}
		for _, said := range []string{l.Subject, m.UserID, m.Host, m.Provider, m.Address, m.URL} {
			if !strings.Contains(text, said) || !strings.Contains(html.UnescapeString(l.Markup), said) {
				t.Errorf("it does not say %q", said)
			}
		}
		if strings.ContainsAny(l.Subject, "\r\n") || strings.Contains(text+l.Markup, "<no value>") || strings.Contains(text+l.Markup, "ZgotmplZ") {
			t.Errorf("it is broken: %s\n%s", text, l.Markup)
		}
	})
}

// texts are the texts in an element, without those of tables in it.
func texts(n *html.Node) []string {
	if n.Type == html.TextNode {
		if text := strings.Join(strings.Fields(n.Data), " "); text != "" {
			return []string{text}
		}
	}
	var all []string
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Data != "table" {
			all = append(all, texts(c)...)
		}
	}
	return all
}

func TestAMailIsInTheDirectionOfItsLanguage(t *testing.T) {
	eachMail(t, func(t *testing.T, m Mail, l Letter) {
		doc := parse(t, l.Markup)
		for _, name := range []string{"html", "div"} { // some programs keep the inner one alone
			if n := elements(doc, name)[0]; attr(n, "lang") != l.Lang.String() || attr(n, "dir") != direction(l.Lang) {
				t.Errorf("%s is lang=%q dir=%q", name, attr(n, "lang"), attr(n, "dir"))
			}
		}
		if isolated := strings.Contains(l.Plain, "\u2068"+moment(m.At)+"\u2069"); isolated != (direction(l.Lang) == "rtl") {
			t.Errorf("values are set apart: %t in\n%s", isolated, l.Plain)
		}
	})
}

// What others have chosen is shown, ends nothing, and is no link.
func TestHostileNamesInAMail(t *testing.T) {
	m := Mail{Kind: MailTest, At: time.Unix(0, 0), App: "Win\r\n\r\nBcc: eve@evil.example <b onclick=x>\u202ehttps://evil.example/login",
		Host: "evil.example\r\nSubject: x", Provider: "{{.Server}}</style><script>alert(1)</script>", Address: "1.2.3.4\u2069", URL: "javascript:alert(1)", UserID: "@a\nb:c"}
	l := letterOf(t, renderer(t), language.English, m)
	doc := parse(t, l.Markup)
	if len(elements(doc, "script"))+len(elements(doc, "b"))+len(elements(doc, "a")) != 0 {
		t.Errorf("the HTML obeys them:\n%s", l.Markup)
	}
	for _, hidden := range []string{"\u202e", "\nBcc", "\nSubject:", "https://evil.example", "eve@evil.example", "javascript"} {
		if strings.Contains(l.Plain, hidden) || strings.Contains(html.UnescapeString(l.Markup), hidden) || strings.Contains(l.Subject, hidden) {
			t.Errorf("%q is in it:\n%s\n%s", hidden, l.Plain, l.Markup)
		}
	}
	for _, seen := range []string{"Win Bcc:\u2060 eve@\u2060evil.\u2060example <b onclick=x>https:\u2060/\u2060/\u2060evil.\u2060example/\u2060login", "1.2.3.4\n"} {
		if !strings.Contains(l.Plain, seen) {
			t.Errorf("%q is not in it:\n%q", seen, l.Plain)
		}
	}
}

func TestTheColoursOfAMailAreThoseOfThePages(t *testing.T) {
	colour := regexp.MustCompile(`#[0-9a-f]{6}\b`)
	for name, b := range map[string]Branding{"ours": {}, "an administrator's": {Accent: "#7a1fa2"}} {
		t.Run(name, func(t *testing.T) {
			r, _ := branded(t, b, Notice{Kind: NoticeDone})
			light, dark := palettes(t, r)
			known := map[string]bool{}
			for _, of := range []map[string]string{light, dark, r.dark} {
				for _, c := range of {
					known[c] = true
				}
			}
			used := colour.FindAllString(letterOf(t, r, language.English, Mail{Kind: MailTest, URL: "https://example.org/"}).Markup, -1)
			if len(used) < 10 || !slices.Contains(used, light["accent"]) {
				t.Errorf("it has the colours %q, accent %s", used, light["accent"])
			}
			for _, c := range used {
				if !known[c] {
					t.Errorf("%s is no colour of the stylesheet", c)
				}
			}
			checkContrasts(t, merged(light, r.light), merged(dark, r.dark))
		})
	}
}

func merged(a, b map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range []map[string]string{a, b} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

func TestAFolderReplacesMails(t *testing.T) {
	path := file(t, "mail.txt", "Ours: {{.Subject}} {{say .What}}")
	b := Branding{Templates: filepath.Dir(path)}
	r, _ := branded(t, b, Notice{Kind: NoticeDone})
	if l := letterOf(t, r, language.English, Mail{Kind: MailTest}); !strings.HasPrefix(l.Plain, "Ours: Test mail from example.org This mail shows") || !strings.Contains(l.Markup, "<h1") {
		t.Errorf("it says %q", l.Plain)
	}
	for text, want := range map[string]string{"\n{{if}}": "mail.txt:2: missing value for if", "{{.Nothing}}": "mail.txt:1:2: executing", "{{t \"no.such\"}}": "no.such"} {
		path := file(t, "mail.txt", text)
		if _, err := New(Options{Branding: Branding{Templates: filepath.Dir(path)}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	path = file(t, "mail.html", "{{.Nothing}}")
	if _, err := New(Options{Branding: Branding{Templates: filepath.Dir(path)}}); err == nil || !strings.Contains(err.Error(), "mail.html:1:2: executing") {
		t.Errorf("a broken mail.html: %v", err)
	}
}

func TestEveryLinkOfAMailIsAWholeAddress(t *testing.T) {
	eachMail(t, func(t *testing.T, m Mail, l Letter) {
		links := elements(parse(t, l.Markup), "a")
		if len(links) != strings.Count(m.URL, "://") {
			t.Fatalf("there are %d links", len(links))
		}
		for _, a := range links {
			if u, err := url.Parse(attr(a, "href")); err != nil || u.Scheme != "https" || attr(a, "href") != m.URL || words(a) == "" {
				t.Errorf("%q leads to %q", words(a), attr(a, "href"))
			}
		}
	})
}
