package upstream

import (
	"context"
	"errors"
	"fmt"
)

// ErrNothingToAsk is returned for a provider that has no document by which it
// could be told whether it answers.
var ErrNothingToAsk = errors.New("the provider has no document to ask for")

// Check asks the provider anew for its discovery document, or where it has none
// for its keys, whatever is remembered of them. The error is an ErrUnavailable
// or ErrNothingToAsk.
func (p *Provider) Check(ctx context.Context) error {
	switch {
	case p.isGitHub():
		return ErrNothingToAsk
	case p.config.Discovery:
		if _, err := p.discover(ctx); err != nil {
			return fmt.Errorf("discovery: %w", err)
		}
		return nil
	case p.config.JWKSURL != "":
		_, _, err := p.fetch(ctx, p.config.JWKSURL, "")
		return err
	}
	return ErrNothingToAsk
}
