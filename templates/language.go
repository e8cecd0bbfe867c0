package templates

import (
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// maxPreferences is how many languages of one list are considered; people have
// few, and the lists come from outside.
const maxPreferences = 16

// Match chooses the language of a page: the first of uiLocales (ui_locales,
// OpenID Connect Core §3.1.2.1: language tags with spaces between, the
// preferred one first) that there is a catalogue for, otherwise the best for
// the header acceptLanguage (RFC 9110 §12.5.4), otherwise English. What cannot
// be parsed is passed over. The result is one of Languages.
func (r *Renderer) Match(acceptLanguage, uiLocales string) language.Tag {
	for _, tag := range tags(uiLocales) {
		if own, ok := r.catalogue.serves(tag); ok {
			return own
		}
	}
	_, i, _ := r.catalogue.matcher.Match(accepted(acceptLanguage)...)
	return r.catalogue.tags[i]
}

// Preferred returns the languages for what others say about themselves, which
// can be in more languages than a page: those that come before the page's in the
// same two lists, and the page's own, which is the last.
func (r *Renderer) Preferred(acceptLanguage, uiLocales string) []language.Tag {
	page := r.Match(acceptLanguage, uiLocales)
	var preferred []language.Tag
	for _, tag := range append(tags(uiLocales), accepted(acceptLanguage)...) {
		if own, ok := r.catalogue.serves(tag); ok && own == page {
			break
		}
		preferred = append(preferred, tag)
	}
	return append(preferred, page)
}

// serves returns the language in which a reader of tag is served.
func (c *catalogue) serves(tag language.Tag) (own language.Tag, ok bool) {
	_, i, confidence := c.matcher.Match(tag)
	return c.tags[i], confidence > language.No
}

// tags reads ui_locales.
func tags(uiLocales string) []language.Tag {
	var wanted []language.Tag
	for field := range strings.FieldsSeq(uiLocales) {
		if tag, err := language.Parse(field); err == nil && len(wanted) < maxPreferences {
			wanted = append(wanted, tag)
		}
	}
	return wanted
}

// accepted reads Accept-Language, the preferred language first.
func accepted(acceptLanguage string) []language.Tag {
	all, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return nil
	}
	return all[:min(len(all), maxPreferences)]
}

// Languages returns the languages that there are catalogues for, English first
// (ui_locales_supported).
func (r *Renderer) Languages() []language.Tag {
	return slices.Clone(r.catalogue.tags)
}

// nearest returns the tag of the catalogue that serves lang.
func (c *catalogue) nearest(lang language.Tag) language.Tag {
	_, i, _ := c.matcher.Match(lang)
	return c.tags[i]
}

// rightToLeft are the scripts in use that are written from right to left.
var rightToLeft = []string{"Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"}

// direction returns the value of the dir attribute for a language.
func direction(tag language.Tag) string {
	if script, _ := tag.Script(); slices.Contains(rightToLeft, script.String()) {
		return "rtl"
	}
	return "ltr"
}
