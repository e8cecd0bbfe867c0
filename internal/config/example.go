package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const exampleHead = `# The configuration of Keymaker: every key, what it does, its unit and its
# default. A line that begins with one # and no space is a key with its
# default, or with an example if it has none: remove the # to set it.
`

// Example is the commented reference, as TOML: every key, what it does, its
// unit and its default. It is a valid configuration as it stands.
func Example() string {
	var b strings.Builder
	b.WriteString(exampleHead)
	for i := range whole.sections {
		writeSection(&b, &whole.sections[i], "")
	}
	return b.String()
}

func writeSection(b *strings.Builder, s *section, path string) {
	path = join(path, s.key)
	header := "[" + path + "]"
	if s.begin != nil {
		header = "[" + header + "]"
	}
	if s.optional {
		header = "#" + header
	}
	fmt.Fprintf(b, "\n%s%s\n", comment(s.doc), header)
	for i := range s.options {
		if s.options[i].instead == "" {
			writeOption(b, &s.options[i], s.optional)
		}
	}
	writeIneffective(b, s)
	for i := range s.sections {
		writeSection(b, &s.sections[i], path)
	}
}

func writeOption(b *strings.Builder, o *option, mentioned bool) {
	value, facts := o.sample, ""
	if o.takes.unit != "" {
		facts = "Unit: " + o.takes.unit + ". "
	}
	switch {
	case o.required:
		facts += "Required."
	case o.fallback != nil:
		value = o.fallback
		facts += "Default: " + literal(value) + "."
	}
	if facts != "" {
		facts = comment(facts)
	}
	mark := "#"
	if o.shown && !mentioned {
		mark = ""
	}
	fmt.Fprintf(b, "\n%s%s%s%s = %s\n", comment(o.doc), facts, mark, o.key, literal(value))
}

// writeIneffective lists the keys that a section accepts without effect.
func writeIneffective(b *strings.Builder, s *section) {
	first := true
	for _, o := range s.options {
		if o.instead == "" {
			continue
		}
		if first {
			b.WriteString("\n" + comment("The following keys of Tuwunel are accepted, have no effect, and say so when the server starts."))
			first = false
		}
		fmt.Fprintf(b, "\n%s#%s = %s\n", comment("Instead: "+o.instead+"."), o.key, literal(o.sample))
	}
}

// width is where comments are broken, in characters.
const width = 78

// comment sets sentences as TOML comments.
func comment(text string) string {
	var b strings.Builder
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width && line != "#" {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}

// literal is a value as TOML.
func literal(value any) string {
	switch v := value.(type) {
	case string:
		return strconv.Quote(v)
	case []string:
		quoted := make([]string, len(v))
		for i, s := range v {
			quoted[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case map[string]string:
		pairs := []string{}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, key+" = "+strconv.Quote(v[key]))
		}
		return "{ " + strings.Join(pairs, ", ") + " }"
	}
	return fmt.Sprint(value)
}
