package templates

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"golang.org/x/text/language"
)

func TestNewRefusesAnAssetPrefixThatIsNoFolder(t *testing.T) {
	for _, prefix := range []string{"assets/", "/assets", "https://example.org/assets"} {
		if _, err := New(Options{AssetPrefix: prefix}); err == nil || !strings.Contains(err.Error(), prefix) {
			t.Errorf("AssetPrefix %q: got %v, want an error that names it", prefix, err)
		}
	}
}

func TestEveryPageIsHeadedByTheServersName(t *testing.T) {
	tests := []struct{ name, given, want string }{
		{"the server's name", "example.org", "example.org"},
		{"the program's when there is none", "", "Keymaker"},
		{"the program's when nothing of it can be seen", "\u200b", "Keymaker"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := New(Options{ServerName: tt.given})
			if err != nil {
				t.Fatal(err)
			}
			var buf bytes.Buffer
			if err := r.Render(&buf, language.English, Notice{Kind: NoticeDone}); err != nil {
				t.Fatal(err)
			}
			doc := parse(t, buf.String())
			if got := words(elements(doc, "header")[0]); got != tt.want {
				t.Errorf("the header says %q, want %q", got, tt.want)
			}
			if got := words(elements(doc, "title")[0]); !strings.HasSuffix(got, " · "+tt.want) {
				t.Errorf("the title is %q, want %q at its end", got, tt.want)
			}
		})
	}
}

func TestRenderWritesNothingWhenAPageCannotBeShown(t *testing.T) {
	tests := []struct {
		name string
		page Page
	}{
		{"no page", nil},
		{"an error without a reason", ErrorPage{}},
		{"an unknown reason", ErrorPage{Reason: "boredom"}},
		{"an unknown notice", Notice{Kind: "hello"}},
		{"an unknown action", Notice{Kind: NoticeDone, Actions: []Action{{Kind: "dance", URL: "/"}}}},
		{"an unknown permission", with(sampleConsent(), func(c *Consent) { c.Permissions = []Permission{"everything"} })},
		{"C-60: consent for a redirect URI without a host", with(sampleConsent(), func(c *Consent) { c.RedirectURI = "https:///callback" })},
		{"I-06: a redirectUrl without a host", ConfirmLogin{Form: sampleForm, RedirectURL: "https:///", UserID: "@alice:example.org"}},
		{"I-06: a redirectUrl that is none", ConfirmLogin{Form: sampleForm, RedirectURL: "//app.example.com/", UserID: "@alice:example.org"}},
	}
	r := renderer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var buf bytes.Buffer
			if err := r.Render(&buf, language.English, tt.page); err == nil {
				t.Error("no error")
			}
			if buf.Len() > 0 {
				t.Errorf("wrote %q", buf.String())
			}
		})
	}
}

// failing is a connection that has been lost.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("connection lost") }

func TestRenderReportsAFailureToWrite(t *testing.T) {
	if err := renderer(t).Render(failing{}, language.English, Notice{Kind: NoticeDone}); err == nil {
		t.Error("no error")
	}
}

func TestRenderWritesTheLanguageThatIsAskedFor(t *testing.T) {
	tests := []struct {
		name       string
		lang       language.Tag
		want, says string
	}{
		{"English", language.English, "en", "All done"},
		{"German", language.German, "de", "Alles erledigt"},
		{"the German of Austria is German", language.MustParse("de-AT"), "de", "Alles erledigt"},
		{"a language without a catalogue is English", language.MustParse("th"), "en", "All done"},
		{"no language is English", language.Und, "en", "All done"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := parse(t, source(t, tt.lang, Notice{Kind: NoticeDone}))
			if got := attr(elements(doc, "html")[0], "lang"); got != tt.want {
				t.Errorf("lang is %q, want %q", got, tt.want)
			}
			if got := words(elements(doc, "h1")[0]); got != tt.says {
				t.Errorf("the heading is %q, want %q", got, tt.says)
			}
		})
	}
}

func TestARendererServesManyAtOnce(t *testing.T) {
	r, err := New(Options{ServerName: serverName})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 20 {
		for _, lang := range r.Languages() {
			want := source(t, lang, sampleConsent())
			group.Go(func() {
				var buf bytes.Buffer
				if err := r.Render(&buf, lang, sampleConsent()); err != nil || buf.String() != want {
					t.Errorf("got another page in %s, error %v", lang, err)
				}
			})
		}
	}
	group.Wait()
}

// BenchmarkNew is what the pages cost at the start.
func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New(Options{ServerName: serverName}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRender is what one page costs.
func BenchmarkRender(b *testing.B) {
	r, err := New(Options{ServerName: serverName})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := r.Render(io.Discard, r.Languages()[i%len(r.Languages())], sampleConsent()); err != nil {
			b.Fatal(err)
		}
	}
}
