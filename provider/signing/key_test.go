package signing

import (
	"strings"
	"testing"
)

func TestKeyIDsCanStandOnACommandLine(t *testing.T) {
	// Of 500 thumbprints about eight begin with a hyphen.
	for range 500 {
		key, err := newKey(ES256)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(key.KID, "-") {
			t.Fatalf("F-33: key id %q looks like a flag", key.KID)
		}
	}
}
