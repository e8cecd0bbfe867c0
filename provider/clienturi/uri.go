// Package clienturi holds what every URI in a client's metadata has in common:
// which strings are a URI, which hosts a web address may have, and which hosts
// belong to the client (MSC2966; conformance B-10 to B-12, B-35).
//
// Browsers read addresses more generously than net/url does: they turn a
// backslash into a slash, drop line breaks, and take 0x7f.1 for a host. A URI
// that the two could read differently is refused here, so that what was checked
// is what a browser opens.
package clienturi

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// maxLength is the longest URI in bytes; more is no address of a client.
const maxLength = 2048

// Check says whether raw is written as a URI: not empty, at most 2048 bytes,
// only characters that RFC 3986 §2 allows, and every percent sign part of an
// escape. The error is fit for an
// error_description and does not repeat raw.
func Check(raw string) error {
	switch {
	case raw == "":
		return errors.New("it is empty")
	case len(raw) > maxLength:
		return errors.New("it is longer than 2048 bytes")
	case strings.ContainsFunc(raw, foreign):
		return errors.New("only the characters of RFC 3986 may stand in it: no space, control character, backslash, quote or non-ASCII character; percent-encode them")
	case !escaped(raw):
		return errors.New("a percent sign in it must begin an escape of two hexadecimal digits")
	}
	return nil
}

// ParseHTTPS parses a web address: Check, scheme https in lower case, no user
// and password, a host by the rules of CheckHost, and no port or a sensible
// one. The error is fit for an error_description and does not repeat raw.
func ParseHTTPS(raw string) (*url.URL, error) {
	if err := Check(raw); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(raw, "https://") {
		return nil, errors.New("it must begin with https://")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("it is not a valid URI")
	}
	if u.User != nil {
		return nil, errors.New("it must not have a user or password")
	}
	if err := CheckHost(u.Hostname()); err != nil {
		return nil, err
	}
	if u.Host != u.Hostname() && !ValidPort(u.Port()) {
		return nil, errors.New("the port must be a number from 1 to 65535")
	}
	return u, nil
}

// ValidPort says whether port is written as a decimal number from 1 to 65535
// without leading zeros.
func ValidPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && port[0] != '0'
}

// foreign is the complement of the characters of RFC 3986 §2: reserved,
// unreserved and the percent sign.
func foreign(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("-._~:/?#[]@!$&'()*+,;=%", r)
}

// escaped says whether two hexadecimal digits follow every percent sign.
func escaped(raw string) bool {
	for i, after := range strings.Split(raw, "%") {
		if i > 0 && (len(after) < 2 || strings.Trim(after[:2], "0123456789abcdefABCDEF") != "") {
			return false
		}
	}
	return true
}
