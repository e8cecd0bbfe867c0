package templates

import (
	"html/template"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzCleanName checks that what a page shows of a chosen name is visible text
// of one line, which cleaning again does not change (conformance L-23).
func FuzzCleanName(f *testing.F) {
	for _, seed := range []string{"", "Element", "a\u202eb", "\u200b\u2060", "a\nb\tc", strings.Repeat("ü", 300), "\xff\xfe", "<b>x</b>", "👩‍👩‍👧", "\u2800", "\U000e0041x", " a ", "\x1b[31m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got := CleanName(name)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxName || got != strings.TrimSpace(got) || strings.Contains(got, "  ") {
			t.Fatalf("%q is shown as %q", name, got)
		}
		for _, r := range got {
			if invisible(r) || unicode.IsSpace(r) && r != ' ' {
				t.Fatalf("%q is shown with %U", name, r)
			}
		}
		if CleanName(got) != got {
			t.Fatalf("%q is shown as %q, and that as %q", name, got, CleanName(got))
		}
	})
}

// FuzzLinks checks that a page links nowhere that runs code, and shows of a
// host only letters that cannot deceive (conformance L-24, L-25).
func FuzzLinks(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/", "https://еxample.com/", "https://u:p@example.com/", "javascript:alert(1)", "com.example.app:/x", "//evil", `/\evil`, "/path?x=y", "http://localhost:1/", "http://[::1]/",
		"data:text/html,x", "https://example.com:443/", "https://EXAMPLE.com./", "https://xn--a/", "https://a..b/", "", "http://127.0.0.1@evil/", "https://[::1%25eth0]/", "a.b:javascript:alert(1)",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if host := Host(uri); strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.:[]") != "" {
			t.Fatalf("of %q the host %q is shown", uri, host)
		}
		if link := SafeLink(uri); link != "" {
			u, err := url.Parse(link)
			if err != nil || u.Scheme != "https" || u.User != nil || u.Host == "" {
				t.Fatalf("%q became the link %q", uri, link)
			}
		}
		var target string
		switch link := actionLink(uri).(type) {
		case string:
			target = link
		case template.URL:
			target = string(link)
			if scheme, _, _ := strings.Cut(target, ":"); !strings.Contains(scheme, ".") {
				t.Fatalf("%q became a trusted link to %q", uri, target)
			}
		}
		if strings.HasPrefix(target, "//") || strings.Contains(target, `\`) {
			t.Fatalf("%q became the button %q, which leaves this server", uri, target)
		}
	})
}

// FuzzLanguage checks that every wish for a language ends at one that there is.
func FuzzLanguage(f *testing.F) {
	for _, seed := range []string{"", "de", "de-AT,de;q=0.9,en;q=0.8", "*", "x-klingon", "en;q=2", strings.Repeat("de,", 200), "de-Latn-1996-u-co-phonebk", "\x00", "i-klingon", "und"} {
		f.Add(seed, "")
		f.Add("", seed)
	}
	r, err := New(Options{ServerName: "example.org"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, accept, uiLocales string) {
		got := r.Match(accept, uiLocales)
		for _, known := range r.Languages() {
			if got == known {
				return
			}
		}
		t.Fatalf("Accept-Language %q and ui_locales %q lead to %q", accept, uiLocales, got)
	})
}
