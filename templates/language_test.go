package templates

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/language"
)

func TestMatch(t *testing.T) {
	tests := []struct{ name, accept, uiLocales, want string }{
		{"English when nothing is said", "", "", "en"},
		{"the header", "de", "", "de"},
		{"the header by its weights", "en;q=0.5, de;q=0.9", "", "de"},
		{"a region has its language", "de-AT,de;q=0.9,en;q=0.8", "", "de"},
		{"English when there is no catalogue", "th", "", "en"},
		{"ui_locales before the header", "en", "de", "de"},
		{"the first of ui_locales that there is", "en", "th de en", "de"},
		{"ui_locales with a region", "en", "de-CH", "de"},
		{"the header when no ui_locales fits", "de", "th", "de"},
		{"ui_locales that cannot be parsed are passed over", "en", "!!! de", "de"},
		{"a header that cannot be parsed is passed over", "!!!;q=x", "", "en"},
		{"a header of unreasonable length", strings.Repeat("th,", 5000) + "de", "", "en"},
		{"ui_locales of unreasonable length", "de", strings.Repeat("th ", 5000) + "en", "de"},
	}
	r := renderer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.Match(tt.accept, tt.uiLocales); got != language.MustParse(tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestPreferred(t *testing.T) {
	tests := []struct{ name, accept, uiLocales, want string }{
		{"English when nothing is said", "", "", "[en]"},
		{"what comes before the language of the page", "fi, th;q=0.9, de;q=0.8, es;q=0.7", "", "[fi th de]"},
		{"nothing but a region of it", "de-AT, fi;q=0.5", "", "[de]"},
		{"ui_locales before the header", "en, th;q=0.5", "fi de", "[fi de]"},
		{"ui_locales without a catalogue, and then the header", "th, de;q=0.5", "fi", "[fi th de]"},
		{"everything, when there is no catalogue for any of it", "th, fi", "", "[th fi en]"},
	}
	r := renderer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := fmt.Sprint(r.Preferred(tt.accept, tt.uiLocales)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDirection(t *testing.T) {
	for tag, want := range map[string]string{
		"en": "ltr", "de-CH": "ltr", "ja": "ltr", "ar": "rtl", "he": "rtl", "fa": "rtl", "ur-PK": "rtl", "az-Arab": "rtl", "ar-Latn": "ltr",
	} {
		if got := direction(language.MustParse(tag)); got != want {
			t.Errorf("direction(%s) = %s, want %s", tag, got, want)
		}
	}
}

// TestEveryLanguageIsCalledAsItsReadersCallIt: who cannot read a page finds the
// way to another.
func TestEveryLanguageIsCalledAsItsReadersCallIt(t *testing.T) {
	names := map[string]string{
		"en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "nl": "Nederlands", "pt": "Português",
		"pl": "Polski", "uk": "Українська", "ar": "العربية", "ja": "日本語", "zh": "中文",
	}
	for tag, want := range names {
		if got := languageNames([]language.Tag{language.MustParse(tag)})[0].Name; got != want {
			t.Errorf("%s is called %q, want %q", tag, got, want)
		}
	}
}
