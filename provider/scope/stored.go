package scope

import "strings"

// Stored reads back the scope of a session, as Set.String or Legacy wrote it.
// What was granted stays granted: nothing is judged anew, dropped or made up.
func Stored(granted string) Set {
	s := Set{tokens: strings.Fields(granted)}
	for _, t := range s.tokens {
		if id, ok := deviceID(t); ok {
			s.device = id
		}
	}
	return s
}

// Legacy is the scope of a session of the legacy login API: the whole Matrix
// API, and the device where its id can stand in a scope (conformance F-08).
func Legacy(device string) string {
	token := DevicePrefix + device
	if device == "" || len(device) > maxDevice || strings.ContainsFunc(device, illegal) {
		return API
	}
	return API + " " + token
}
