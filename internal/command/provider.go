package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"keymaker/internal/admin"
	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/homeserver"
	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/upstream"
)

// ProviderCommand tries identity providers.
type ProviderCommand struct {
	Test ProviderTestCommand `cmd:"" help:"Sign in at an identity provider, and see its claims and the Matrix user that they would give. No account is changed."`
}

// ProviderTestCommand rehearses one sign-in.
type ProviderTestCommand struct {
	ID     string `arg:"" help:"The client_id of the identity provider."`
	Config string `help:"The configuration file. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
	JSON   bool   `name:"json" help:"Answer with JSON."`
}

// Run implements the command.
func (c *ProviderTestCommand) Run(ctx context.Context, streams *Streams) (err error) {
	cfg, err := loadConfig(c.Config, streams)
	if err != nil {
		return err
	}
	idp, err := configured(cfg, c.ID)
	if err != nil {
		return &ExitError{Code: exitUsage, Err: err}
	}
	db, err := openDatabase(ctx, cfg, streams, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	home, err := homeOf(cfg, db)
	if err != nil {
		return err
	}
	p := upstream.New(idp, cfg.CallbackURL(idp), upstream.Options{})
	identity, err := signInByHand(ctx, p, cfg.CallbackURL(idp), streams)
	if err != nil {
		return err
	}
	accounts := upstream.Accounts{ServerName: cfg.ServerName, Links: home, Localparts: home}
	r, err := accounts.Rehearse(ctx, idp, identity)
	t, err := newProviderTest(ctx, db, home, identity, r, err)
	if err != nil {
		return err
	}
	if err := (&administration{streams: streams, json: c.JSON}).answer(t, t.text()); err != nil {
		return err
	}
	if t.Refused != "" {
		return &ExitError{Code: exitFailure, Quiet: true}
	}
	return nil
}

// configured is the identity provider of that id.
func configured(cfg *config.Config, id string) (config.IdentityProvider, error) {
	known := make([]string, 0, len(cfg.IdentityProviders))
	for _, p := range cfg.IdentityProviders {
		if p.ClientID == id {
			if cfg.CallbackURL(p) == "" {
				return p, errors.New("the configuration has no well_known.client: the provider does not know where to send people back to")
			}
			return p, nil
		}
		known = append(known, p.ClientID)
	}
	return config.IdentityProvider{}, fmt.Errorf("there is no identity provider %s in the configuration, only: %s", admin.Printable(id), admin.Printable(strings.Join(known, ", ")))
}

// knows is what is known of users and their names.
type knows interface {
	upstream.Links
	upstream.Localparts
}

// homeOf is who knows: behind a homeserver that is another program, that one too.
func homeOf(cfg *config.Config, db *store.Store) (knows, error) {
	if !cfg.Homeserver.Remote() {
		return homeserver.Embedded{Store: db}, nil
	}
	return homeserver.Open(cfg.Homeserver, db, clock.System{}, slog.New(slog.DiscardHandler), nil)
}

const howToSignIn = `Open this address in a private window and sign in as the person to be tried:

%s

The browser ends at an error page of Keymaker, or at none: nobody waits for this
sign-in but this command. The address of that page is the provider's answer.
`

// signInByHand lets a person carry the request to the provider and its answer
// back. The server does not know the state of the request, and so does not use
// the code up.
func signInByHand(ctx context.Context, p *upstream.Provider, callback string, streams *Streams) (*upstream.Identity, error) {
	verifier := secret.Token()
	for {
		r := upstream.Request{State: secret.Token(), Nonce: secret.Token(), Verifier: verifier}
		address, err := p.Start(ctx, r)
		if err != nil {
			return nil, err
		}
		line, err := ask(streams, fmt.Sprintf(howToSignIn, address)+"Paste it here: ")
		if err != nil {
			return nil, err
		}
		identity, err := finishByHand(ctx, p, callback, r, strings.TrimSpace(line))
		if err == nil || verifier == "" || !p.RejectsPKCE(ctx, err) {
			return identity, err
		}
		verifier = ""
		if _, err := fmt.Fprintln(streams.Err, "\nThe provider refuses PKCE. Once more, without it."); err != nil {
			return nil, err
		}
	}
}

func finishByHand(ctx context.Context, p *upstream.Provider, callback string, r upstream.Request, answer string) (*upstream.Identity, error) {
	path, query, _ := strings.Cut(answer, "?")
	query, _, _ = strings.Cut(query, "#")
	params, err := url.ParseQuery(query)
	switch {
	case answer == "":
		return nil, errors.New("no address was given, nothing was tried")
	case err != nil || path != callback:
		return nil, fmt.Errorf("that is not the provider's answer: it begins with %s?", callback)
	case !secret.Equal(params.Get("state"), r.State):
		return nil, errors.New("that is the answer to another sign-in")
	}
	code, err := p.Callback(ctx, params)
	if err != nil {
		return nil, err
	}
	return p.Finish(ctx, upstream.Response{Code: code, Verifier: r.Verifier, Nonce: r.Nonce})
}
