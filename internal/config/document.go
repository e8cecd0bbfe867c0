package config

import (
	"bytes"
	"errors"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// place is where a value was written: a line of a file, or an environment
// variable (line 0). The zero place is nowhere: nothing was written.
type place struct {
	file string
	line int
}

// node is a value and its place. A table is a map[string]*node and a list a
// []*node; anything else is what TOML or JSON decode to.
type node struct {
	place
	value any
}

// table is the node's table, or nil if it is something else.
func (n *node) table() map[string]*node {
	t, _ := n.value.(map[string]*node)
	return t
}

// list is the node's list, or nil if it is something else.
func (n *node) list() []*node {
	l, _ := n.value.([]*node)
	return l
}

// at is the place of a key of this table, or of the table if it is not there.
func (n *node) at(key string) place {
	if child := n.table()[key]; child != nil {
		return child.place
	}
	return n.place
}

// has tells whether the table has the key.
func (n *node) has(key string) bool { return n.table()[key] != nil }

// parseTOML reads a file. If it is not TOML, the problem says so, and the node
// holds what stands before the line of the problem, as far as that can be read.
func parseTOML(name string, data []byte) (*node, *Problem) {
	data, _ = bytes.CutPrefix(data, []byte("\ufeff")) // Windows editors put it there
	var values map[string]any
	err := toml.Unmarshal(data, &values)
	if err == nil {
		return markLines(data).node(name, values), nil
	}
	problem := &Problem{File: name, Line: 1, Message: "is not TOML"}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		// What follows is the text of a number, which could be half a secret.
		message, _, _ := strings.Cut(strings.TrimPrefix(decode.Error(), "toml: "), ": strconv.")
		problem.Message += ": " + message
		problem.Line, _ = decode.Position()
	}
	before := data[:lineStarts(data)[problem.Line-1]]
	values = nil
	if toml.Unmarshal(before, &values) != nil {
		before, values = nil, nil
	}
	return markLines(before).node(name, values), problem
}

// mark is the line of a value, and the marks of what is in it.
type mark struct {
	line int
	keys map[string]*mark
	list []*mark
}

// marker finds the line of every key and entry of a valid TOML file: the
// decoder gives values without lines, and the parser lines without values.
type marker struct {
	parser unstable.Parser
	starts []int
}

func markLines(data []byte) *mark {
	m := &marker{starts: lineStarts(data)}
	root := &mark{line: 1}
	current := root
	m.parser.Reset(data)
	for m.parser.NextExpression() {
		switch e := m.parser.Expression(); e.Kind {
		case unstable.Table:
			current = m.descend(root, e.Key())
			current.line = m.header(e)
		case unstable.ArrayTable:
			all := m.descend(root, e.Key())
			current = &mark{line: m.header(e)}
			all.list = append(all.list, current)
		case unstable.KeyValue:
			m.keyValue(current, e)
		default: // a comment
		}
	}
	return root
}

// lineStarts is the offset of the first byte of every line, and of the line
// that would follow the last one.
func lineStarts(data []byte) []int {
	starts := []int{0}
	for i, c := range data {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return append(starts, len(data))
}

// line is the line in which n begins. Lists have no position of their own: they
// begin where what holds them does.
func (m *marker) line(n *unstable.Node, holder int) int {
	if n.Raw.Length == 0 {
		return holder
	}
	return sort.SearchInts(m.starts[:len(m.starts)-1], int(n.Raw.Offset)+1)
}

// header is the line of a table's header.
func (m *marker) header(e *unstable.Node) int {
	key := e.Key()
	key.Next()
	return m.line(key.Node(), 1)
}

// descend follows a dotted key, into the last entry of every list of tables on
// its way.
func (m *marker) descend(from *mark, key unstable.Iterator) *mark {
	for key.Next() {
		if len(from.list) > 0 {
			from = from.list[len(from.list)-1]
		}
		name := string(key.Node().Data)
		next := from.keys[name]
		if next == nil {
			next = &mark{line: m.line(key.Node(), from.line)}
			if from.keys == nil {
				from.keys = map[string]*mark{}
			}
			from.keys[name] = next
		}
		from = next
	}
	return from
}

func (m *marker) keyValue(table *mark, e *unstable.Node) {
	m.inside(m.descend(table, e.Key()), e.Value())
}

// inside marks what a list or an inline table holds.
func (m *marker) inside(holder *mark, value *unstable.Node) {
	children := value.Children()
	for children.Next() {
		switch child := children.Node(); {
		case value.Kind == unstable.InlineTable && child.Kind == unstable.KeyValue:
			m.keyValue(holder, child)
		case value.Kind == unstable.Array && child.Kind != unstable.Comment:
			entry := &mark{line: m.line(child, holder.line)}
			m.inside(entry, child)
			holder.list = append(holder.list, entry)
		}
	}
}

// node joins the lines with the values.
func (m *mark) node(file string, value any) *node {
	n := &node{place: place{file, m.line}}
	switch v := value.(type) {
	case map[string]any:
		table := make(map[string]*node, len(v))
		for key, inner := range v {
			table[key] = m.keys[key].node(file, inner)
		}
		n.value = table
	case []any:
		list := make([]*node, len(v))
		for i, inner := range v {
			list[i] = m.list[i].node(file, inner)
		}
		n.value = list
	default:
		n.value = v
	}
	return n
}
