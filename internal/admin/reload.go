package admin

import "context"

// Nothing is a question or an answer that says nothing more.
type Nothing struct{}

// Reload has a server read its configuration again.
var Reload = operation("reload", (*Service).reload)

func (s *Service) reload(ctx context.Context, _ Nothing) (Nothing, error) {
	if s.Reload == nil {
		return Nothing{}, refused("no server is asked: there is nothing to read again")
	}
	return Nothing{}, s.Reload(ctx)
}
