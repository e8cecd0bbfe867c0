package server

import (
	"context"
	"maps"
	"time"

	"keymaker/handlers"
	"keymaker/internal/config"
	"keymaker/internal/jobs"
	"keymaker/internal/probe"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

// assembly is everything that is made of one configuration. It is never changed:
// another configuration makes another one, and what has begun goes on with its
// own.
type assembly struct {
	server   *Server
	config   *config.Config
	provider *provider.Provider
	jobs     *jobs.Runner
	handler  *handlers.Server
	// upstreams are the identity providers, in the order of the configuration.
	upstreams []*upstream.Provider
	// replaced is closed when another one has taken its place.
	replaced chan struct{}
}

// assemble makes everything of a configuration, and changes nothing yet.
func (s *Server) assemble(ctx context.Context, c *config.Config) (*assembly, error) {
	a := &assembly{server: s, config: c, replaced: make(chan struct{})}
	home, tasks, err := a.openHome()
	if err != nil {
		return nil, err
	}
	pages, err := templates.New(templates.Options{ServerName: c.ServerName, Branding: c.Branding})
	if err != nil {
		return nil, err
	}
	a.provider, err = provider.New(ctx, provider.Options{Config: c, Store: s.store, Homeserver: home, Languages: languages(pages), Clock: s.clock, Logger: s.log})
	if err != nil {
		return nil, err
	}
	for _, p := range c.IdentityProviders {
		a.upstreams = append(a.upstreams, upstream.New(p, c.CallbackURL(p), upstream.Options{HTTPClient: s.tracedClient(), Clock: s.clock, Logger: s.log, Reach: a.provider.Reach()}))
	}
	pictures := &upstream.Pictures{Store: s.store, Providers: a.upstreams, Off: !c.KeepsPictures()}
	work := a.work(pages)
	maps.Copy(work, tasks)
	maps.Copy(work, pictures.Jobs())
	a.jobs = jobs.New(jobs.Options{Store: s.store, Clock: s.clock, Logger: s.log, Handlers: work, Grace: c.ShutdownTimeout, Observe: s.metrics.Job, Tracer: s.tracer,
		AtOnce: map[string]int{store.JobPicture: pictureJobs}, Limits: map[string]time.Duration{store.JobHomeserver: homeserverLimit}})
	a.handler, err = a.answers(home, pages, pictures)
	return a, err
}

// answers are what answers requests.
func (a *assembly) answers(home home, pages *templates.Renderer, pictures *upstream.Pictures) (*handlers.Server, error) {
	s := a.server
	formKey, err := s.sealer.Derive("forms")
	if err != nil {
		return nil, err
	}
	limitKey, err := s.sealer.Derive("rate limits")
	if err != nil {
		return nil, err
	}
	answers := handlers.Options{
		Config: a.config, Provider: a.provider, Upstreams: a.upstreams, Accounts: &upstream.Accounts{ServerName: a.config.ServerName, Links: home, Localparts: home}, Logins: s.store, Account: s.store, Proofs: s.store, Resets: s.store, PictureTaker: pictures,
		Pages: pages, FormKey: formKey, LimitKey: limitKey, Limits: s.store, Clock: s.clock, Logger: s.log, Health: s.health, Metrics: s.metrics, Tracer: s.tracer,
	}
	if answers.Probe, err = probe.New(s.sealer); err != nil {
		return nil, err
	}
	a.answerFor(&answers)
	return handlers.New(answers)
}

// languages are the languages of the pages, for the metadata.
func languages(pages *templates.Renderer) []string {
	var tags []string
	for _, tag := range pages.Languages() {
		tags = append(tags, tag.String())
	}
	return tags
}
