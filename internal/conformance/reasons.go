package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// ReasonsPath is where the reasons lie, from the root of the repository.
const ReasonsPath = "testdata/conformance/reasons.tsv"

const reasonsHeader = "id\treason"

// Reasons reads why items have no case, by their ids. The error names every
// line that is not well-formed, is out of order, or is for an item that must
// have a case.
func Reasons(fsys fs.FS, items []Item) (map[string]string, error) {
	data, err := fs.ReadFile(fsys, ReasonsPath)
	if err != nil {
		return nil, fmt.Errorf("read the reasons: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if lines[0] != reasonsHeader {
		return nil, fmt.Errorf("%s:1: the header is not %q", ReasonsPath, reasonsHeader)
	}
	reasons := map[string]string{}
	var errs []error
	last := ""
	for n, line := range lines[1:] {
		id, reason, _ := strings.Cut(line, "\t")
		if err := checkReason(items, last, id, reason); err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", ReasonsPath, n+2, err))
			continue
		}
		last, reasons[id] = id, reason
	}
	return reasons, errors.Join(errs...)
}

func checkReason(items []Item, last, id, reason string) error {
	at := slices.IndexFunc(items, func(i Item) bool { return i.ID == id })
	switch {
	case at < 0:
		return fmt.Errorf("%q is not in %s", id, Path)
	case last != "" && compare(last, id) >= 0:
		return fmt.Errorf("%s comes after %s", id, last)
	case !strings.HasSuffix(reason, ".") || strings.TrimSpace(reason) != reason || strings.Contains(reason, "\t"):
		return fmt.Errorf("%s: the reason is not a sentence", id)
	case !items[at].mayWait():
		return fmt.Errorf("%s (%s, %s) must have a case, whatever the reason", id, items[at].Level, items[at].Side)
	}
	return nil
}

// mayWait says whether a reason may stand in the place of a case: what is
// optional or only proposed, what the homeserver serves, the account pages and
// cross-signing.
func (i Item) mayWait() bool {
	return slices.Contains([]string{"REC", "MAY", "UNSTABLE"}, i.Level) || i.Side == "HS"
}

// Section is the letter that the item's id begins with.
func (i Item) Section() string { return i.ID[:1] }

// Check compares the list with the cases of a run: the error names every item
// that has neither a case nor a reason or has both, every case that names no
// item, every case that failed, and every title that begins no case.
func Check(items []Item, reasons map[string]string, titles []string, cases []Case) error {
	var errs []error
	proven := map[string]bool{}
	for _, c := range cases {
		if !c.Passed {
			errs = append(errs, fmt.Errorf("%s did not pass", c.Name))
		}
		for _, id := range c.Items() {
			proven[id] = true
			if !slices.ContainsFunc(items, func(i Item) bool { return i.ID == id }) {
				errs = append(errs, fmt.Errorf("%s names %s, which is not in %s", c.Name, id, Path))
			}
		}
	}
	for _, item := range items {
		_, excused := reasons[item.ID]
		switch {
		case !proven[item.ID] && !excused:
			errs = append(errs, fmt.Errorf("%s has neither a case in ./handlers nor a reason in %s: %s", item.ID, ReasonsPath, item.Requirement))
		case proven[item.ID] && excused:
			errs = append(errs, fmt.Errorf("%s has cases, and a reason in %s why it has none", item.ID, ReasonsPath))
		}
	}
	for _, t := range titles {
		if !slices.ContainsFunc(cases, func(c Case) bool { return strings.Contains(c.title(), underscored(t)) }) {
			errs = append(errs, fmt.Errorf("%q names an item but is no case: its subtest must take the environment by harness.Start or Env.For", t))
		}
	}
	return errors.Join(errs...)
}
