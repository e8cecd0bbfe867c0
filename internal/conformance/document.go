package conformance

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// DocumentPath is where the document lies, from the root of the repository.
const DocumentPath = "docs/conformance.md"

// FakeRun is how the cases ended against a server that does nothing right.
type FakeRun struct {
	// Fake says what the server answers, in Markdown.
	Fake  string
	Cases []Case
}

// Passed are the cases that a run against a fake did not fail.
func (f FakeRun) Passed() []string {
	var names []string
	for _, c := range f.Cases {
		if c.Passed {
			names = append(names, c.Name)
		}
	}
	return names
}

// Count is a run in numbers, next to the cases of the run against the server.
func (f FakeRun) Count(cases []Case) (failed, passed, unreached int) {
	for _, c := range cases {
		at := slices.IndexFunc(f.Cases, func(d Case) bool { return d.Name == c.Name })
		switch {
		case at < 0:
			unreached++
		case f.Cases[at].Passed:
			passed++
		default:
			failed++
		}
	}
	return failed, passed, unreached
}

// sections are the parts of the list, in its order.
var sections = []struct{ letter, name string }{
	{"A", "Discovery"},
	{"B", "Client registration"},
	{"C", "Authorization endpoint"},
	{"D", "Token endpoint"},
	{"E", "Revocation"},
	{"F", "Introspection, userinfo, keys and ID tokens"},
	{"G", "Device authorization and sign-in by QR code"},
	{"H", "Account management"},
	{"I", "Legacy login"},
	{"J", "Cross-signing reset"},
	{"K", "Errors of the Matrix API"},
	{"L", "Security"},
}

// Evidence is what docs/conformance.md is written from.
type Evidence struct {
	Items []Item
	// Reasons are why an item has no case, by its id.
	Reasons map[string]string
	// Titles are the names of the cases as the tests write them.
	Titles []string
	// Cases have been run, and have passed, against this server.
	Cases []Case
	Fakes []FakeRun
	// Modules are those of the OpenID profiles.
	Modules []Module
}

// Document is docs/conformance.md: every item with the cases that prove it, or
// the reason why none does, and the modules of the OpenID profiles.
func (e Evidence) Document() string {
	byItem := map[string][]Case{}
	for _, c := range e.Cases {
		for _, id := range c.Items() {
			byItem[id] = append(byItem[id], c)
		}
	}
	var b strings.Builder
	b.WriteString(introduction)
	e.writeCounts(&b)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s. %s\n\n| Item | Level | Requirement | Source | Cases | Result |\n|---|---|---|---|---|---|\n", s.letter, s.name)
		for _, item := range e.Items {
			if item.Section() == s.letter {
				writeItem(&b, item, e.Reasons[item.ID], byItem[item.ID], e.Titles)
			}
		}
	}
	writeModules(&b, e.Modules)
	return b.String()
}

func (e Evidence) writeCounts(b *strings.Builder) {
	fmt.Fprintf(b, "Of %d items %d pass, and %d have no case but a reason.\n\n", len(e.Items), len(e.Items)-len(e.Reasons), len(e.Reasons))
	b.WriteString("| Every request is answered by | cases | pass | fail | not reached |\n|---|---|---|---|---|\n")
	fmt.Fprintf(b, "| this server | %d | %d | 0 | 0 |\n", len(e.Cases), len(e.Cases))
	for _, f := range e.Fakes {
		failed, passed, unreached := f.Count(e.Cases)
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d |\n", f.Fake, len(e.Cases), passed, failed, unreached)
	}
}

const modulesIntroduction = `
## OpenID profiles

The modules of the OpenID Foundation's conformance profiles, with the requests and
checks of each made by openid-client against the program as it is built, with
` + "`oidc_require_pkce = false` and `oidc_registration_require_client_uri = false`" + `.
[testdata/clients](../testdata/clients/README.md) says how to run them. A module is
skipped where its profile allows that, and not passed where it wants what Matrix or
this server's rules forbid.

`

