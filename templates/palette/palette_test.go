package palette

import (
	"math"
	"strings"
	"testing"
)

func TestContrast(t *testing.T) {
	tests := []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21},
		{"#ffffff", "#000000", 21},
		{"#777777", "#ffffff", 4.48}, // the example of WCAG's techniques
		{"#123456", "#123456", 1},
	}
	for _, tt := range tests {
		if got := Contrast(tt.a, tt.b); math.Abs(got-tt.want) > 0.005 {
			t.Errorf("%s on %s is %.2f, want %.2f", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestEveryAccentThatIsTakenCanBeRead(t *testing.T) {
	taken := 0
	for r := 0; r < 256; r += 17 {
		for g := 0; g < 256; g += 17 {
			for b := 0; b < 256; b += 17 {
				accent := "#" + hex(r) + hex(g) + hex(b)
				light, dark, err := New(accent)
				if err != nil {
					_, better, _ := strings.Cut(err.Error(), "; ")
					if _, _, err := New(strings.TrimSuffix(better, " would do")); err != nil {
						t.Fatalf("for %s another is named that is refused too: %v", accent, err)
					}
					continue
				}
				taken++
				for scheme, p := range map[string]Palette{LightCard: light, DarkCard: dark} {
					for name, contrast := range map[string]float64{
						"accent on the card": Contrast(p["accent"], scheme), "accent on its tint": Contrast(p["accent"], p["tint"]),
						"a button": Contrast(p["on-accent"], p["accent"]), "a button under the mouse": Contrast(p["on-accent"], p["accent-strong"]),
						"a link under the mouse": Contrast(p["accent-strong"], scheme),
					} {
						if contrast < TextContrast {
							t.Fatalf("with %s, %s has a contrast of %.2f: %v", accent, name, contrast, p)
						}
					}
				}
			}
		}
	}
	if taken < 1000 {
		t.Errorf("only %d of 4096 colours are taken", taken)
	}
}

func hex(n int) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[n>>4], digits[n&15]})
}

func TestWhatIsNoColour(t *testing.T) {
	for _, accent := range []string{"", "green", "#fff", "0b5f55", "#0b5f5g", "#0b5f55;", "#0b5f55 "} {
		if _, _, err := New(accent); err == nil || !strings.Contains(err.Error(), "no colour like") {
			t.Errorf("%q: %v", accent, err)
		}
	}
}

func TestALightColourIsRefusedWithADarkerOne(t *testing.T) {
	_, _, err := New("#ffcc00")
	if err == nil || !strings.Contains(err.Error(), "#ffcc00 is too light") || !strings.Contains(err.Error(), "would do") {
		t.Errorf("got %v", err)
	}
}
