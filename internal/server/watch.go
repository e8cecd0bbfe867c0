package server

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"keymaker/internal/telemetry"
	"keymaker/store"
	"keymaker/upstream"
)

const (
	// providerInterval is how often it is looked whether identity providers
	// answer.
	providerInterval = time.Minute
	providerTimeout  = 10 * time.Second
)

// errNoKey says that nothing can be signed.
var errNoKey = errors.New("there is no signing key yet")

// health looks at what the server needs to work. An identity provider or a
// homeserver that is away is not among it: those who have signed in go on.
func (s *Server) health(ctx context.Context) []telemetry.Check {
	checks := []telemetry.Check{{Name: "database", Err: s.store.Ping(ctx)}}
	p := s.current.Load().provider
	if p.Issuer() != "" {
		var err error
		if !p.Signs() {
			err = errNoKey
		}
		checks = append(checks, telemetry.Check{Name: "signing_keys", Err: err})
	}
	if s.draining.Load() {
		checks = append(checks, telemetry.Check{Name: "running", Err: errDraining})
	}
	return checks
}

// state is what the metrics look up at every scrape.
func (s *Server) state(ctx context.Context) (telemetry.State, error) {
	var state telemetry.State
	pools := s.store.Pools()
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		p := pools[name]
		state.Pools = append(state.Pools, telemetry.PoolState{Name: name, Idle: p.Idle, InUse: p.InUse, Waited: p.WaitDuration})
	}
	now := s.clock.Now()
	jobs, err := s.store.JobCounts(ctx)
	if err != nil {
		return state, err
	}
	for _, j := range jobs {
		state.Jobs = append(state.Jobs, telemetry.JobState{Kind: j.Kind, State: string(j.State), Count: j.Count, Oldest: now.Sub(j.Oldest)})
	}
	keys, err := s.store.KeyStates(ctx)
	state.Keys = ages(keys, now)
	return state, err
}

// ages are the ages of the signing keys: of those that are alike, that of the
// oldest.
func ages(keys []store.SigningKey, now time.Time) (ages []telemetry.KeyState) {
	for _, k := range keys {
		since := k.NotBefore
		if k.State == store.KeyNext {
			since = k.Published
		}
		age := telemetry.KeyState{Alg: k.Alg, State: string(k.State), Age: max(now.Sub(since), 0)}
		alike := func(other telemetry.KeyState) bool { return other.Alg == age.Alg && other.State == age.State }
		if i := slices.IndexFunc(ages, alike); i >= 0 {
			ages[i].Age = max(ages[i].Age, age.Age)
			continue
		}
		ages = append(ages, age)
	}
	return ages
}

// watchProviders looks once in a while whether the identity providers answer,
// for the metrics, and logs when that changes.
func (s *Server) watchProviders(ctx context.Context) error {
	turn := time.NewTicker(providerInterval)
	defer turn.Stop()
	up := map[string]bool{}
	for {
		replaced := s.current.Load().replaced
		s.LookAtProviders(ctx, up)
		select {
		case <-ctx.Done():
			return nil
		case <-replaced:
			up = map[string]bool{}
		case <-turn.C:
		}
	}
}

// LookAtProviders asks each identity provider once whether it answers, as Serve
// does once a minute. up is what was known of them, and is brought up to date.
func (s *Server) LookAtProviders(ctx context.Context, up map[string]bool) {
	for _, p := range s.current.Load().upstreams {
		limited, cancel := context.WithTimeout(ctx, providerTimeout)
		err := p.Check(limited)
		cancel()
		if ctx.Err() != nil || errors.Is(err, upstream.ErrNothingToAsk) {
			continue
		}
		was, known := up[p.ID()]
		switch up[p.ID()] = err == nil; {
		case err != nil && (was || !known):
			s.log.WarnContext(ctx, "the identity provider does not answer", "provider", p.ID(), "error", err)
		case err == nil && known && !was:
			s.log.InfoContext(ctx, "the identity provider answers again", "provider", p.ID())
		}
		s.metrics.Provider(p.ID(), err == nil)
	}
}
