package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"keymaker/store"
)

// Demands are what a waiting request asks of the sign-in.
type Demands struct {
	// MaxAge is how long ago the person may have signed in (seconds); nil =
	// whenever.
	MaxAge *int64
	// Fresh asks that the person signs in anew (prompt=login). MaxAge is 0 then:
	// that it happened must be proved (OpenID Connect Core §3.1.2.1).
	Fresh bool
	// Choose asks that the person chooses the account (prompt=select_account).
	Choose bool
	// Register asks for a new account rather than an old one (prompt=create,
	// MSC3824 action=register).
	Register bool
	// LoginHint is whom the client expects, for a login form; "" when it did not
	// say in a way that is understood.
	LoginHint string
	// UILocales are the languages that the client asks for.
	UILocales string
}

// Demands returns what a request of any kind that this browser began asks of
// the sign-in. Errors are those of store.Request.
func (p *Provider) Demands(ctx context.Context, browser, id string) (Demands, error) {
	row, err := p.store.Request(ctx, browser, id)
	if err != nil {
		return Demands{}, err
	}
	if row.Kind == store.RequestDevice {
		return Demands{}, nil
	}
	if row.Kind == store.RequestSSO {
		var params ssoParams
		if err := json.Unmarshal(row.Params, &params); err != nil {
			return Demands{}, fmt.Errorf("read a legacy login: %w: %w", store.ErrUnavailable, err)
		}
		return Demands{Register: params.Register}, nil
	}
	a, err := p.restore(ctx, row)
	if err != nil {
		return Demands{}, err
	}
	d := Demands{MaxAge: a.MaxAge, Fresh: slices.Contains(a.Prompt, "login"), Choose: slices.Contains(a.Prompt, "select_account"),
		Register: slices.Contains(a.Prompt, "create"), LoginHint: a.LoginHint.Text(), UILocales: a.UILocales}
	if d.Fresh {
		d.MaxAge = new(int64)
	}
	return d, nil
}
