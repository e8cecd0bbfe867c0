package templates

import (
	"regexp"
	"testing"

	"keymaker/templates/palette"
)

func TestColoursHaveEnoughContrast(t *testing.T) {
	light, dark := palettes(t, renderer(t))
	checkContrasts(t, light, dark)
}

// checkContrasts sees that everything can be read in both colour schemes.
func checkContrasts(t *testing.T, light, dark map[string]string) {
	t.Helper()
	tests := []struct {
		front, back string
		want        float64
	}{
		{"text", "page", palette.TextContrast},
		{"text", "card", palette.TextContrast},
		{"text", "tint", palette.TextContrast},
		{"text", "warning-tint", palette.TextContrast},
		{"soft", "card", palette.TextContrast},
		{"accent", "card", palette.TextContrast},
		{"accent", "tint", palette.TextContrast},
		{"accent-strong", "card", palette.TextContrast},
		{"on-accent", "accent", palette.TextContrast},
		{"on-accent", "accent-strong", palette.TextContrast},
		{"warning", "warning-tint", palette.TextContrast},
		{"edge", "card", palette.ControlContrast},
		{"accent", "page", palette.ControlContrast},
	}
	for scheme, colours := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, tt := range tests {
			if got := palette.Contrast(colours[tt.front], colours[tt.back]); got < tt.want {
				t.Errorf("%s: %s on %s, %s on %s, is %.2f:1, want %.1f:1", scheme, tt.front, tt.back, colours[tt.front], colours[tt.back], got, tt.want)
			}
		}
	}
}

// palettes reads the custom properties of both colour schemes.
func palettes(t *testing.T, r *Renderer) (light, dark map[string]string) {
	t.Helper()
	_, body := r.Stylesheet()
	light, dark = map[string]string{}, map[string]string{}
	property := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	rule := regexp.MustCompile(`(@media \(prefers-color-scheme: dark\) \{\s*)?\s:root \{([^}]*)\}`)
	for _, found := range rule.FindAllStringSubmatch(string(body), -1) {
		into := light
		if found[1] != "" {
			into = dark
		}
		for _, match := range property.FindAllStringSubmatch(found[2], -1) {
			into[match[1]] = match[2]
		}
	}
	if len(light) < 10 || len(dark) < 10 {
		t.Fatalf("there are %d and %d colours", len(light), len(dark))
	}
	return light, dark
}

func TestAnAccentIsJudgedOnTheSurfacesOfTheStylesheet(t *testing.T) {
	light, dark := palettes(t, renderer(t))
	if light["page"] != palette.LightPage || light["card"] != palette.LightCard || dark["card"] != palette.DarkCard {
		t.Errorf("they are %s and %s, and %s in the dark", light["page"], light["card"], dark["card"])
	}
}
