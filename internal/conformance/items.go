// Package conformance reads the list of requirements this server is tested
// against and finds the tests that name them.
package conformance

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// Path is where the list lies, from the root of the repository.
const Path = "testdata/conformance/items.tsv"

// Item is one requirement.
type Item struct {
	// ID is a section letter and two characters, with one or two letters
	// for a part of an item: B-31, D-2A, A-03ab.
	ID string
	// Level says who demands it, the strongest first where there are two:
	// MUST, SHOULD and MAY by the cited text; PRACT, no text does but a
	// shipping client or homeserver breaks without it; REC, recommended;
	// OURS, decided by this project; UNSTABLE, an open proposal.
	Level string
	// Side is AS for the authorization server, HS for a homeserver's path,
	// AS+HS for both.
	Side string
	// Source names the texts the item comes from.
	Source string
	// Requirement is the sentence a test can prove or refute.
	Requirement string
}

const header = "id\tlevel\tside\tsource\trequirement"

var (
	idForm = regexp.MustCompile(`^[A-L]-[0-9A-F][0-9A-Z][a-z]{0,2}$`)
	levels = []string{"MUST", "SHOULD", "MAY", "PRACT", "REC", "OURS", "UNSTABLE"}
	sides  = []string{"AS", "HS", "AS+HS"}
)

// Items reads the list below fsys, the root of the repository. The error
// names every line that is not well-formed, not unique or out of order.
func Items(fsys fs.FS) ([]Item, error) {
	data, err := fs.ReadFile(fsys, Path)
	if err != nil {
		return nil, fmt.Errorf("read conformance items: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	if !lines.Scan() || lines.Text() != header {
		return nil, fmt.Errorf("%s:1: the header is not %q", Path, header)
	}
	var (
		items []Item
		errs  []error
		last  string
	)
	for n := 2; lines.Scan(); n++ {
		item, err := parse(lines.Text())
		if err == nil && last != "" && compare(last, item.ID) >= 0 {
			err = fmt.Errorf("%s comes after %s", item.ID, last)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", Path, n, err))
			continue
		}
		last = item.ID
		items = append(items, item)
	}
	if err := lines.Err(); err != nil {
		errs = append(errs, fmt.Errorf("read conformance items: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return items, nil
}

func parse(line string) (Item, error) {
	fields := strings.Split(line, "\t")
	if len(fields) != 5 {
		return Item{}, fmt.Errorf("%d fields, want 5", len(fields))
	}
	item := Item{ID: fields[0], Level: fields[1], Side: fields[2], Source: fields[3], Requirement: fields[4]}
	if !idForm.MatchString(item.ID) {
		return Item{}, fmt.Errorf("%q is no item id", item.ID)
	}
	rank := -1
	for level := range strings.SplitSeq(item.Level, "/") {
		next := slices.Index(levels, level)
		if next <= rank {
			return Item{}, fmt.Errorf("%s: unknown or unordered level %q", item.ID, item.Level)
		}
		rank = next
	}
	if !slices.Contains(sides, item.Side) {
		return Item{}, fmt.Errorf("%s: unknown side %q", item.ID, item.Side)
	}
	if strings.TrimSpace(item.Source) == "" {
		return Item{}, fmt.Errorf("%s: no source", item.ID)
	}
	if !strings.HasSuffix(item.Requirement, ".") || strings.TrimSpace(item.Requirement) != item.Requirement {
		return Item{}, fmt.Errorf("%s: the requirement is not a sentence", item.ID)
	}
	return item, nil
}

// compare orders ids as the list does: by section and number, an item before
// its parts, and part z before part aa.
func compare(a, b string) int {
	const base = len("A-00")
	return cmp.Or(
		cmp.Compare(a[:base], b[:base]),
		cmp.Compare(len(a), len(b)),
		cmp.Compare(a, b),
	)
}
