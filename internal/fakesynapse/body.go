package fakesynapse

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"
)

// input is what a call was given: the keys that are there and not null, as
// string, bool or []string.
type input map[string]any

func (in input) text(key string) (string, bool) {
	v, ok := in[key].(string)
	return v, ok
}

func (in input) flag(key string) (value, ok bool) {
	value, ok = in[key].(bool)
	return value, ok
}

func (in input) list(key string) ([]string, bool) {
	v, ok := in[key].([]string)
	return v, ok
}

func (in input) localpart() string {
	v, _ := in.text("localpart")
	return v
}

// kind is what a value of a body is.
type kind int

const (
	isText kind = iota
	isFlag
	isList // of texts
)

// field is a key of a body.
type field struct {
	key  string
	kind kind
	// optional may be left out, and null too unless it is a flag that unsets.
	optional, noNull bool
}

// read is what a call is given, also as it was sent, or what is wrong with it.
func (c call) read(r *http.Request) (in input, sent map[string]any, refused *answer) {
	if c.fields == nil {
		return readQuery(r, c.missing)
	}
	body, err := io.ReadAll(r.Body)
	var object map[string]any
	switch {
	case err != nil:
		return nil, nil, problem(http.StatusBadRequest, "M_UNKNOWN", "Error reading JSON content.")
	case !utf8.Valid(body) || !json.Valid(body):
		return nil, nil, problem(http.StatusBadRequest, "M_NOT_JSON", "Content not JSON.")
	case json.Unmarshal(body, &object) != nil || object == nil:
		return nil, nil, problem(http.StatusBadRequest, "M_BAD_JSON", "Content must be a JSON object.")
	}
	for _, pair := range c.pairs {
		_, set := object["set_"+pair]
		if _, unset := object["unset_"+pair]; set && unset {
			return nil, object, problem(http.StatusBadRequest, "M_INVALID_PARAM", fmt.Sprintf("Cannot specify both unset_%s and set_%s", pair, pair))
		}
	}
	in, refused = validate(c.fields, object)
	return in, object, refused
}

// validate reads the fields. One that is missing has a code of its own, when
// nothing else is wrong.
func validate(fields []field, object map[string]any) (input, *answer) {
	in := input{}
	wrong, missing := 0, 0
	for _, f := range fields {
		v, there := object[f.key]
		switch {
		case !there && !f.optional:
			missing++
		case !there, v == nil && f.optional && !f.noNull:
		default:
			value, problems := f.kind.of(v)
			in[f.key] = value
			wrong += problems
		}
	}
	switch {
	case wrong+missing == 0:
		return in, nil
	case missing == 1 && wrong == 0:
		return nil, problem(http.StatusBadRequest, "M_MISSING_PARAM", "1 validation error for PostBody")
	}
	return nil, problem(http.StatusBadRequest, "M_BAD_JSON", fmt.Sprintf("%d validation errors for PostBody", wrong+missing))
}

// of is a value of this kind, or how much is wrong with it.
func (k kind) of(v any) (value any, problems int) {
	switch v := v.(type) {
	case string:
		if k == isText {
			return v, 0
		}
	case bool:
		if k == isFlag {
			return v, 0
		}
	case []any:
		if k == isList {
			return texts(v)
		}
	}
	return nil, 1
}

func texts(list []any) (value []string, problems int) {
	value = []string{}
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			problems++
		}
		value = append(value, text)
	}
	return value, problems
}

// readQuery reads the localpart of a query.
func readQuery(r *http.Request, missing *answer) (in input, sent map[string]any, refused *answer) {
	values := r.URL.Query()["localpart"]
	if len(values) == 0 {
		return nil, nil, missing
	}
	sent = map[string]any{"localpart": values[0]}
	for _, b := range []byte(values[0]) {
		if b >= utf8.RuneSelf {
			return nil, sent, problem(http.StatusBadRequest, "M_UNKNOWN", "Query parameter 'localpart' must be ascii")
		}
	}
	return sent, sent, nil
}
