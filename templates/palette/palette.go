// Package palette makes the colours of the pages from the one that an
// administrator chooses, and sees that people can read them.
package palette

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// The contrasts that WCAG 2.2 AA asks for: of text (1.4.3), and of the edges of
// controls and the focus ring (1.4.11).
const (
	TextContrast    = 4.5
	ControlContrast = 3.0
)

// The surfaces of the stylesheet that the accent colour is seen on, #rrggbb.
const (
	LightPage = "#f2f0e9"
	LightCard = "#ffffff"
	DarkCard  = "#19201e"
)

// A Palette has the colours of one colour scheme that follow from the accent
// colour, by the names that the stylesheet gives them, each as #rrggbb.
type Palette map[string]string

var form = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// New returns the palettes of both colour schemes for an accent colour #rrggbb,
// which is the light scheme's own; the dark one has it lighter. An accent that
// cannot be read on the pages is an error that names one that can.
func New(accent string) (light, dark Palette, err error) {
	if !form.MatchString(accent) {
		return nil, nil, fmt.Errorf("%q is no colour like #0b5f55", accent)
	}
	light = lightFor(accent)
	if got := legible(light); got < 1 {
		return nil, nil, fmt.Errorf("%s is too light to be read on the pages: its contrast is %.1f:1, and text needs %.1f:1; %s would do",
			accent, got*TextContrast, TextContrast, darker(accent))
	}
	return light, darkFor(accent), nil
}

func lightFor(accent string) Palette {
	return Palette{"accent": accent, "accent-strong": mix(accent, "#000000", 0.3), "on-accent": "#ffffff", "tint": mix(accent, LightCard, 0.9)}
}

// legible is the share of the contrast that is needed where there is least of
// it: 1 is enough.
func legible(p Palette) float64 {
	return min(Contrast(p["accent"], LightCard)/TextContrast, Contrast(p["accent"], p["tint"])/TextContrast,
		Contrast(p["on-accent"], p["accent"])/TextContrast, Contrast(p["accent"], LightPage)/ControlContrast)
}

// darker is the nearest to a colour that can be read.
func darker(accent string) string {
	for share := 0.02; share < 1; share += 0.02 {
		if c := mix(accent, "#000000", share); legible(lightFor(c)) >= 1 {
			return c
		}
	}
	return "#000000"
}

// comfortable is the contrast of the accent colour on a dark card: more than is
// needed, as on the light one.
const comfortable = 7.5

func darkFor(accent string) Palette {
	lighter := accent
	for share := 0.0; share < 1 && Contrast(lighter, DarkCard) < comfortable; share += 0.02 {
		lighter = mix(accent, "#ffffff", share)
	}
	return Palette{"accent": lighter, "accent-strong": mix(lighter, "#ffffff", 0.35), "on-accent": mix(lighter, "#000000", 0.85), "tint": mix(DarkCard, lighter, 0.12)}
}

// mix returns a colour that has a share of another one in it, from 0 to 1.
func mix(colour, other string, share float64) string {
	a, b := rgb(colour), rgb(other)
	text := "#"
	for i := range a {
		text += fmt.Sprintf("%02x", int(math.Round(a[i]*(1-share)+b[i]*share)))
	}
	return text
}

// rgb returns the red, green and blue of a colour #rrggbb, from 0 to 255.
func rgb(colour string) (parts [3]float64) {
	for i := range parts {
		part, _ := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8) // every colour here has the form
		parts[i] = float64(part)
	}
	return parts
}

// Contrast returns the contrast ratio of WCAG 2.2 of two colours #rrggbb, from 1
// to 21.
func Contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(colour string) float64 {
	var sum float64
	for i, weight := range [3]float64{0.2126, 0.7152, 0.0722} {
		c := rgb(colour)[i] / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
