package load

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	tests := []struct {
		name   string
		sorted []time.Duration
		q      float64
		want   time.Duration
	}{
		{"the median of a hundred is the fiftieth", hundred, 0.5, 50},
		{"99 of a hundred are no longer than the 99th", hundred, 0.99, 99},
		{"what asks for more than there are is the longest", hundred, 0.999, 100},
		{"all of one", []time.Duration{7}, 0.5, 7},
		{"the smaller of two is the median", []time.Duration{3, 9}, 0.5, 3},
		{"none", nil, 0.5, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := quantile(tt.sorted, tt.q); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}

func TestMeasured(t *testing.T) {
	s := sample{took: []time.Duration{time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond}, failed: 1, first: errors.New("status 500, want 200"), lasted: 2 * time.Second}
	got := measured(s, 8*time.Millisecond)
	want := Measurement{Rate: 1.5, P50: 2, P99: 5, P999: 5, Count: 3, Errors: 1, FirstError: "status 500, want 200", CPU: 2}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := measured(sample{}, time.Second); got != (Measurement{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestReport(t *testing.T) {
	r := Report{Floors: []Measurement{{Name: floorGet, Rate: 2000}, {Name: floorSQL, Rate: 400, Errors: 2, FirstError: "database is locked"}},
		Overload: &Overload{FirstError: "connection reset", Introspection: Measurement{Name: "introspection", FirstError: "status 500, want 200"}}}
	r.add(Measurement{Name: "discovery", Rate: 1500, CPU: 0.25}, floorGet)
	r.add(Measurement{Name: "refresh", Rate: 100, Errors: 1, FirstError: "status 503, want 200"}, floorSQL)
	r.add(Measurement{Name: "unknown", Rate: 100}, "no such floor")
	for i, want := range []float64{0.75, 0.25, 0} {
		if got := r.Operations[i].Ratio; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: ratio %g, want %g", r.Operations[i].Name, got, want)
		}
	}
	if got := r.Failures(); got != 3 {
		t.Errorf("%d failures", got)
	}
	var b strings.Builder
	if err := r.Table(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"75 %", "0.250", "refresh: status 503, want 200", floorSQL + ": database is locked", "the crowd: connection reset", "introspection: status 500, want 200"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestParseCPU(t *testing.T) {
	const before = "1234 (a name) of) S 1 2 3 4 5 6 7 8 9 10 "
	if got, err := parseCPU([]byte(before + "150 50 0 0 20 0\n")); err != nil || got != 2*time.Second {
		t.Errorf("%s, %v", got, err)
	}
	for _, text := range []string{"", before, before + "x 50 0 0"} {
		if _, err := parseCPU([]byte(text)); err == nil {
			t.Errorf("no error of %q", text)
		}
	}
}

func TestParseMemory(t *testing.T) {
	const status = "Name:\tkeymaker\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n"
	if got, err := parseMemory([]byte(status), resident); err != nil || got != 1<<20 {
		t.Errorf("%d, %v", got, err)
	}
	if got, err := parseMemory([]byte(status), peak); err != nil || got != 2<<20 {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := parseMemory([]byte(status), "VmSwap:"); err == nil {
		t.Error("no error without the line")
	}
}

func TestOverloadTellsWhatWasShedFromWhatFailed(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want Overload
		good int
	}{
		{"a good answer", nil, Overload{}, 1},
		{"503 with Retry-After is shed", &statusError{status: 503, retryAfter: "1"}, Overload{Shed: 1}, 0},
		{"503 without it is not said", &statusError{status: 503}, Overload{Unsaid: 1}, 0},
		{"another status is wrong", &statusError{status: 500, retryAfter: "1"}, Overload{Unanswered: 1, FirstError: "status 500, want 0"}, 0},
		{"no answer is none", errors.New("connection reset"), Overload{Unanswered: 1, FirstError: "connection reset"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o Overload
			if good := o.count(tt.err); good != tt.good || o != tt.want {
				t.Errorf("%d, %+v", good, o)
			}
		})
	}
	r := Report{Overload: &Overload{Unsaid: 1, Unanswered: 2, Shed: 50, Refresh: Measurement{Errors: 3}}}
	if got := r.Failures(); got != 6 {
		t.Errorf("%d failures", got)
	}
}
