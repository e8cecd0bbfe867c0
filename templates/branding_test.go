package templates

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/text/language"
)

// branded renders a page of an administrator's own look.
func branded(t *testing.T, b Branding, page Page) (*Renderer, *html.Node) {
	t.Helper()
	r, err := New(Options{ServerName: serverName, Branding: b})
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := r.RenderVisit(&buf, Visit{Lang: language.English, Here: &url.URL{Path: "/here"}}, page); err != nil {
		t.Fatal(err)
	}
	return r, parse(t, buf.String())
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnAdministratorChangesNameLogoAndLinks(t *testing.T) {
	drawing := `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>`
	r, doc := branded(t, Branding{Name: "Example Chat", Logo: file(t, "our.svg", drawing), Privacy: "https://example.com/privacy", Imprint: "https://example.com/imprint"}, Notice{Kind: NoticeSignedOut})
	if got := words(elements(doc, "header")[0]); got != "Example Chat" {
		t.Errorf("the header says %q", got)
	}
	if got := words(elements(doc, "title")[0]); !strings.HasSuffix(got, " · Example Chat") {
		t.Errorf("the title is %q", got)
	}
	src := attr(elements(doc, "img")[0], "src")
	if a := r.Assets()[src]; string(a.Body) != drawing || a.ContentType != "image/svg+xml" {
		t.Errorf("the logo at %s is %q: %q", src, a.ContentType, a.Body)
	}
	var links []string
	for _, a := range elements(elements(doc, "footer")[0], "a") {
		links = append(links, words(a)+" "+attr(a, "href"))
	}
	if want := []string{"Privacy https://example.com/privacy", "About this service https://example.com/imprint"}; !slices.Equal(links, want) {
		t.Errorf("the foot links to %q, want %q", links, want)
	}
}

func TestAnAccentColourChangesBothSchemesAndCanBeRead(t *testing.T) {
	for _, accent := range []string{"#0b5f55", "#1d4ed8", "#7a1fa2", "#b00020", "#000000", "#5f4b00"} {
		r, _ := branded(t, Branding{Accent: accent}, Notice{Kind: NoticeDone})
		light, dark := palettes(t, r)
		if light["accent"] != accent || dark["accent"] == accent || dark["accent"] == "" {
			t.Errorf("%s became %s and %s", accent, light["accent"], dark["accent"])
		}
		checkContrasts(t, light, dark)
	}
}

func TestAFolderReplacesTemplates(t *testing.T) {
	path := file(t, "notice.html", `{{define "title"}}Ours{{end}}{{define "main"}}<h1>Ours: {{t "form.continue"}}</h1>{{end}}`)
	b := Branding{Templates: filepath.Dir(path)}
	if _, doc := branded(t, b, Notice{Kind: NoticeDone}); words(elements(doc, "h1")[0]) != "Ours: Continue" {
		t.Errorf("the page says %q", words(elements(doc, "body")[0]))
	}
	if _, doc := branded(t, b, sampleConsent()); words(elements(doc, "h1")[0]) != "Let Element Web use your account?" {
		t.Errorf("another page says %q", words(elements(doc, "body")[0]))
	}
}

func TestTheFrameCanBeReplaced(t *testing.T) {
	path := file(t, "layout.html", `<!DOCTYPE html><html lang="{{.Lang}}"><title>{{template "title" .Page}}</title><body class="ours">{{template "main" .Page}}`)
	_, doc := branded(t, Branding{Templates: filepath.Dir(path)}, Notice{Kind: NoticeDone})
	if attr(elements(doc, "body")[0], "class") != "ours" || words(elements(doc, "h1")[0]) != "All done" {
		t.Error("the frame is not the administrator's")
	}
}

// TestEveryPageCanBeTried: what fills a page in must not make our own templates
// fail, or an administrator's would not be tried.
func TestEveryPageCanBeTried(t *testing.T) {
	r := renderer(t)
	tried := map[string]int{}
	for _, page := range trials() {
		var buf bytes.Buffer
		if err := r.RenderVisit(&buf, Visit{Lang: language.English, Here: trialAddress}, page); err != nil {
			t.Errorf("%v: give its type a value in trialValues", err)
		}
		tried[page.template()]++
	}
	for _, kind := range pageKinds {
		if tried[kind.template()] != 2 {
			t.Errorf("%s is tried %d times", reflect.TypeOf(kind), tried[kind.template()])
		}
	}
}

func TestThePageOffersItsLanguages(t *testing.T) {
	here, err := url.Parse("/device?user_code=BCDF-GHJK&language=de&x=1&x=2")
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := renderer(t).RenderVisit(&buf, Visit{Lang: language.German, Here: here}, Notice{Kind: NoticeDone}); err != nil {
		t.Fatal(err)
	}
	foot := elements(parse(t, buf.String()), "footer")[0]
	form := elements(foot, "form")[0]
	if attr(form, "method") != "get" || attr(form, "action") != "/device" {
		t.Errorf("the form is a %s to %s", attr(form, "method"), attr(form, "action"))
	}
	var fields []Field
	for _, input := range elements(form, "input") {
		fields = append(fields, Field{attr(input, "name"), attr(input, "value")})
	}
	if want := []Field{{"user_code", "BCDF-GHJK"}, {"x", "1"}, {"x", "2"}}; !slices.Equal(fields, want) {
		t.Errorf("it keeps %v, want %v", fields, want)
	}
	for i, button := range elements(form, "button") {
		tag := renderer(t).Languages()[i]
		if attr(button, "value") != tag.String() || attr(button, "lang") != tag.String() || attr(button, "dir") != direction(tag) || words(button) == "" {
			t.Errorf("the button for %s is %v %q", tag, button.Attr, words(button))
		}
		if current := attr(button, "aria-current") == "true"; current != (tag == language.German) {
			t.Errorf("%s is the current one: %t", tag, current)
		}
	}
	if summary := elements(foot, "summary")[0]; words(summary) != "Deutsch" || attr(summary, "aria-label") != "Sprache: Deutsch" {
		t.Errorf("the switch says %q", words(summary))
	}
}
