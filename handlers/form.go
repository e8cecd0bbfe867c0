package handlers

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"keymaker/provider/errtext"
)

const (
	// maxForm is the largest form body in bytes: ten times what the longest
	// request of a client needs.
	maxForm = 64 << 10
	// maxJSON is the largest JSON body in bytes.
	maxJSON = 64 << 10
	// maxQuery is the longest query in bytes (conformance C-07).
	maxQuery = 16 << 10
)

// What is wrong with a request before anybody looks at what it asks.
var (
	errTooLarge    = errors.New("the request is too large")
	errContentType = errors.New("the Content-Type must be application/x-www-form-urlencoded")
	errMalformed   = errors.New("the request is not a well-formed form")
)

// repeatedError names a parameter that stands twice (RFC 6749 §3.1, §3.2).
type repeatedError struct{ name string }

func (e repeatedError) Error() string { return "the parameter " + e.name + " is repeated" }

// readForm parses a form body into r.PostForm. Parameters of the query are not
// looked at (conformance D-01).
func readForm(w http.ResponseWriter, r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return errContentType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return bodyError(err)
	}
	values, err := parseValues(string(body))
	if err != nil {
		return err
	}
	// fosite parses again what is not yet there; both are set, so it does not.
	r.PostForm, r.Form = values, values
	return nil
}

// readSingle is readForm for an endpoint that refuses repeated parameters, but
// for those that are a list.
func readSingle(w http.ResponseWriter, r *http.Request, lists ...string) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	for name, values := range r.PostForm {
		if len(values) > 1 && !slices.Contains(lists, name) {
			return repeatedError{errtext.Name(name)}
		}
	}
	return nil
}

// readQuery parses the query of a page.
func readQuery(r *http.Request) (url.Values, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, fmt.Errorf("%w: its query is longer than %d bytes", errMalformed, maxQuery)
	}
	return parseValues(r.URL.RawQuery)
}

// parseValues takes nothing that a database or a log could choke on.
func parseValues(raw string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errMalformed
	}
	for name, list := range values {
		for _, v := range append(list, name) {
			if !storable(v) {
				return nil, errMalformed
			}
		}
	}
	return values, nil
}

// storable tells whether every database takes a text.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return errTooLarge
	}
	return errMalformed
}

// bearer is the token of the Authorization header; ok is false without one.
func bearer(r *http.Request) (token string, ok bool) {
	kind, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(kind, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}
