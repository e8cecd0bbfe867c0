package load

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"keymaker/store/fill"
)

// Measurement is what was seen of one operation or floor. Times are in
// milliseconds.
type Measurement struct {
	Name   string  `json:"name"`
	Rate   float64 `json:"rate"` // what went well, in a second
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	P999   float64 `json:"p999_ms"`
	Count  int     `json:"count"`
	Errors int     `json:"errors"`
	// FirstError is one of them.
	FirstError string `json:"first_error,omitempty"`
	// CPU is the server's processor time for each, whatever it waits for; 0 where no
	// server is asked.
	CPU float64 `json:"cpu_ms"`
	// Floor is what the rate is compared with, and Ratio the rate as a part of
	// the floor's.
	Floor string  `json:"floor,omitempty"`
	Ratio float64 `json:"ratio,omitempty"`
}

// Report is what one run has measured.
type Report struct {
	Machine           string        `json:"machine"`
	Database          string        `json:"database"`
	Stored            int           `json:"stored"`
	Concurrency       int           `json:"concurrency"`
	Seconds           float64       `json:"seconds"` // of each measurement
	StartMilliseconds float64       `json:"start_ms"`
	IdleBytes         int64         `json:"idle_bytes"`
	PeakBytes         int64         `json:"peak_bytes"`
	Floors            []Measurement `json:"floors"`
	Operations        []Measurement `json:"operations"`
	// Overload is nil where no crowd came.
	Overload *Overload `json:"overload,omitempty"`
	// Sizes are nil where they were not asked for, or are not known.
	Sizes []fill.Size `json:"sizes,omitempty"`
}

// measured puts what clients have seen in figures.
func measured(s sample, cpu time.Duration) Measurement {
	m := Measurement{Count: len(s.took), Errors: s.failed, P50: milliseconds(quantile(s.took, 0.5)), P99: milliseconds(quantile(s.took, 0.99)),
		P999: milliseconds(quantile(s.took, 0.999))}
	if s.lasted > 0 {
		m.Rate = float64(m.Count) / s.lasted.Seconds()
	}
	if all := m.Count + m.Errors; all > 0 {
		m.CPU = milliseconds(cpu) / float64(all)
	}
	if s.first != nil {
		m.FirstError = s.first.Error()
	}
	return m
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// add puts an operation into the report, compared with its floor.
func (r *Report) add(m Measurement, floor string) {
	for _, f := range r.Floors {
		if f.Name == floor && f.Rate > 0 {
			m.Floor, m.Ratio = floor, m.Rate/f.Rate
		}
	}
	r.Operations = append(r.Operations, m)
}

// Failures are how many requests were not answered as they must be.
func (r *Report) Failures() int {
	n := 0
	for _, list := range [][]Measurement{r.Floors, r.Operations} {
		for _, m := range list {
			n += m.Errors
		}
	}
	if o := r.Overload; o != nil {
		n += o.Refresh.Errors + o.Introspection.Errors + o.Unsaid + o.Unanswered
	}
	return n
}

// Table writes the report for people.
func (r *Report) Table(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s, %d sessions stored, %d clients, %g s each\n", r.Machine, r.Database, r.Stored, r.Concurrency, r.Seconds)
	fmt.Fprintf(&b, "start to ready %.0f ms, memory idle %.1f MiB, at most %.1f MiB\n\n", r.StartMilliseconds, mebibytes(r.IdleBytes), mebibytes(r.PeakBytes))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "rate/s\tp50 ms\tp99 ms\tp99.9 ms\terrors\tCPU ms\tof the floor\t  what\t")
	for _, m := range r.Floors {
		m.row(table)
	}
	for _, m := range r.Operations {
		m.row(table)
	}
	_ = table.Flush() // into memory
	failures(&b, slices.Concat(r.Floors, r.Operations)...)
	if r.Overload != nil {
		r.Overload.text(&b)
	}
	r.sizesText(&b)
	_, err := io.WriteString(out, b.String())
	return err
}

// failures writes the first error of each that has one.
func failures(b *strings.Builder, of ...Measurement) {
	for _, m := range of {
		if m.FirstError != "" {
			fmt.Fprintf(b, "%s: %s\n", m.Name, m.FirstError)
		}
	}
}

// sizesText writes what a row of each table and index takes.
func (r *Report) sizesText(b *strings.Builder) {
	if len(r.Sizes) == 0 {
		return
	}
	b.WriteString("\n")
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "rows\tMiB\tbytes/row\t  table or index\t")
	for _, s := range r.Sizes {
		_, _ = fmt.Fprintf(table, "%d\t%.1f\t%.0f\t  %s\t\n", s.Rows, mebibytes(s.Bytes), float64(s.Bytes)/float64(s.Rows), s.Name)
	}
	_ = table.Flush() // into memory
}

func (o *Overload) text(b *strings.Builder) {
	fmt.Fprintf(b, "\nOverload: %.0f registrations/s offered, %g times what was sustained; %.0f/s answered\n", o.Offered, o.Multiple, o.Answered)
	fmt.Fprintf(b, "  shed with Retry-After %d, without %d, unanswered %d, not sent %d\n", o.Shed, o.Unsaid, o.Unanswered, o.GivenUp)
	for _, m := range []Measurement{o.Refresh, o.Introspection} {
		fmt.Fprintf(b, "  %s: %d answers, %d errors, p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms\n", m.Name, m.Count, m.Errors, m.P50, m.P99, m.P999)
	}
	failures(b, o.Refresh, o.Introspection, Measurement{Name: "the crowd", FirstError: o.FirstError})
	fmt.Fprintf(b, "  memory at most %.1f MiB, all answered again after %.0f ms\n", mebibytes(o.PeakBytes), o.Recovery)
}

func (m Measurement) row(out io.Writer) {
	compared := ""
	if m.Floor != "" {
		compared = fmt.Sprintf("%.0f %%", 100*m.Ratio)
	}
	cpu := ""
	if m.CPU > 0 {
		cpu = fmt.Sprintf("%.3f", m.CPU)
	}
	_, _ = fmt.Fprintf(out, "%.0f\t%.2f\t%.2f\t%.2f\t%d\t%s\t%s\t  %s\t\n", m.Rate, m.P50, m.P99, m.P999, m.Errors, cpu, compared, m.Name)
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// machine says what was measured on.
func machine() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // nothing is known of a machine without it
	model := "unknown processor"
	for l := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%d processors (%s), %s/%s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version())
}
