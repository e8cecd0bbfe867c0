package registration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"keymaker/provider/errtext"
)

// maxDepth is how deep objects and arrays may nest; the deepest member that
// RFC 7591 knows (jwks) needs four levels.
const maxDepth = 16

// document is a JSON object, its members still undecoded. Member names are
// compared exactly, unlike the ones of a Go struct.
type document map[string]json.RawMessage

// readDocument reads a JSON object as strictly as two readers need who must
// never understand it differently: valid UTF-8, nothing behind the object, no
// member twice at any level, no NUL, bounded depth (conformance B-03).
func readDocument(body []byte) (document, error) {
	if len(body) > MaxBody {
		return nil, invalid(fmt.Sprintf("the request body is longer than %d bytes", MaxBody))
	}
	if !utf8.Valid(body) {
		return nil, invalid("the request body is not valid UTF-8")
	}
	var doc document
	var syntax *json.SyntaxError
	switch err := json.Unmarshal(body, &doc); {
	case errors.As(err, &syntax):
		return nil, notJSON(err)
	case err != nil || doc == nil:
		return nil, invalid("the request body must be a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // a number that fits no float64 is no error
	if err := checkTree(dec, 0); err != nil {
		return nil, err
	}
	return doc, nil
}

func notJSON(err error) *Error {
	return invalid("the request body is not valid JSON: " + errtext.Clean(err.Error()))
}

// checkTree walks over the next JSON value.
func checkTree(dec *json.Decoder, depth int) error {
	token, err := dec.Token()
	if err != nil {
		return notJSON(err)
	}
	if s, ok := token.(string); ok && strings.ContainsRune(s, 0) {
		return invalid("the NUL character is not accepted in a string")
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return invalid(fmt.Sprintf("objects and arrays are nested more than %d levels deep", maxDepth))
	}
	names := map[string]bool{}
	for dec.More() {
		if open == '{' {
			if err := checkName(dec, names); err != nil {
				return err
			}
		}
		if err := checkTree(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return notJSON(err)
	}
	return nil
}

// checkName reads a member name that must not be among names yet.
func checkName(dec *json.Decoder, names map[string]bool) error {
	token, err := dec.Token()
	if err != nil {
		return notJSON(err)
	}
	name, _ := token.(string)
	switch {
	case strings.ContainsRune(name, 0):
		return invalid("the NUL character is not accepted in a member name")
	case names[name]:
		return invalid("the member " + errtext.Quote(name) + " stands there twice")
	}
	names[name] = true
	return nil
}

// has says whether a member is there with a value; null counts as left out,
// because that is what client libraries write for a value they do not have.
func (d document) has(name string) bool {
	raw, ok := d[name]
	return ok && string(raw) != "null"
}

// text returns a member that must be a string, or "" when it is left out.
func (d document) text(name string) (string, error) {
	var s string
	if !d.has(name) {
		return "", nil
	}
	if err := json.Unmarshal(d[name], &s); err != nil {
		return "", invalid(errtext.Clean(name) + " must be a string").of(name)
	}
	return s, nil
}

// list returns a member that must be an array of strings, without repetitions
// and in the client's order.
func (d document) list(name string) ([]string, error) {
	var all []*string
	if !d.has(name) {
		return nil, nil
	}
	if err := json.Unmarshal(d[name], &all); err != nil {
		return nil, invalid(errtext.Clean(name) + " must be an array of strings").of(name)
	}
	var once []string
	seen := map[string]bool{}
	for _, s := range all {
		if s == nil {
			return nil, invalid(errtext.Clean(name) + " must be an array of strings").of(name)
		}
		if !seen[*s] {
			seen[*s] = true
			once = append(once, *s)
		}
	}
	return once, nil
}
