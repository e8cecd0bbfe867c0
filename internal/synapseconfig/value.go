package synapseconfig

import (
	"iter"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

const (
	// maxMerge is how deep merged tables may be nested.
	maxMerge = 16
	// maxTables is how many tables may be merged into one: a short file can name
	// itself again and again, and stand for more of them than anybody can read.
	maxTables = 10_000
)

// pairs are the keys and values of a table, what it is merged from first: of two
// with one key the later counts.
func pairs(table *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(k, v *yaml.Node) bool) {
		left := maxTables
		eachPair(table, maxMerge, &left, yield)
	}
}

// eachPair yields what pairs does, of this many levels and tables.
func eachPair(table *yaml.Node, depth int, left *int, yield func(k, v *yaml.Node) bool) bool {
	table = resolve(table)
	*left--
	if table == nil || depth == 0 || *left < 0 {
		return true
	}
	if table.Kind == yaml.SequenceNode { // of tables to merge, the first counts most
		for i := len(table.Content) - 1; i >= 0; i-- {
			if !eachPair(table.Content[i], depth-1, left, yield) {
				return false
			}
		}
		return true
	}
	if table.Kind != yaml.MappingNode {
		return true
	}
	merged := func(k *yaml.Node) bool {
		return k.Value == "<<" && k.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0
	}
	for i := 0; i+1 < len(table.Content); i += 2 {
		if merged(table.Content[i]) && !eachPair(table.Content[i+1], depth-1, left, yield) {
			return false
		}
	}
	for i := 0; i+1 < len(table.Content); i += 2 {
		if !merged(table.Content[i]) && !yield(table.Content[i], table.Content[i+1]) {
			return false
		}
	}
	return true
}

// child is the key and the value of a table; nil when it has no such key, or is
// no table.
func child(table *yaml.Node, name string) (key, value *yaml.Node) {
	if table = resolve(table); table == nil || table.Kind != yaml.MappingNode {
		return nil, nil
	}
	for k, v := range pairs(table) {
		if k.Value == name {
			key, value = k, resolve(v)
		}
	}
	return key, value
}

// plain tells whether a scalar is written without quotes, so that its letters
// decide what it is.
func plain(n *yaml.Node) bool {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Kind == yaml.ScalarNode && n.Style&quoted == 0 && n.Tag != "!!str" || n.Kind == yaml.ScalarNode && n.Style == 0
}

// isNull tells whether a value is none.
func isNull(n *yaml.Node) bool {
	if n == nil {
		return true
	}
	if !plain(n) {
		return false
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// truthy tells whether Python takes a value for true: Synapse reads YAML 1.1, in
// which yes and on are true too, and takes any text but the empty one for true,
// so that "false" in quotes is.
func truthy(n *yaml.Node) bool {
	switch n = resolve(n); {
	case isNull(n):
		return false
	case n.Kind != yaml.ScalarNode:
		return len(n.Content) > 0
	case !plain(n):
		return n.Value != ""
	}
	switch strings.ToLower(n.Value) {
	case "false", "no", "off":
		return false
	}
	if zero, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64); err == nil {
		return zero != 0
	}
	return true
}

// said tells whether the text of a value says yes, however it is quoted.
func said(n *yaml.Node) bool {
	n = resolve(n)
	if n == nil || n.Kind != yaml.ScalarNode {
		return false
	}
	switch strings.ToLower(n.Value) {
	case "y", "yes", "t", "true", "on", "1":
		return true
	}
	return false
}

// lasts tells whether a duration is set and longer than nothing.
func lasts(n *yaml.Node) bool {
	if n = resolve(n); isNull(n) || n.Kind != yaml.ScalarNode {
		return false
	}
	amount, err := strconv.ParseFloat(strings.TrimRight(n.Value, "smhdwy"), 64)
	return err != nil || amount != 0
}
