package probe_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"keymaker/internal/probe"
	"keymaker/internal/secret"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func keys(t testing.TB) *probe.Keys {
	t.Helper()
	sealer, err := secret.NewSealer(secret.Bytes(secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	k, err := probe.New(sealer)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestOnlyWhoAsksReadsTheAnswer(t *testing.T) {
	k := keys(t)
	seen := probe.Seen{Address: "198.51.100.7", Peer: "127.0.0.1", Forwarded: "198.51.100.7"}
	proof, other := k.Proof(now), k.Proof(now)
	answer, err := k.Answer(proof, now, seen)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Read(proof, answer); err != nil || got != seen {
		t.Errorf("read %+v, %v", got, err)
	}
	if strings.Contains(answer, "198.51") || proof == other {
		t.Errorf("the answer is %q, the proofs %q and %q", answer, proof, other)
	}
	for name, read := range map[string]func() (probe.Seen, error){
		"with another secret file": func() (probe.Seen, error) { return keys(t).Read(proof, answer) },
		"to another question":      func() (probe.Seen, error) { return k.Read(other, answer) },
		"that was changed":         func() (probe.Seen, error) { return k.Read(proof, "AAAA"+answer[4:]) },
		"that was cut":             func() (probe.Seen, error) { return k.Read(proof, answer[:8]) },
		"that is no base64":        func() (probe.Seen, error) { return k.Read(proof, "*") },
		"that is empty":            func() (probe.Seen, error) { return k.Read(proof, "") },
	} {
		if got, err := read(); !errors.Is(err, probe.ErrAnswer) || got != (probe.Seen{}) {
			t.Errorf("an answer %s is read as %+v, %v", name, got, err)
		}
	}
}

func TestWhatProvesNothing(t *testing.T) {
	k := keys(t)
	proof := k.Proof(now)
	parts := strings.Split(proof, ".")
	for _, tt := range []struct {
		name, proof string
		at          time.Time
		good        bool
	}{
		{"a proof", proof, now, true},
		{"a proof of nearly a minute ago", proof, now.Add(time.Minute), true},
		{"a proof by a clock that is ahead", proof, now.Add(-time.Minute), true},
		{"a proof that is sent again after its minute", proof, now.Add(61 * time.Second), false},
		{"a proof of the future", proof, now.Add(-61 * time.Second), false},
		{"a proof of another secret file", keys(t).Proof(now), now, false},
		{"another time", "1." + parts[1] + "." + parts[2], time.Unix(1, 0), false},
		{"the time in other words", "0" + proof, now, false},
		{"another nonce", parts[0] + ".x." + parts[2], now, false},
		{"the cut elsewhere", parts[0] + "." + parts[1] + parts[2], now, false},
		{"a part more", proof + ".", now, false},
		{"no MAC", parts[0] + "." + parts[1] + ".", now, false},
		{"a MAC that is cut", proof[:len(proof)-1], now, false},
		{"nothing", "", now, false},
		{"points", "..", now, false},
		{"a text without end", proof + strings.Repeat("x", 1<<20), now, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer, err := k.Answer(tt.proof, tt.at, probe.Seen{Address: "198.51.100.7"})
			if tt.good != (err == nil) || tt.good != (answer != "") || err != nil && !errors.Is(err, probe.ErrProof) {
				t.Errorf("the answer is %q, %v", answer, err)
			}
		})
	}
}

func TestALongHeaderIsNotRepeatedWhole(t *testing.T) {
	k := keys(t)
	proof := k.Proof(now)
	answer, err := k.Answer(proof, now, probe.Seen{Forwarded: strings.Repeat("1.1.1.1, ", 1000) + "\xff"})
	if err != nil {
		t.Fatal(err)
	}
	if seen, err := k.Read(proof, answer); err != nil || len(seen.Forwarded) != 1024 {
		t.Errorf("%d bytes are repeated, %v", len(seen.Forwarded), err)
	}
}
