package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"keymaker/internal/secret"
)

func TestTextIsNeverPrinted(t *testing.T) {
	s := secret.Text("hunter2")
	encoded, err := json.Marshal(map[string]any{"a": s, "b": &s})
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{string(encoded), s.String(), s.LogValue().String()}
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x", "%X", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, struct{ S secret.Text }{s}), fmt.Sprintf(verb, []secret.Text{s}))
	}
	for _, text := range shown {
		if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e746572") {
			t.Errorf("shown: %s", text)
		}
	}
	if s.Reveal() != "hunter2" {
		t.Error("Reveal does not return the secret")
	}
}

func TestTokensHaveTheirEntropy(t *testing.T) {
	t.Run("L-19: a token has 256 bit and comes once", func(t *testing.T) {
		seen := map[string]bool{}
		for range 1000 {
			token := secret.Token()
			if len(token) != 43 || seen[token] {
				t.Fatalf("token %q", token)
			}
			seen[token] = true
		}
	})
	t.Run("letters are unambiguous lower case", func(t *testing.T) {
		if s := secret.Letters(1000); len(s) != 1000 || strings.ContainsAny(s, "lo01ABC-_") {
			t.Errorf("letters %q", s)
		}
	})
}

func TestMACKeepsItsPartsApart(t *testing.T) {
	key := secret.Bytes(32)
	a := secret.MAC(key, []byte("ab"), []byte("c"))
	for name, b := range map[string][]byte{
		"the cut between two parts": secret.MAC(key, []byte("a"), []byte("bc")),
		"an empty part":             secret.MAC(key, []byte("ab"), []byte("c"), nil),
		"the key":                   secret.MAC(secret.Bytes(32), []byte("ab"), []byte("c")),
	} {
		if bytes.Equal(a, b) {
			t.Errorf("%s does not matter", name)
		}
	}
	if !bytes.Equal(a, secret.MAC(key, []byte("ab"), []byte("c"))) {
		t.Error("the same parts give another MAC")
	}
}

func TestEqualComparesTheWhole(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{{"secret", "secret", true}, {"secret", "secreT", false}, {"secret", "secret ", false}, {"", "", true}, {"", "x", false}} {
		if got := secret.Equal(tt.a, tt.b); got != tt.want {
			t.Errorf("Equal(%q, %q) = %t", tt.a, tt.b, got)
		}
	}
}

func TestSealedDataOpensOnlyAsItWasSealed(t *testing.T) {
	sealer, err := secret.NewSealer(secret.Bytes(secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	other, err := secret.NewSealer(secret.Bytes(secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := sealer.Seal("keys", "row 1", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := sealer.Open("keys", "row 1", sealed); err != nil || string(plain) != "plain" {
		t.Fatalf("%q, %v", plain, err)
	}
	altered := bytes.Clone(sealed)
	altered[len(altered)-1] ^= 1
	tests := []struct {
		name           string
		by             *secret.Sealer
		purpose, label string
		box            []byte
	}{
		{"with another key", other, "keys", "row 1", sealed},
		{"for another purpose", sealer, "logins", "row 1", sealed},
		{"in another row", sealer, "keys", "row 2", sealed},
		{"altered", sealer, "keys", "row 1", altered},
		{"cut", sealer, "keys", "row 1", sealed[:5]},
		{"empty", sealer, "keys", "row 1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.by.Open(tt.purpose, tt.label, tt.box); !errors.Is(err, secret.ErrSealed) {
				t.Errorf("error %v, want ErrSealed", err)
			}
		})
	}
	if again, _ := sealer.Seal("keys", "row 1", []byte("plain")); bytes.Equal(again, sealed) {
		t.Error("sealing twice gives the same bytes")
	}
}

func TestSealerRefusesAKeyOfTheWrongSize(t *testing.T) {
	if _, err := secret.NewSealer(make([]byte, 31)); err == nil {
		t.Error("no error")
	}
}

func TestSecretFile(t *testing.T) {
	t.Run("is made once, for whoever asks at the same time, and private", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "secret")
		keys := make([][]byte, 20)
		var wg sync.WaitGroup
		for i := range keys {
			wg.Go(func() {
				key, err := secret.ReadOrCreateKey(path)
				if err != nil {
					t.Error(err)
				}
				keys[i] = key
			})
		}
		wg.Wait()
		for _, key := range keys {
			if len(key) != secret.KeySize || !bytes.Equal(key, keys[0]) {
				t.Fatalf("keys %x and %x", key, keys[0])
			}
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
			t.Errorf("left beside it: %v", left)
		}
	})
	t.Run("of the wrong size is refused and left alone", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := secret.ReadOrCreateKey(path); err == nil || strings.Contains(err.Error(), "short") {
			t.Errorf("error %v", err)
		}
		if text, _ := os.ReadFile(path); string(text) != "short" {
			t.Errorf("the file was changed to %q", text)
		}
	})
	t.Run("that is missing is an error where none may be made", func(t *testing.T) {
		if _, err := secret.ReadKey(filepath.Join(t.TempDir(), "secret")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
}
