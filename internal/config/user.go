package config

import "strings"

// SplitUser reads a user whom an administrator has written as alice or as
// @alice:example.com. server is "" for the one without; ok is false for what is
// neither.
func SplitUser(user string) (localpart, server string, ok bool) {
	rest, full := strings.CutPrefix(user, "@")
	localpart, server, hasServer := strings.Cut(rest, ":")
	return localpart, server, full == hasServer && localpart != ""
}
