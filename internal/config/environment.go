package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/knadh/koanf/providers/env/v2"
)

const (
	envPrefix = "KEYMAKER_"
	envDelim  = "__"

	// envPath names the file. It is no key of it.
	envPath = "KEYMAKER_CONFIG"
)

// variable is the environment variable of a key: KEYMAKER_ and the dotted path
// in capitals, with __ for each dot.
func variable(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", envDelim))
}

// overlay puts the environment over the tree of the file: a variable replaces
// the value of its key. The values keep their place, the variable's name, which
// is why the tree is not handed to koanf: its maps hold values only.
//
// A variable without __ is none of ours. Container platforms set some that
// begin with the name of a service, such as KEYMAKER_PORT.
func (r *reader) overlay(root *node, environ []string) {
	variables, err := env.Provider("", env.Opt{Prefix: envPrefix, EnvironFunc: func() []string { return environ }}).Read()
	if err != nil {
		r.problem(place{file: envPrefix + "*"}, "", err)
		return
	}
	names := slices.Collect(maps.Keys(variables))
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(inOrder(a), inOrder(b)) })
	for _, name := range names {
		text, _ := variables[name].(string)
		parts := strings.Split(strings.TrimPrefix(name, envPrefix), envDelim)
		if len(parts) > 1 && parts[0] != "" && !strings.HasPrefix(parts[0], "TEST_") {
			v := setting{reader: r, name: name, text: text}
			v.section(&whole, root, parts, "")
		}
	}
}

// inOrder sorts entry 9 of a list before entry 10.
func inOrder(name string) string {
	parts := strings.Split(name, envDelim)
	for i, part := range parts {
		if _, err := strconv.Atoi(part); err == nil {
			parts[i] = fmt.Sprintf("%20s", part)
		}
	}
	return strings.Join(parts, envDelim)
}

// setting is one variable on its way into the tree.
type setting struct {
	reader *reader
	name   string
	text   string
}

// place is the variable's name, which need not be one that can be printed.
func (v setting) place() place {
	if strings.ContainsFunc(v.name, unicode.IsControl) {
		return place{file: quote(v.name)}
	}
	return place{file: v.name}
}

func (v setting) problem(path string, err error) { v.reader.problem(v.place(), path, err) }

// section follows the rest of the variable's name from the table n.
func (v setting) section(s *section, n *node, rest []string, path string) {
	table := n.table()
	if table == nil {
		return // of the wrong type, which the reader will say
	}
	for _, o := range s.options {
		if strings.ToUpper(o.key) == rest[0] {
			v.option(&o, table, rest, path)
			return
		}
	}
	for i := range s.sections {
		inner := &s.sections[i]
		if strings.ToUpper(inner.key) == rest[0] {
			v.inner(inner, n, rest[1:], join(path, inner.key))
			return
		}
	}
	v.problem("", refusal{"unknown variable", v.suggest(s, rest)})
}

func (v setting) option(o *option, table map[string]*node, rest []string, path string) {
	key := join(path, o.key)
	if len(rest) > 1 {
		v.problem(key, refusal{"the variable sets one entry: set the whole value as JSON", variable(key)})
		return
	}
	value, err := v.parse(o.takes.kind)
	if err != nil {
		v.problem(key, err)
		return
	}
	table[o.key] = &node{v.place(), value}
}

// inner goes on into a table that the table n holds, and makes it if need be.
func (v setting) inner(s *section, n *node, rest []string, path string) {
	table := n.table()
	if table[s.key] == nil {
		empty := &node{place: n.place, value: map[string]*node{}}
		if s.begin != nil {
			empty.value = []*node{}
		}
		table[s.key] = empty
	}
	child := table[s.key]
	switch {
	case s.begin != nil:
		v.entry(s, child, rest, path)
	case len(rest) == 0:
		v.problem(path, refuse("is a table: set its keys, each by a variable of its own"))
	default:
		v.section(s, child, rest, path)
	}
}

// entry goes on into the entry of a list of tables that the name's next part
// counts, from 0. The one after the last is a new one.
func (v setting) entry(s *section, n *node, rest []string, path string) {
	if len(rest) == 0 {
		value, err := parseJSON(v.text, v.place())
		if err != nil {
			v.problem(path, err)
			return
		}
		*n = *value
		return
	}
	list := n.list()
	if list == nil {
		return // of the wrong type, which the reader will say
	}
	i, err := strconv.Atoi(rest[0])
	switch {
	case err != nil || i < 0 || len(rest) == 1:
		v.problem(path, refuse("the name must go on with the number of an entry, from 0, and a key: %s%s0%s…", variable(path), envDelim, envDelim))
		return
	case i > len(list):
		v.problem(path, refuse("there is no entry %d to change, and the next new one is %d", i, len(list)))
		return
	case i == len(list):
		list = append(list, &node{value: map[string]*node{}})
		n.value = list
	}
	v.section(s, list[i], rest[1:], fmt.Sprintf("%s.%d", path, i))
}

// suggest is the variable that was probably meant: the one whose name differs
// in the part that is not known.
func (v setting) suggest(s *section, rest []string) string {
	name := nearest(strings.ToLower(rest[0]), s.names())
	if name == "" {
		return ""
	}
	known := strings.TrimSuffix(v.name, strings.Join(rest, envDelim))
	return known + strings.Join(append([]string{strings.ToUpper(name)}, rest[1:]...), envDelim)
}

// parse reads the variable's text as a value of the kind. The errors do not
// repeat it.
func (v setting) parse(k kind) (any, error) {
	switch k {
	case aNumber:
		n, err := strconv.ParseInt(v.text, 10, 64)
		if err != nil {
			return nil, refuse("must be %s", k)
		}
		return n, nil
	case aFlag:
		if v.text != "true" && v.text != "false" {
			return nil, refuse("must be %s", k)
		}
		return v.text == "true", nil
	case aListOrText:
		if !strings.HasPrefix(v.text, "[") {
			return v.text, nil
		}
	case aText:
		return v.text, nil
	}
	n, err := parseJSON(v.text, v.place())
	if err != nil {
		return nil, err
	}
	return n.value, nil
}

// parseJSON reads a list or a table as JSON.
func parseJSON(text string, at place) (*node, error) {
	var value any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if !json.Valid([]byte(text)) || d.Decode(&value) != nil {
		return nil, refuse("is not JSON, as a list or a table must be in the environment")
	}
	return fromJSON(value, at), nil
}

func fromJSON(value any, at place) *node {
	n := &node{place: at}
	switch v := value.(type) {
	case map[string]any:
		table := make(map[string]*node, len(v))
		for key, inner := range v {
			table[key] = fromJSON(inner, at)
		}
		n.value = table
	case []any:
		list := make([]*node, len(v))
		for i, inner := range v {
			list[i] = fromJSON(inner, at)
		}
		n.value = list
	case json.Number:
		if i, err := v.Int64(); err == nil {
			n.value = i
		} else {
			n.value, _ = v.Float64() // out of range or not, it is no whole number
		}
	default:
		n.value = v
	}
	return n
}