func writeModules(b *strings.Builder, modules []Module) {
	b.WriteString(modulesIntroduction)
	b.WriteString("| Profile | passed | skipped | not passed |\n|---|---|---|---|\n")
	var profiles []string
	counts := map[string]map[string]int{}
	for _, m := range modules {
		if counts[m.Profile] == nil {
			counts[m.Profile] = map[string]int{}
			profiles = append(profiles, m.Profile)
		}
		counts[m.Profile][m.Result()]++
	}
	for _, p := range profiles {
		fmt.Fprintf(b, "| %s | %d | %d | %d |\n", p, counts[p][Passed], counts[p][Skipped], counts[p][NotPassed])
	}
	b.WriteString("\n| Profile | Module | What is checked, or why not |\n|---|---|---|\n")
	for _, m := range modules {
		fmt.Fprintf(b, "| %s | %s | %s |\n", m.Profile, cell(m.Name), cell(m.Check))
	}
}

const introduction = `# Conformance

What an authorization server for Matrix must do, item by item, who says so, and
the cases that prove it. This page is written by the tests: ` + "`go test ./handlers -update`" + `
writes it anew.

A case is a subtest in ` + "`handlers/`" + ` whose name begins with the items it proves,
and speaks HTTP to a server that is started for it: ` + "`go test ./handlers -run\n'TestTokenErrors/D-03' -v`" + ` runs those of one item in one test. ` + "`go test ./...`" + `
fails when a case fails, when an item has neither a case nor a reason, when a
case names no item, and when this page is not what the run has shown. The items
are in ` + "`testdata/conformance/items.tsv`" + `, the reasons in
` + "`testdata/conformance/reasons.tsv`" + `.

Tests that need two servers on one PostgreSQL name their items at the end, in
brackets, and are not counted here, so that the page is the same without one.

A case that cannot fail proves nothing. So all of them also run against a server
that answers every request of a case with 200 and ` + "`{}`" + `, and against one that
answers 404: a case that passes on both fails the test. What a case needs before
it begins is made on the real server.

The level is that of the cited text (MUST, SHOULD, MAY); PRACT where no text
asks but a client or homeserver in use breaks without it; REC is recommended;
OURS was decided by this project; UNSTABLE is an open proposal. A reason may
stand only in the place of a REC, MAY or UNSTABLE item, and of one that the
homeserver serves.

`

// writeItem writes a row. Of many cases it names the first ones.
func writeItem(b *strings.Builder, item Item, reason string, cases []Case, titles []string) {
	result := "passes"
	var shown []string
	if reason != "" {
		result = "no case"
		shown = append(shown, cell(reason))
	}
	named, rest := chosen(cases)
	last := ""
	for _, c := range named {
		prefix := ""
		if c.Test() != last {
			last = c.Test()
			prefix = "`" + last + "`: "
		}
		shown = append(shown, prefix+cell(c.Says(titles)))
	}
	if len(rest) > 0 {
		shown = append(shown, fmt.Sprintf("and %d more%s", len(rest), others(rest, named)))
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", item.ID, item.Level, cell(item.Requirement), cell(item.Source), strings.Join(shown, "<br>"), result)
}

// chosen are the cases that a row names: all, or of many a few, from as many
// tests as there are. Both lists keep the order.
func chosen(cases []Case) (named, rest []Case) {
	const most, few = 6, 5
	if len(cases) <= most {
		return cases, nil
	}
	// What is asked comes before the attacks on it.
	cases = slices.SortedStableFunc(slices.Values(cases), func(a, b Case) int { return cmp.Compare(a.attacks(), b.attacks()) })
	pick := map[string]bool{}
	for turn := 0; len(pick) < few; turn++ {
		before := map[string]int{} // the cases of each test so far
		for _, c := range cases {
			if before[c.Test()] == turn && len(pick) < few {
				pick[c.Name] = true
			}
			before[c.Test()]++
		}
	}
	for _, c := range cases {
		if pick[c.Name] {
			named = append(named, c)
		} else {
			rest = append(rest, c)
		}
	}
	return named, rest
}

// others are the tests of the rest that no case was named of.
func others(rest, named []Case) string {
	var tests []string
	for _, c := range rest {
		is := func(d Case) bool { return d.Test() == c.Test() }
		if t := "`" + c.Test() + "`"; !slices.ContainsFunc(named, is) && !slices.Contains(tests, t) {
			tests = append(tests, t)
		}
	}
	if len(tests) == 0 {
		return ""
	}
	return ", also in " + strings.Join(tests, ", ")
}

// cell is a text that means itself in a cell of a Markdown table.
var escapes = strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", ">", "&gt;", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]", "\n", " ")

func cell(text string) string { return escapes.Replace(text) }
