package probe_test

import (
	"errors"
	"strings"
	"testing"

	"keymaker/internal/probe"
)

// FuzzProof checks that no text proves anything but one that Proof made, and
// that no text is an answer but one that Answer made.
func FuzzProof(f *testing.F) {
	for _, seed := range []string{"", ".", "..", "...", "1764158400..", "1764158400.x.AAAA", "-1.x.y", "99999999999999999999.x.y", "1764158400.x.\n", strings.Repeat("a", 129), strings.Repeat(".", 128), "\xff.\xff.\xff"} {
		f.Add(seed, seed)
	}
	k := keys(f)
	proof := k.Proof(now)
	f.Fuzz(func(t *testing.T, text, answer string) {
		if got, err := k.Answer(text, now, probe.Seen{}); !errors.Is(err, probe.ErrProof) || got != "" {
			t.Fatalf("%q proves something: %q, %v", text, got, err)
		}
		if seen, err := k.Read(proof, answer); !errors.Is(err, probe.ErrAnswer) || seen != (probe.Seen{}) {
			t.Fatalf("%q is an answer: %+v, %v", answer, seen, err)
		}
	})
}
