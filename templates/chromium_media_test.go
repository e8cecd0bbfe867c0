package templates

import (
	"image"
	"image/color"
	_ "image/png"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"keymaker/internal/chromiumtest"
)

// A manner is a way to look at a page that some people have set, and what finds
// out, in the page, what is wrong with it then.
type manner struct {
	name string
	look chromiumtest.Look
	// prepare changes the page as the person's setting would; "" changes nothing.
	prepare string
	// wrong is an expression for the list of what is wrong; "" finds nothing but
	// what every page is checked for.
	wrong string
}

// onPaper names what is no use on paper, and what is not black on white there.
const onPaper = `(() => {
	const seen = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility());
	const wrong = seen.filter(e => e.matches('button, .button, summary, input, nav')).map(e => 'on paper there is ' + e.outerHTML.slice(0, 80));
	const white = c => ['rgb(255, 255, 255)', 'rgba(0, 0, 0, 0)'].includes(c);
	for (const e of [document.documentElement, document.body, ...seen]) {
		if (e.closest('svg, .tile')) continue;
		const s = getComputedStyle(e);
		if (!white(s.backgroundColor)) wrong.push('the ground of ' + e.localName + '.' + e.className + ' is ' + s.backgroundColor);
		if (s.color !== 'rgb(0, 0, 0)') wrong.push('the colour of ' + e.localName + '.' + e.className + ' is ' + s.color);
	}
	return wrong.slice(0, 5);
})()`

// moving names what moves.
const moving = `[...document.querySelectorAll('body, body *')].filter(e => {
	const s = getComputedStyle(e);
	return s.animationName !== 'none' || s.transitionDuration.split(',').some(d => parseFloat(d) > 0) || s.scrollBehavior === 'smooth';
}).map(e => e.localName + '.' + e.className + ' moves')`

// unbounded names what a person could not tell from the words around it once
// their system chooses the colours: a ground is not drawn then.
const unbounded = `[...document.querySelectorAll('button, .button, .badge, .warning, .sign, input:not([type=hidden], [type=checkbox], [type=file])')].filter(e => e.checkVisibility()).filter(e => {
	const s = getComputedStyle(e);
	return parseFloat(s.borderTopWidth) < 1 || s.borderTopStyle === 'none';
}).map(e => e.localName + '.' + e.className + ' has no border')`

// cut names what is not seen as a whole.
const cut = `[...document.querySelectorAll('main *, header *, footer *')].filter(e => e.checkVisibility() && getComputedStyle(e).overflow !== 'visible' && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1))
	.filter(e => !e.closest('svg') && e.localName !== 'input').map(e => e.localName + '.' + e.className + ' is cut')`

// spacing is what WCAG 2.2 says that a page must bear (1.4.12).
const spacing = `document.querySelectorAll('*').forEach(e => {
	e.style.setProperty('line-height', '1.5', 'important');
	e.style.setProperty('letter-spacing', '0.12em', 'important');
	e.style.setProperty('word-spacing', '0.16em', 'important');
	if (e.localName === 'p') e.style.setProperty('margin-block-end', '2em', 'important');
})`

// large doubles the text, as the setting of a browser does (1.4.4).
const large = `document.documentElement.style.fontSize = '200%'`

var manners = []manner{
	{name: "on paper", look: chromiumtest.Look{Width: 768, Scheme: "light", Print: true}, wrong: onPaper},
	{name: "on paper by who has it dark", look: chromiumtest.Look{Width: 768, Scheme: "dark", Print: true}, wrong: onPaper},
	{name: "without motion", look: chromiumtest.Look{Width: 768, Scheme: "light"}, wrong: moving},
	{name: "in the colours of the system", look: chromiumtest.Look{Width: 320, Scheme: "light", Forced: true}, wrong: unbounded},
	{name: "in the dark colours of the system", look: chromiumtest.Look{Width: 768, Scheme: "dark", Forced: true}, wrong: unbounded},
	{name: "with wide letters and lines, WCAG 1.4.12", look: chromiumtest.Look{Width: 320, Scheme: "light"}, prepare: spacing, wrong: cut},
	{name: "with text of twice the size, WCAG 1.4.4", look: chromiumtest.Look{Width: 320, Scheme: "light"}, prepare: large, wrong: cut},
	{name: "with text of twice the size in a wide window", look: chromiumtest.Look{Width: 1280, Scheme: "light"}, prepare: large, wrong: cut},
}

// TestPagesForEveryoneInChromium looks at every page as those do who have their
// browser set in another way.
func TestPagesForEveryoneInChromium(t *testing.T) {
	if !chromiumtest.Wanted() {
		return
	}
	served := serveSamples(t, renderer(t))
	tab := chromiumtest.Start(t, nil).Person(t).Tab(t, true, strings.TrimPrefix(served, "http://"))
	for _, name := range slices.Sorted(maps.Keys(samples())) {
		if strings.HasPrefix(name, "error ") && !strings.HasSuffix(name, " in full") {
			continue // the full one has all of its words
		}
		t.Run(name, func(t *testing.T) {
			tab := tab.For(t)
			at := served + "/de/" + url.PathEscape(name) // whose words are long
			tab.Open(at)
			for _, m := range manners {
				tab.Look(m.look)
				if m.prepare != "" {
					tab.Open(at)
					chromiumtest.Evaluate[any](tab, m.prepare+"; null")
				}
				for _, what := range chromiumtest.Evaluate[[]string](tab, m.wrong) {
					t.Errorf("%s: %s", m.name, what)
				}
				tab.Problems() // of the styles that the test itself has set
				if what := tab.Overflow(); what != "" {
					t.Errorf("%s: %s", m.name, what)
				}
				shoot(tab, name+" "+m.name, m.look)
			}
		})
	}
}

// TestAPictureOfAShortPageIsNotShifted: what is short and set from right to left
// stands in its picture where it does in the window.
func TestAPictureOfAShortPageIsNotShifted(t *testing.T) {
	if !chromiumtest.Wanted() {
		return
	}
	served := serveSamples(t, renderer(t))
	tab := chromiumtest.Start(t, nil).Person(t).Tab(t, true, strings.TrimPrefix(served, "http://"))
	tab.Open(served + "/ar/" + url.PathEscape("notice done"))
	tab.Look(chromiumtest.Look{Width: 320, Scheme: "light"})
	path := filepath.Join(t.TempDir(), "shot.png")
	tab.Shot(path)
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	shot, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	last := 0 // column in which something is drawn
	for x := range shot.Bounds().Dx() {
		for y := range shot.Bounds().Dy() {
			if color.GrayModel.Convert(shot.At(x, y)) != (color.Gray{Y: 0xff}) {
				last = x
			}
		}
	}
	if shot.Bounds().Dx() != 320 || last < 297 || last > 302 { // the page leaves 20 pixels at its edge
		t.Errorf("the picture is %d pixels wide, and the last column is %d", shot.Bounds().Dx(), last)
	}
}
