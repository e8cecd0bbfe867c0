package upstream

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"keymaker/internal/config"
	"keymaker/internal/secret"
)

const (
	maxUserID = 255 // bytes of @localpart:server

	claimSubject = "sub"
	claimUnique  = "unique" // a userid_claims value: generated ids only
	claimLogin   = "login"
	claimEmail   = "email"
)

// Localpart is the name that the claims of a person give their Matrix user, or
// "" when they give none.
//
// The first claim that makes a name decides, in this order, whatever the order
// in userid_claims: sub if it is listed there, preferred_username, username,
// nickname, login (GitHub), and what stands before the @ of email. An empty
// userid_claims allows all but sub, and email only if it is verified; a list
// allows what it names. With "unique" in it no claim is asked.
func Localpart(c config.IdentityProvider, serverName string, claims Claims) string {
	if generatesOnly(c) {
		return ""
	}
	for _, name := range []string{claimSubject, "preferred_username", "username", "nickname", claimLogin, claimEmail} {
		listed := slices.Contains(c.UserIDClaims, name)
		if !listed && (len(c.UserIDClaims) > 0 || name == claimSubject) {
			continue
		}
		localpart := mapLocalpart(nameIn(c, claims, name, listed))
		if localpart != "" && len("@:")+len(localpart)+len(serverName) <= maxUserID {
			return localpart
		}
	}
	return ""
}

func generatesOnly(c config.IdentityProvider) bool {
	return slices.Contains(c.UserIDClaims, claimUnique)
}

// nameIn is what a claim says about the person's name.
func nameIn(c config.IdentityProvider, claims Claims, name string, listed bool) string {
	switch name {
	case claimLogin:
		if c.Brand != brandGitHub {
			return ""
		}
	case claimEmail:
		address := claims.Email()
		if listed {
			address = claims.Text(claimEmail)
		}
		local, _, _ := strings.Cut(address, "@")
		return local
	}
	return claims.Text(name)
}

// mapLocalpart folds case and writes every byte that a user ID may not have as
// =hex, as the Matrix specification maps names of other systems (Appendices,
// "Mapping from other character sets"). No two names that differ in more than
// the case of letters become one, so that nobody gets the user of somebody
// else by a name that looks alike. A leading underscore and the first digit of
// a number are written as hex too: homeservers keep those for bridges and for
// guests.
func mapLocalpart(name string) string {
	if name == "" {
		return ""
	}
	allDigits := strings.Trim(name, "0123456789") == ""
	var b strings.Builder
	for i, c := range []byte(foldCase(name)) {
		if !plain(c) || i == 0 && (c == '_' || allDigits) {
			fmt.Fprintf(&b, "=%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("._-/+", c) >= 0
}

// foldCase makes letters small, except where that would make an ASCII letter
// of another one (the Kelvin sign, the Turkish capital I).
func foldCase(s string) string {
	return strings.Map(func(r rune) rune {
		if small := unicode.ToLower(r); r <= unicode.MaxASCII || small > unicode.MaxASCII {
			return small
		}
		return r
	}, s)
}

// generatedLength gives 60 bits: enough that two never meet, short enough to
// read out.
const generatedLength = 12

// generate returns a random name of lower-case letters and digits that begins
// with a letter.
func generate() string {
	for {
		if name := secret.Letters(generatedLength); name[0] >= 'a' {
			return name
		}
	}
}
