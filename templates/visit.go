package templates

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// FieldLanguage is the parameter with which a page is asked for in a language,
// as a tag (RFC 5646).
const FieldLanguage = "language"

// A Visit is how a page is shown to one person.
type Visit struct {
	Lang language.Tag // as Match returns it
	// Here is the address that shows the page once more, so that the page can
	// offer other languages; nil for a page that is there once, which offers none.
	Here *url.URL
}

// languageSwitch is the form that asks for a page in another language.
type languageSwitch struct {
	Action    string
	Fields    []Field // what the address asks for already
	Current   languageName
	Languages []languageName
}

// languageName is a language as those call it who speak it.
type languageName struct {
	Tag, Dir, Name string
}

// languageNames are all languages that there are catalogues for.
func languageNames(tags []language.Tag) []languageName {
	var all []languageName
	for _, tag := range tags {
		name := cmp.Or(display.Self.Name(tag), tag.String())
		first, size := utf8.DecodeRuneInString(name)
		all = append(all, languageName{Tag: tag.String(), Dir: direction(tag), Name: string(unicode.ToUpper(first)) + name[size:]})
	}
	return all
}

// switchFor returns the form for a page at an address, or nil where there is
// nothing to choose, and where the address asks with what no page may contain
// (CleanText).
func (r *Renderer) switchFor(here *url.URL, current language.Tag) *languageSwitch {
	if here == nil || len(r.languages) < 2 {
		return nil
	}
	s := &languageSwitch{Action: here.EscapedPath(), Languages: r.languages}
	for _, l := range r.languages {
		if l.Tag == current.String() {
			s.Current = l
		}
	}
	query := here.Query()
	query.Del(FieldLanguage)
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range query[name] {
			if CleanText(name) != name || CleanText(value) != value {
				return nil
			}
			s.Fields = append(s.Fields, Field{Name: name, Value: value})
		}
	}
	return s
}
