package templates

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
)

// The contrasts that WCAG 2.2 AA asks for: of text (1.4.3), and of the edges
// of controls and the focus ring (1.4.11).
const (
	textContrast    = 4.5
	controlContrast = 3.0
)

func TestColoursHaveEnoughContrast(t *testing.T) {
	tests := []struct {
		front, back string
		want        float64
	}{
		{"text", "page", textContrast},
		{"text", "card", textContrast},
		{"text", "tint", textContrast},
		{"text", "warning-tint", textContrast},
		{"soft", "card", textContrast},
		{"accent", "card", textContrast},
		{"accent", "tint", textContrast},
		{"accent-strong", "card", textContrast},
		{"on-accent", "accent", textContrast},
		{"on-accent", "accent-strong", textContrast},
		{"warning", "warning-tint", textContrast},
		{"edge", "card", controlContrast},
		{"accent", "page", controlContrast},
	}
	light, dark := palettes(t)
	for scheme, colours := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, tt := range tests {
			t.Run(scheme+"/"+tt.front+" on "+tt.back, func(t *testing.T) {
				if got := contrast(t, colours[tt.front], colours[tt.back]); got < tt.want {
					t.Errorf("%s on %s is %.2f:1, want %.1f:1", colours[tt.front], colours[tt.back], got, tt.want)
				}
			})
		}
	}
}

// palettes reads the custom properties of both colour schemes.
func palettes(t *testing.T) (light, dark map[string]string) {
	t.Helper()
	_, body := renderer(t).Stylesheet()
	before, after, ok := strings.Cut(string(body), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("there is no dark scheme")
	}
	after, _, _ = strings.Cut(after, "}")
	property := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	read := func(css string) map[string]string {
		found := map[string]string{}
		for _, match := range property.FindAllStringSubmatch(css, -1) {
			found[match[1]] = match[2]
		}
		return found
	}
	return read(before), read(after)
}

// contrast is the contrast ratio of WCAG 2.2 of two colours #rrggbb.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	var rgb [3]uint8
	if _, err := fmt.Sscanf(colour, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); err != nil {
		t.Fatalf("the colour %q: %v", colour, err)
	}
	var sum float64
	for i, weight := range [3]float64{0.2126, 0.7152, 0.0722} {
		c := float64(rgb[i]) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
