package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// reader turns a tree of nodes into a Config, by the sections, and collects
// everything that is wrong.
type reader struct {
	draft    draft
	problems Problems
	warnings Problems
	// partial: the file could not be read to its end, so nothing can be said
	// about what is missing.
	partial bool
}

// problem notes what is wrong with a key.
func (r *reader) problem(at place, path string, err error) {
	r.problems = append(r.problems, report(at, path, err))
}

// warn notes what the administrator should know about a key.
func (r *reader) warn(at place, path, message string) {
	r.warnings = append(r.warnings, report(at, path, errors.New(message)))
}

func report(at place, path string, err error) Problem {
	p := Problem{File: at.file, Line: at.line, Key: path, Message: err.Error()}
	if p.File == "" { // there is no file: name the variable that is missing
		p.File, p.Line = variable(path), 0
	}
	var r refusal
	if errors.As(err, &r) {
		p.Suggestion = r.suggestion
	}
	return p
}

// section reads a table. The path is the table's dotted one.
func (r *reader) section(s *section, n *node, path string) {
	table := n.table()
	if table == nil {
		r.problem(n.place, path, refuse("must be a table, [%s], and not %s", path, describe(n.value)))
		return
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(s.names(), key) {
			r.problem(table[key].place, join(path, key), refusal{"unknown key", suggest(s, key)})
		}
	}
	for i := range s.options {
		r.option(&s.options[i], n, path)
	}
	for i := range s.sections {
		inner := &s.sections[i]
		child := table[inner.key]
		switch {
		case inner.begin != nil:
			r.entries(inner, child, join(path, inner.key))
		case child == nil: // every key of it has its default
			r.section(inner, &node{n.place, map[string]*node{}}, join(path, inner.key))
		default:
			r.section(inner, child, join(path, inner.key))
		}
	}
	if s.check != nil && !r.partial {
		s.check(r, n, path)
	}
}

// entries reads a list of tables.
func (r *reader) entries(s *section, n *node, path string) {
	if n == nil {
		return
	}
	list := n.list()
	if list == nil {
		r.problem(n.place, path, refuse("must be a list of tables, [[%s]], and not %s", path, describe(n.value)))
		return
	}
	for i, entry := range list {
		s.begin(&r.draft)
		r.section(s, entry, fmt.Sprintf("%s.%d", path, i))
	}
}

// option reads one key of the table n. A value that is refused leaves the
// default in its place, so that what is checked next has something to look at.
func (r *reader) option(o *option, n *node, path string) {
	own, key := n.table()[o.key], join(path, o.key)
	if o.fallback != nil {
		if err := o.takes.set(&r.draft, o.fallback); err != nil {
			r.problem(n.place, key, err) // no definition has such a default
		}
	}
	if own == nil {
		if o.required && !r.partial {
			r.problem(n.place, key, refuse("is missing"))
		}
		return
	}
	if o.inline != "" && n.has(o.inline) && n.table()[o.inline].value != "" {
		r.warn(own.place, key, "is not read, because "+o.inline+" is set too")
		return
	}
	value, ok := r.value(o.takes, own, key)
	if !ok {
		return
	}
	if err := o.takes.set(&r.draft, value); err != nil {
		r.problem(own.place, key, err)
	}
	if o.instead != "" {
		r.warn(own.place, key, "has no effect: "+o.instead)
	}
}

// value gives a node's value the Go type of the rule's kind.
func (r *reader) value(takes rule, n *node, path string) (any, bool) {
	switch v := n.value.(type) {
	case string:
		switch takes.kind {
		case aText:
			return v, true
		case aListOrText:
			return r.texts(takes, []*node{n}, path)
		}
	case int64:
		if takes.kind == aNumber {
			return v, true
		}
	case bool:
		if takes.kind == aFlag {
			return v, true
		}
	case []*node:
		if takes.kind == aList || takes.kind == aListOrText {
			return r.texts(takes, v, path)
		}
	case map[string]*node:
		if takes.kind == aPairs {
			return r.pairs(v, path)
		}
	}
	r.problem(n.place, path, wrongType(takes.kind, n.value))
	return nil, false
}

// texts reads the entries of a list of strings, and reports every bad one.
func (r *reader) texts(takes rule, list []*node, path string) ([]string, bool) {
	before := len(r.problems)
	values := make([]string, 0, len(list))
	for i, n := range list {
		key := path
		if len(list) > 1 {
			key = fmt.Sprintf("%s.%d", path, i)
		}
		v, ok := n.value.(string)
		if !ok {
			r.problem(n.place, key, wrongType(aText, n.value))
		} else if err := takes.entry(v); err != nil {
			r.problem(n.place, key, err)
		}
		values = append(values, v)
	}
	return values, len(r.problems) == before
}

// pairs reads a table of strings, and reports every bad entry.
func (r *reader) pairs(table map[string]*node, path string) (map[string]string, bool) {
	before := len(r.problems)
	values := make(map[string]string, len(table))
	for key, n := range table {
		v, ok := n.value.(string)
		if !ok {
			r.problem(n.place, join(path, key), wrongType(aText, n.value))
		}
		values[key] = v
	}
	return values, len(r.problems) == before
}

func wrongType(want kind, got any) error {
	return refuse("must be %s, and not %s", want, describe(got))
}

// describe says what a value is, and never its contents.
func describe(value any) string {
	switch value.(type) {
	case string:
		return aText.String()
	case int64:
		return aNumber.String()
	case float64:
		return "a number with a fraction"
	case bool:
		return aFlag.String()
	case []*node:
		return "a list"
	case map[string]*node:
		return "a table"
	case nil:
		return "null"
	}
	return "a date or a time"
}

// names are the keys that a table may have.
func (s *section) names() []string {
	var names []string
	for _, o := range s.options {
		names = append(names, o.key)
	}
	for _, inner := range s.sections {
		names = append(names, inner.key)
	}
	return names
}

// suggest finds what an unknown key of a table was meant to be: a key of the
// table by another spelling, or else the same key where it belongs.
func suggest(s *section, key string) string {
	if name := nearest(key, s.names()); name != "" {
		return name
	}
	return elsewhere(&whole, key, "")
}

func elsewhere(s *section, key, path string) string {
	if path != "" && slices.Contains(s.names(), key) {
		return join(path, key)
	}
	for i := range s.sections {
		if found := elsewhere(&s.sections[i], key, join(path, s.sections[i].key)); found != "" {
			return found
		}
	}
	return ""
}

var bareKey = regexp.MustCompile(`^[0-9A-Za-z_-]+$`)

// join appends a key to a dotted path, in quotes where TOML wants them.
func join(path, key string) string {
	if !bareKey.MatchString(key) {
		key = quote(key)
	}
	return strings.TrimPrefix(path+"."+key, ".")
}
