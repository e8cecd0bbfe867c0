package clienturi

import (
	"errors"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// CheckHost says whether host is a DNS name in ASCII: labels of letters,
// digits, hyphens and underscores. Addresses in any notation that browsers
// understand, wildcards and a trailing dot are refused.
func CheckHost(host string) error {
	if host == "" || len(host) > 253 {
		return errors.New("it must have a host name of at most 253 characters")
	}
	labels := strings.Split(strings.ToLower(host), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return errors.New("the host must be a DNS name: no IP address, no wildcard, no trailing dot; an international name is written as its A-label (xn--...)")
		}
	}
	// WHATWG URL §3.5: a host whose last label is a number is an IPv4 address,
	// whatever the other labels are.
	if numeric(labels[len(labels)-1]) {
		return errors.New("the host must be a DNS name, not an IP address")
	}
	return nil
}

// CheckBase says whether host, a DNS name, can be the host that all other URIs
// of a client belong to. A public suffix cannot: everybody's names are below
// it (conformance B-12).
func CheckBase(host string) error {
	host = strings.ToLower(host)
	if suffix, _ := publicsuffix.PublicSuffix(host); suffix == host {
		return errors.New("its host is a public suffix, under which anybody can have a name")
	}
	return nil
}

// Within says whether host is base or a name below it, on a label boundary and
// without regard to case (conformance B-11).
func Within(host, base string) bool {
	host, base = strings.ToLower(host), strings.ToLower(base)
	return host == base || strings.HasSuffix(host, "."+base)
}

// numeric is the test by which browsers tell an IPv4 address: only digits, or
// 0x and hexadecimal digits.
func numeric(label string) bool {
	if strings.Trim(label, "0123456789") == "" {
		return true
	}
	hex, ok := strings.CutPrefix(label, "0x")
	return ok && strings.Trim(hex, "0123456789abcdef") == ""
}
