package admission_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"keymaker/internal/admission"
)

// enter takes a place, and wants an error or none.
func enter(t *testing.T, p *admission.Places, want error) (leave func()) {
	t.Helper()
	leave, err := p.Enter(t.Context())
	if !errors.Is(err, want) {
		t.Errorf("entering: %v, want %v", err, want)
	}
	return leave
}

func TestPlaces(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, p *admission.Places)
	}{
		{"whoever comes to a free place waits for nothing", func(t *testing.T, p *admission.Places) {
			start := time.Now()
			enter(t, p, nil)
			enter(t, p, nil)
			if took := time.Since(start); took != 0 {
				t.Errorf("it took %s", took)
			}
		}},
		{"a place is taken again as soon as it is left", func(t *testing.T, p *admission.Places) {
			leave := enter(t, p, nil)
			enter(t, p, nil)
			start := time.Now()
			time.AfterFunc(300*time.Millisecond, leave)
			enter(t, p, nil)
			if took := time.Since(start); took != 300*time.Millisecond {
				t.Errorf("it took %s", took)
			}
		}},
		{"nobody waits longer than they would be waited for", func(t *testing.T, p *admission.Places) {
			enter(t, p, nil)
			enter(t, p, nil)
			start := time.Now()
			enter(t, p, admission.ErrFull)
			if took := time.Since(start); took != time.Second {
				t.Errorf("it took %s", took)
			}
		}},
		{"who would have to queue too far behind is told at once", func(t *testing.T, p *admission.Places) {
			enter(t, p, nil)
			enter(t, p, nil)
			for range 3 {
				go func() { _, _ = p.Enter(t.Context()) }()
			}
			synctest.Wait()
			start := time.Now()
			enter(t, p, admission.ErrFull)
			if took := time.Since(start); took != 0 {
				t.Errorf("it took %s", took)
			}
		}},
		{"the queue is free again when those in it have given up", func(t *testing.T, p *admission.Places) {
			leave := enter(t, p, nil)
			enter(t, p, nil)
			for range 3 {
				go func() { _, _ = p.Enter(t.Context()) }()
			}
			time.Sleep(2 * time.Second)
			time.AfterFunc(time.Millisecond, leave)
			enter(t, p, nil)
		}},
		{"whose client has gone waits no longer", func(t *testing.T, p *admission.Places) {
			enter(t, p, nil)
			enter(t, p, nil)
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			start := time.Now()
			if _, err := p.Enter(ctx); !errors.Is(err, admission.ErrFull) || time.Since(start) != time.Millisecond {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.do(t, admission.New(2, 3, time.Second)) })
		})
	}
}
