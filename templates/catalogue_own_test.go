package templates

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// textsIn is a folder with one catalogue of an administrator.
func textsIn(t *testing.T, name, text string) Branding {
	t.Helper()
	return Branding{Templates: filepath.Dir(file(t, name, text))}
}

func inLanguage(t *testing.T, r *Renderer, tag language.Tag, page Page) string {
	t.Helper()
	var b strings.Builder
	if err := r.Render(&b, tag, page); err != nil {
		t.Fatal(err)
	}
	return words(elements(parse(t, b.String()), "body")[0])
}

func TestAFolderChangesTexts(t *testing.T) {
	r, _ := branded(t, textsIn(t, "de.toml", "[error.account_locked]\nnext = \"Ruf uns unter 0123 an.\"\n"), Notice{Kind: NoticeDone})
	locked := ErrorPage{Reason: ReasonAccountLocked, UserID: "@alice:example.org"}
	if got := inLanguage(t, r, language.German, locked); !strings.Contains(got, "gesperrt") || !strings.Contains(got, "Ruf uns unter 0123 an.") {
		t.Errorf("in German it says %q", got)
	}
	if got := inLanguage(t, r, language.English, locked); !strings.Contains(got, "Ask the administrator of example.org to unlock it.") {
		t.Errorf("in English it says %q", got)
	}
	if got, want := len(r.Languages()), len(renderer(t).Languages()); got != want {
		t.Errorf("there are %d languages, want %d", got, want)
	}
}

func TestAFolderAddsALanguage(t *testing.T) {
	english, err := messageFiles.ReadFile("messages/en.toml")
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.Replace(string(english), `title = "All done"`, `title = "Klart"`, 1)
	for name, tag := range map[string]language.Tag{"sv.toml": language.Swedish, "he.toml": language.Hebrew, "tlh.toml": language.MustParse("tlh")} {
		t.Run(name, func(t *testing.T) {
			r, _ := branded(t, textsIn(t, name, whole), Notice{Kind: NoticeDone})
			if !slices.Contains(r.Languages(), tag) || r.Match(tag.String(), "") != tag {
				t.Errorf("the languages are %v", r.Languages())
			}
			if got := inLanguage(t, r, tag, Notice{Kind: NoticeDone}); !strings.Contains(got, "Klart") {
				t.Errorf("it says %q", got)
			}
		})
	}
}

func TestATextThatCannotBeShownStopsTheStart(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"a text that no page has", "de.toml", "[action]\nretri = \"Nochmal\"", "de.toml: action.retri: no page has such a text"},
		{"a value that is not there", "de.toml", "[action]\nretry = \"Nochmal, {{.Name}}\"", "de.toml: action.retry: there is no value .Name here"},
		{"a value that may be missing", "de.toml", "[error.cancelled]\nwhat = \"Abgebrochen bei {{.Provider}}.\"", "error.cancelled.what: the value .Provider may be missing: ask with {{if .Provider}}"},
		{"what is no template", "de.toml", "[action]\nretry = \"{{if}}\"", "action.retry: message action.retry in de: "},
		{"an empty text", "de.toml", "[action]\nretry = \" \"", "action.retry: it is empty, or has line breaks"},
		{"a text of two lines", "de.toml", "[action]\nretry = \"Noch\\nmal\"", "action.retry: it is empty, or has line breaks"},
		{"what is no TOML", "de.toml", "retry", "de.toml: "},
		{"a name that is no language", "german!.toml", "", "german!.toml is called like no language"},
		{"a language that lacks a text", "sv.toml", "[action]\nretry = \"En gång till\"", "sv.toml: a new language needs every text; missing: account.about_activity, "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(Options{ServerName: serverName, Branding: textsIn(t, tt.file, tt.text)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// TestOurCataloguesPassWhatOthersMust: the rules for those of an administrator are
// good for ours.
func TestOurCataloguesPassWhatOthersMust(t *testing.T) {
	files, err := catalogueFiles(messageFiles, "messages")
	if err != nil {
		t.Fatal(err)
	}
	english, err := englishMessages(files)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := catalogueFiles(messageFiles, "messages")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ours {
		for _, problem := range renderer(t).catalogue.check(f, english, true) {
			t.Errorf("%s: %v", f.path, problem)
		}
	}
}

func TestTheDocumentListsTheLanguages(t *testing.T) {
	document, err := os.ReadFile("../docs/languages.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, tag := range renderer(t).Languages() {
		want = append(want, "| `"+tag.String()+"` | "+display.English.Tags().Name(tag)+" |")
	}
	if got := regexp.MustCompile("(?m)^\\| `[a-z]+` \\| \\w+ \\|$").FindAllString(string(document), -1); !slices.Equal(got, want) {
		t.Errorf("the document lists %q, there are %q", got, want)
	}
}
