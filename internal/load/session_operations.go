package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"

	"keymaker/internal/secret"
)

// userinfo asks with any of the stored tokens.
func (r *run) userinfo() act {
	target := r.url + "/_tuwunel/oidc/userinfo"
	return func(ctx context.Context, c *client, _, _ int) error {
		q := get(target)
		q.bearer = r.anyToken()
		_, err := c.send(ctx, q, http.StatusOK)
		return err
	}
}

// registration registers clients of which no two are alike: of one that is
// known nothing is stored.
func (r *run) registration() act {
	target := r.url + "/_tuwunel/oidc/registration"
	return func(ctx context.Context, c *client, _, _ int) error {
		q := post(target, jsonType, fmt.Sprintf(registration, "Client "+secret.Letters(12)))
		q.from = address()
		_, err := c.send(ctx, q, http.StatusCreated)
		return err
	}
}

// exchange exchanges stored codes, each once.
func (r *run) exchange() act {
	return func(ctx context.Context, c *client, _, _ int) error {
		n := int(r.codes.Add(1)) - 1
		if n >= r.storedCodes() {
			return errUsedUp
		}
		_, err := r.exchangeCode(ctx, c, n)
		return err
	}
}

// revocation ends the sessions of stored tokens, each once.
func (r *run) revocation() act {
	target := r.url + "/_tuwunel/oidc/revoke"
	return func(ctx context.Context, c *client, _, _ int) error {
		i := r.kept() + int(r.revoked.Add(1)) - 1
		if i >= r.Stored {
			return errNoMore
		}
		_, err := c.send(ctx, post(target, formType, url.Values{"token": {r.token(i)}, "client_id": {r.clientID}}.Encode()), http.StatusOK)
		return err
	}
}

// introspectionAfterRefresh asks about the token that the client was given last, and
// if that was asked about, any.
func (r *run) introspectionAfterRefresh() act {
	ask := r.askAbout()
	return func(ctx context.Context, c *client, worker, _ int) error {
		token := r.chains[worker].unasked
		r.chains[worker].unasked = ""
		if token == "" {
			token = r.anyToken()
		}
		return ask(ctx, c, token)
	}
}

// share is how often one operation comes in the mix.
type share struct {
	of  int // a thousand
	act act
}

// mix is what a homeserver and its clients ask, as far as one can tell: clients
// refresh when their token is five minutes old, and fetch the metadata before;
// the homeserver asks about every token at once and then every two minutes; few sign
// in or out, and where nobody is left to sign out, it asks once more.
func (r *run) mix() act {
	shares := []share{
		{650, r.introspectionAfterRefresh()}, {150, r.refresh()}, {140, r.getter(discoveryPath)}, {20, r.getter(jwksPath)}, {20, r.userinfo()},
		{8, r.registration()}, {8, r.exchange()}, {4, r.revocation()},
	}
	return func(ctx context.Context, c *client, worker, n int) error {
		left := rand.IntN(1000) //nolint:gosec // it is no secret
		for _, s := range shares {
			if left -= s.of; left < 0 {
				err := s.act(ctx, c, worker, n)
				if errors.Is(err, errNoMore) {
					err = shares[0].act(ctx, c, worker, n)
				}
				return err
			}
		}
		return nil
	}
}
