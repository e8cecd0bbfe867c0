package conformance

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Case is one subtest that proves one or more items: its name begins with
// their ids, as in "D-03: an unknown grant_type is refused" or "L-08 L-09: …".
type Case struct {
	// Name is the test's full name, without the name of a database:
	// TestTokenErrors/D-03:_no_code.
	Name string
	// Passed says how it ended.
	Passed bool
}

var title = regexp.MustCompile(`^[A-L]-[0-9A-F][0-9A-Z][a-z]{0,2}(?:[ _][A-L]-[0-9A-F][0-9A-Z][a-z]{0,2})*(?::|$)`)

// CaseName is the name of the case that a test is. A repetition on PostgreSQL,
// which is not everywhere, is no case of its own. The name of a subtest may have
// slashes in it.
func CaseName(test string) (name string, ok bool) {
	parts := strings.Split(test, "/")
	at := slices.IndexFunc(parts, title.MatchString)
	if at < 1 || slices.Contains(parts, "postgres") {
		return "", false
	}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "sqlite" }), "/"), true
}

// Items are the ids of the items that the case proves.
func (c Case) Items() []string {
	return idInText.FindAllString(spaced(title.FindString(c.title())), -1)
}

// Test is the test function with the case.
func (c Case) Test() string {
	test, _, _ := strings.Cut(c.Name, "/")
	return test
}

// attacks is 1 for a case that attacks, else 0.
func (c Case) attacks() int {
	if strings.HasPrefix(c.Name, "TestHostile") {
		return 1
	}
	return 0
}

// Says is what must be true, in the words of the test where titles has them:
// in the name of a subtest, white space is an underscore.
func (c Case) Says(titles []string) string {
	text, best := c.title(), ""
	for _, t := range titles {
		if strings.Contains(text, underscored(t)) && len(t) > len(best) {
			best = t
		}
	}
	before, after, _ := strings.Cut(text, underscored(best))
	_, says, _ := strings.Cut(spaced(before)+best+spaced(after), ":")
	return strings.TrimSpace(says)
}

// spaced is the name of a subtest as it was written, more or less: a path keeps
// the underscore that it begins with.
func spaced(text string) string { return strings.NewReplacer("/_", "/_", "_", " ").Replace(text) }

// title is the part of the name that begins with the ids.
func (c Case) title() string {
	parts := strings.Split(c.Name, "/")
	return strings.Join(parts[max(slices.IndexFunc(parts, title.MatchString), 0):], "/")
}

// underscored is a text as the testing package writes it into a name.
func underscored(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return '_'
		}
		return r
	}, text)
}

// Compare orders cases by their names.
func (c Case) Compare(d Case) int { return cmp.Compare(c.Name, d.Name) }
