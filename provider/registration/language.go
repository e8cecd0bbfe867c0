package registration

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// localizable are the members that may come with a language tag (MSC2966).
var localizable = []string{"client_name", "client_uri", "logo_uri", "tos_uri", "policy_uri"}

// maxTag is the length in bytes of a language tag that RFC 5646 §4.4.1 asks
// everybody to take.
const maxTag = 35

// localized reads the members with a language tag by the rules of the member
// without (B-17). A name whose tag is not BCP 47 is an unknown member.
func (r *reader) localized() error {
	for _, name := range slices.Sorted(maps.Keys(r.doc)) {
		field, _, ok := splitLocalized(name)
		if !ok {
			continue
		}
		value, err := r.localizedValue(name, field)
		if err != nil {
			return err
		}
		if value != "" {
			r.m.localize(name, value)
		}
	}
	return nil
}

func (r *reader) localizedValue(name, field string) (string, error) {
	if field != "client_name" {
		return r.webURI(name)
	}
	text, err := r.doc.text(name)
	return displayName(text), err
}

// splitLocalized cuts "client_name#fr" into its member and language.
func splitLocalized(name string) (field string, tag language.Tag, ok bool) {
	field, raw, ok := strings.Cut(name, "#")
	if !ok || !slices.Contains(localizable, field) || len(raw) > maxTag || strings.Contains(raw, "_") {
		return "", language.Und, false
	}
	tag, err := language.Parse(raw)
	return field, tag, err == nil
}

// Name returns the name of the client in the first of the given languages that
// it registered one for, otherwise the one without language; "" when there is
// none.
func (m Metadata) Name(languages ...language.Tag) string {
	return m.translated("client_name", m.ClientName, languages)
}

// Logo returns logo_uri, chosen like Name.
func (m Metadata) Logo(languages ...language.Tag) string {
	return m.translated("logo_uri", m.LogoURI, languages)
}

// TOS returns tos_uri, chosen like Name.
func (m Metadata) TOS(languages ...language.Tag) string {
	return m.translated("tos_uri", m.TOSURI, languages)
}

// Policy returns policy_uri, chosen like Name.
func (m Metadata) Policy(languages ...language.Tag) string {
	return m.translated("policy_uri", m.PolicyURI, languages)
}

func (m Metadata) translated(field, base string, languages []language.Tag) string {
	var names []string
	var tags []language.Tag
	for _, name := range slices.Sorted(maps.Keys(m.Localized)) {
		if f, tag, ok := splitLocalized(name); ok && f == field {
			names, tags = append(names, name), append(tags, tag)
		}
	}
	if len(tags) == 0 {
		return base
	}
	_, i, confidence := language.NewMatcher(tags).Match(languages...)
	if confidence < language.High {
		return base
	}
	return m.Localized[names[i]]
}
