package conformance

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// root is the repository as seen from this package's tests.
var root = os.DirFS("../..")

func TestTheListIsWellFormed(t *testing.T) {
	items, err := Items(root)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[byte]bool{}
	for _, item := range items {
		seen[item.ID[0]] = true
	}
	for section := byte('A'); section <= 'L'; section++ {
		if !seen[section] {
			t.Errorf("section %c has no item", section)
		}
	}
}

func TestItems(t *testing.T) {
	row := func(fields ...string) string { return strings.Join(fields, "\t") + "\n" }
	good := row("A-01", "MUST", "AS", "RFC 8414 §3", "It answers.")
	tests := []struct {
		name string
		file string
		want string // part of the error; "" = none
	}{
		{"a good row is read", header + "\n" + good, ""},
		{"parts follow their item, one letter before two", header + "\n" + good +
			row("A-01a", "SHOULD/MAY", "AS", "s", "r.") + row("A-01z", "MAY", "HS", "s", "r.") + row("A-01aa", "REC", "AS+HS", "s", "r."), ""},
		{"another header is refused", "id\tlevel\n" + good, ":1: the header"},
		{"an empty file is refused", "", ":1: the header"},
		{"a repeated id is refused", header + "\n" + good + good, ":3: A-01 comes after A-01"},
		{"an id out of order is refused", header + "\n" + row("B-01", "MUST", "AS", "s", "r.") + good, "A-01 comes after B-01"},
		{"a malformed id is refused", header + "\n" + row("A-1", "MUST", "AS", "s", "r."), `"A-1" is no item id`},
		{"an unknown level is refused", header + "\n" + row("A-01", "WILL", "AS", "s", "r."), `level "WILL"`},
		{"the weaker level first is refused", header + "\n" + row("A-01", "MAY/MUST", "AS", "s", "r."), `level "MAY/MUST"`},
		{"an unknown side is refused", header + "\n" + row("A-01", "MUST", "RP", "s", "r."), `side "RP"`},
		{"an empty source is refused", header + "\n" + row("A-01", "MUST", "AS", " ", "r."), "no source"},
		{"an empty requirement is refused", header + "\n" + row("A-01", "MUST", "AS", "s", ""), "not a sentence"},
		{"a missing field is refused", header + "\n" + row("A-01", "MUST", "AS", "r."), "4 fields"},
		{"every bad line is named", header + "\n" + row("x") + good + row("y"), ":4: 1 fields"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			items, err := Items(fstest.MapFS{Path: {Data: []byte(tt.file)}})
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want == "" && len(items) != strings.Count(tt.file, "\n")-1:
				t.Errorf("read %d items of %q", len(items), tt.file)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestItemsNamesAMissingList(t *testing.T) {
	if _, err := Items(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), Path) {
		t.Errorf("got %v, want an error that names %s", err, Path)
	}
}
