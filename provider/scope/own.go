package scope

import (
	"slices"
	"strings"
)

// Own reads the scope parameter of a client that asks in its own name (RFC 6749
// §4.4), and may have the allowed tokens. Without the parameter it gets all of
// them. The error is an *Error.
func Own(raw string, allowed []string) ([]string, error) {
	if raw == "" {
		return slices.Clone(allowed), nil
	}
	tokens, err := split(raw)
	if err != nil {
		return nil, err
	}
	var granted []string
	for _, t := range tokens {
		switch {
		case Personal(t):
			return nil, refuse(t, "it is about a person, and a client in its own name is none")
		case !slices.Contains(allowed, t):
			return nil, refuse(t, "the client may not have it in its own name; the administrator can list it in the scope of its oidc_client")
		case !slices.Contains(granted, t):
			granted = append(granted, t)
		}
	}
	return granted, nil
}

// Personal says whether a token is about a person or their device, and so for
// nobody else.
func Personal(token string) bool {
	return slices.Contains(Supported(), token) || token == APIUnstable || strings.HasPrefix(token, DevicePrefix) || strings.HasPrefix(token, DevicePrefixUnstable)
}
