package load

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Overload is what was seen while far more was asked than can be answered: a
// crowd registers clients at a multiple of the rate that was sustained, without
// waiting for answers, while sessions are kept going and asked about.
type Overload struct {
	Multiple float64 `json:"multiple"`
	Offered  float64 `json:"offered_rate"`
	Answered float64 `json:"answered_rate"`
	// Shed are answers 503 with Retry-After, Unsaid those without.
	Shed   int `json:"shed"`
	Unsaid int `json:"shed_without_retry_after"`
	// Unanswered had no answer at all, or a wrong one.
	Unanswered int `json:"unanswered"`
	// FirstError is one of those.
	FirstError string `json:"first_error,omitempty"`
	// GivenUp were not sent, for the load program itself had too many on their way.
	GivenUp       int         `json:"given_up"`
	Refresh       Measurement `json:"refresh"`
	Introspection Measurement `json:"introspection"`
	PeakBytes     int64       `json:"peak_bytes"`
	// Recovery is how long after the end of the crowd all is answered again, in
	// milliseconds.
	Recovery float64 `json:"recovery_ms"`
}

const (
	// crowdInFlight is how many requests of the crowd may be on their way.
	crowdInFlight = 2000
	// sessionPause is between two requests of a session: those that keep theirs
	// going are no crowd.
	sessionPause = 20 * time.Millisecond
	beat         = 5 * time.Millisecond
	// recoveryLimit is how long recovery is waited for.
	recoveryLimit = 30 * time.Second
)

// overload asks for a multiple of a rate.
func (r *run) overload(ctx context.Context, multiple, rate float64) (*Overload, error) {
	o := &Overload{Multiple: multiple, Offered: multiple * rate}
	var sessions sync.WaitGroup
	paced := func(do act) act {
		return func(ctx context.Context, c *client, worker, n int) error {
			time.Sleep(sessionPause)
			return do(ctx, c, worker, n)
		}
	}
	half := max(1, r.Concurrency/2)
	sessions.Go(func() { o.Refresh = measured(less(drive(ctx, half, r.For, paced(r.refresh())), sessionPause), 0) })
	sessions.Go(func() {
		o.Introspection = measured(less(drive(ctx, half, r.For, paced(r.introspection())), sessionPause), 0)
	})
	r.crowd(ctx, o)
	ended := time.Now()
	sessions.Wait()
	o.Refresh.Name, o.Introspection.Name = "refresh", "introspection"
	recovered, err := r.recovery(ctx, ended)
	if err != nil {
		return nil, err
	}
	o.Recovery = milliseconds(recovered)
	o.PeakBytes, err = r.server.memory(peak)
	return o, err
}

// less takes the pauses out.
func less(s sample, pause time.Duration) sample {
	for i := range s.took {
		s.took[i] = max(0, s.took[i]-pause)
	}
	return s
}

// crowd sends requests at a rate, whatever becomes of them.
func (r *run) crowd(ctx context.Context, o *Overload) {
	c := &client{&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: crowdInFlight}, Timeout: requestLimit}}
	defer c.close()
	do := r.registration()
	var mu sync.Mutex
	var all sync.WaitGroup
	answered, sent := 0, 0
	places := make(chan struct{}, crowdInFlight)
	began := time.Now()
	for now := began; now.Sub(began) < r.For && ctx.Err() == nil; now = time.Now() {
		for due := int(o.Offered * now.Sub(began).Seconds()); sent < due; sent++ {
			select {
			case places <- struct{}{}:
			default:
				o.GivenUp++
				continue
			}
			all.Go(func() {
				err := do(ctx, c, 0, 0)
				<-places
				mu.Lock()
				defer mu.Unlock()
				answered += o.count(err)
			})
		}
		time.Sleep(beat)
	}
	all.Wait()
	o.Answered = float64(answered) / time.Since(began).Seconds()
}

// count puts one answer where it belongs, and is 1 for a good one.
func (o *Overload) count(err error) int {
	var status *statusError
	switch {
	case err == nil:
		return 1
	case !errors.As(err, &status) || status.status != http.StatusServiceUnavailable:
		o.Unanswered++
		if o.FirstError == "" {
			o.FirstError = err.Error()
		}
	case status.retryAfter == "":
		o.Unsaid++
	default:
		o.Shed++
	}
	return 0
}

// recovery waits until what was shed is answered again.
func (r *run) recovery(ctx context.Context, since time.Time) (time.Duration, error) {
	c := newClient()
	defer c.close()
	for {
		err := r.registration()(ctx, c, 0, 0)
		if took := time.Since(since); err == nil || took > recoveryLimit {
			return took, err
		}
		time.Sleep(beat)
	}
}
