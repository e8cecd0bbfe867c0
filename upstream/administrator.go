package upstream

import (
	"slices"
	"strings"

	"keymaker/internal/config"
)

// Administers tells whether the claims mark a person as an administrator of the
// homeserver, by admin_claim and admin_values.
func Administers(c config.IdentityProvider, claims Claims) bool {
	if c.AdminClaim == "" {
		return false
	}
	holder, name := claims.holder(c.AdminClaim)
	if len(c.AdminValues) == 0 {
		marked := holder.Flag(name)
		return marked != nil && *marked
	}
	marks := func(v any) bool {
		text, ok := v.(string)
		return ok && slices.Contains(c.AdminValues, text)
	}
	switch v := holder[name].(type) {
	case []any:
		return slices.ContainsFunc(v, marks)
	case map[string]any: // Zitadel's roles are the keys of an object
		return slices.ContainsFunc(c.AdminValues, func(key string) bool { return v[key] != nil })
	default:
		return marks(v)
	}
}

// holder finds what a name of a claim, or a JSON Pointer (RFC 6901), is about:
// the object that has it, and its name there. An object that is not there is
// empty.
func (c Claims) holder(pointer string) (Claims, string) {
	path, isPointer := strings.CutPrefix(pointer, "/")
	if !isPointer {
		return c, pointer
	}
	names := strings.Split(path, "/")
	for i, name := range names {
		names[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(name)
	}
	last := len(names) - 1
	for _, name := range names[:last] {
		inner, _ := c[name].(map[string]any)
		c = inner
	}
	return c, names[last]
}
