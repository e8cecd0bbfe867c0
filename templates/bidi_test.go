package templates

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"golang.org/x/text/language"
)

// TestNoValueTurnsTheWordsAroundIt: in titles and attributes, where no element can
// set a value apart, the isolates of Unicode do.
func TestNoValueTurnsTheWordsAroundIt(t *testing.T) {
	const hebrew = "\u05d0\u05dc\u05e3"
	consent := func(name string) Page { return with(sampleConsent(), func(c *Consent) { c.ClientName = name }) }
	tests := []struct {
		what string
		lang language.Tag
		page Page
		want string
	}{
		{"an app in Hebrew", language.English, consent(hebrew), "Let \u2068" + hebrew + "\u2069 use your account? · example.org"},
		{"an app in Latin letters, which needs none", language.English, consent("App"), "Let App use your account? · example.org"},
		{"an app in Latin letters in Arabic", language.Arabic, consent("App"), "\u2068App\u2069"},
		{"the server in Arabic", language.Arabic, consent("App"), " · \u2068example.org\u2069"},
		{"a provider", language.English, ErrorPage{Reason: ReasonProviderUnreachable, Provider: hebrew}, "\u2068" + hebrew + "\u2069 does not answer · example.org"},
		{"a session", language.English, AccountSession{Place: Place{Name: hebrew}}, "\u2068" + hebrew + "\u2069 · example.org"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			title := elements(parse(t, source(t, tt.lang, tt.page)), "title")[0]
			if got := title.FirstChild.Data; !strings.Contains(got, tt.want) {
				t.Errorf("the title is %+q, want %+q", got, tt.want)
			}
		})
	}
	t.Run("in every language and on every page each isolate ends in the same text", func(t *testing.T) {
		eachSample(t, func(t *testing.T, _ language.Tag, source string) {
			for _, n := range elements(parse(t, source), "") {
				texts := []string{}
				for _, a := range n.Attr {
					texts = append(texts, a.Val)
				}
				for c := range n.ChildNodes() {
					if c.Type == html.TextNode {
						texts = append(texts, c.Data)
					}
				}
				for _, text := range texts {
					if strings.Count(text, "\u2068") != strings.Count(text, "\u2069") {
						t.Errorf("%s has %+q", n.Data, text)
					}
				}
			}
		})
	})
}

func TestCodesReadFromLeftToRightAndNamesAsTheyAreWritten(t *testing.T) {
	for name, page := range samples() {
		for _, n := range elements(parse(t, source(t, language.Arabic, page)), "") {
			want := ""
			switch {
			case slices.Contains(strings.Fields(attr(n, "class")), "code"), n.Data == "bdi" && strings.HasPrefix(words(n), "@") && attr(n.Parent.Parent, "class") == "account",
				n.Data == "bdi" && strings.Contains(attr(n.Parent, "class"), "reference"):
				want = "ltr"
			case n.Data == "input" && attr(n, "type") == "text" && attr(n, "id") == "name":
				want = "auto"
			default:
				continue
			}
			if got := attr(n, "dir"); got != want {
				t.Errorf("%s: %s %q has dir=%q, want %q", name, n.Data, words(n)+attr(n, "name"), got, want)
			}
		}
	}
}

// TestEveryFieldSaysWhichWayItIsWritten: a person may write in another direction
// than the page is set.
func TestEveryFieldSaysWhichWayItIsWritten(t *testing.T) {
	eachSample(t, func(t *testing.T, _ language.Tag, source string) {
		for _, n := range elements(parse(t, source), "input") {
			if kind := attr(n, "type"); (kind == "" || kind == "text") && attr(n, "dir") == "" {
				t.Errorf("the field %s has no dir", attr(n, "name"))
			}
		}
	})
}
