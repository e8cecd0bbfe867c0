package load

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"slices"
	"strconv"
)

// chart is a plot of lines, both of whose axes are logarithmic.
type chart struct {
	title, x, y string
	lines       []line
}

type line struct {
	name   string
	points map[float64]float64
}

// Sizes of a chart in pixels.
const (
	chartWidth, chartHeight        = 720, 400
	left, right, top, bottom       = 70, 230, 40, 50
	plotWidth                      = chartWidth - left - right
	plotHeight                     = chartHeight - top - bottom
	legendStep, tickLength, radius = 18, 4, 3
)

// colours are told apart by people who see few of them, too, on light and on dark.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f", "#a0522d"}

// add adds a point to the line of that name. A later one replaces one at the same x.
func (c *chart) add(name string, x, y float64) {
	if x <= 0 || y <= 0 {
		return // a logarithm has no place for it
	}
	i := slices.IndexFunc(c.lines, func(l line) bool { return l.name == name })
	if i < 0 {
		i, c.lines = len(c.lines), append(c.lines, line{name, map[float64]float64{}})
	}
	c.lines[i].points[x] = y
}

// axis maps values to pixels.
type axis struct {
	low, high float64 // powers of ten, or the ends of what is shown
	from, to  float64
}

func (a axis) at(value float64) float64 {
	return a.from + (a.to-a.from)*(math.Log(value)-math.Log(a.low))/(math.Log(a.high)-math.Log(a.low))
}

// axes reach from a 1, 2 or 5 below everything to one above.
func (c *chart) axes() (x, y axis) {
	var xs, ys []float64
	for _, l := range c.lines {
		for px, py := range l.points {
			xs, ys = append(xs, px), append(ys, py)
		}
	}
	x, y = axis{1, 10, left, left + plotWidth}, axis{1, 10, top + plotHeight, top}
	if len(xs) > 0 {
		x.low, x.high = around(slices.Min(xs), slices.Max(xs))
		y.low, y.high = around(slices.Min(ys), slices.Max(ys))
	}
	return x, y
}

func around(low, high float64) (below, above float64) {
	steps := ticks(low/10, high*10)
	for _, s := range steps {
		if s <= low {
			below = s
		}
		if above == 0 && s >= high {
			above = s
		}
	}
	if above <= below {
		above = below * 10
	}
	return below, above
}

// ticks are 1, 2 and 5 times the powers of ten from low to high.
func ticks(low, high float64) (all []float64) {
	for power := math.Floor(math.Log10(low)); power <= math.Ceil(math.Log10(high)); power++ {
		for _, step := range []float64{1, 2, 5} {
			value, err := strconv.ParseFloat(fmt.Sprintf("%ge%d", step, int(power)), 64)
			if err == nil && value >= low && value <= high {
				all = append(all, value)
			}
		}
	}
	return all
}

// svg draws the chart.
func (c *chart) svg() []byte {
	x, y := c.axes()
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", chartWidth, chartHeight, chartWidth, chartHeight)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(c.title))
	b.WriteString("<style>text{font:12px sans-serif;fill:#333}.grid{stroke:#ddd}@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}}</style>\n")
	text(&b, left, top-26, "start", c.title)
	text(&b, left+plotWidth/2, chartHeight-10, "middle", c.x)
	text(&b, left-8, top-10, "end", c.y)
	for _, t := range ticks(x.low, x.high) {
		at := x.at(t)
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %dV%d"/>`+"\n", at, top, top+plotHeight+tickLength)
		if x.high/x.low < 1000 || isPower(t) {
			text(&b, at, top+plotHeight+18, "middle", short(t))
		}
	}
	for _, t := range ticks(y.low, y.high) {
		at := y.at(t)
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fH%d"/>`+"\n", left-tickLength, at, left+plotWidth)
		text(&b, left-8, at+4, "end", short(t))
	}
	for i, l := range c.lines {
		l.draw(&b, i, x, y)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func isPower(v float64) bool { l := math.Log10(v); return math.Abs(l-math.Round(l)) < 1e-9 }

// draw draws a line with its entry in the legend. Each second one is dashed, so
// that colours are not all that tells them apart.
func (l line) draw(b *bytes.Buffer, i int, x, y axis) {
	var xs []float64
	for px := range l.points {
		xs = append(xs, px)
	}
	slices.Sort(xs)
	colour, dash := colours[i%len(colours)], ""
	if i%2 == 1 {
		dash = ` stroke-dasharray="6 3"`
	}
	fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2"%s points="`, colour, dash)
	for _, px := range xs {
		fmt.Fprintf(b, "%.1f,%.1f ", x.at(px), y.at(l.points[px]))
	}
	b.WriteString("\"/>\n")
	for _, px := range xs {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="%d" fill="%s"><title>%s: %s</title></circle>`+"\n", x.at(px), y.at(l.points[px]), radius, colour,
			html.EscapeString(l.name), strconv.FormatFloat(l.points[px], 'g', 4, 64))
	}
	at := top + 10 + i*legendStep
	fmt.Fprintf(b, `<path stroke="%s" stroke-width="2"%s d="M%d %dh24"/>`+"\n", colour, dash, left+plotWidth+12, at)
	text(b, left+plotWidth+42, float64(at+4), "start", l.name)
}

func text(b *bytes.Buffer, x, y float64, anchor, content string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, html.EscapeString(content))
}

// short writes a number as people do: 10k, 2M, 0.5.
func short(v float64) string {
	for _, unit := range []struct {
		of   float64
		name string
	}{{1e6, "M"}, {1e3, "k"}} {
		if v >= unit.of {
			return strconv.FormatFloat(v/unit.of, 'g', 4, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
