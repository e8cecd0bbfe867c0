package provider

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"keymaker/store"
)

// remembered tells whether an approval of this request is remembered, so that
// the next one need not be asked for: for no more than who the person is, and of
// a client that nobody can pretend to be (conformance C-60). A public one is
// told apart by where the answer goes, if it is configured; on a device every
// application could be there (RFC 8252 §8.6).
func (a *Authorization) remembered() bool {
	known := !a.Client.IsPublic() || a.Client.Configured() && strings.HasPrefix(a.RedirectURI, "https://")
	return known && !a.Scope.HasAPI()
}

// ConsentDue tells whether a person who has signed in must be asked for approval.
func (p *Provider) ConsentDue(ctx context.Context, a *Authorization, l store.Login) (bool, error) {
	if !a.remembered() || slices.Contains(a.Prompt, "consent") {
		return true, nil
	}
	consented, err := p.store.Consented(ctx, l.Localpart, a.Client.ID, a.Scope.Tokens())
	return !consented, err
}

// Interaction tells what the person would have to do before the request can be
// answered, as the error that prompt=none gets (OpenID Connect Core §3.1.2.6,
// conformance C-41), or nil when it can be answered at once. The login is who is
// signed in at our pages; nil for nobody.
func (p *Provider) Interaction(ctx context.Context, a *Authorization, l *store.Login) (*Error, error) {
	if l == nil || p.signInDue(a, *l) {
		return oauthError(http.StatusBadRequest, "login_required", "The person must sign in."), nil
	}
	due, err := p.ConsentDue(ctx, a, *l)
	if err != nil {
		return nil, err
	}
	if due {
		return oauthError(http.StatusBadRequest, "consent_required", "The person must approve the request."), nil
	}
	user, err := p.store.User(ctx, l.Localpart)
	switch {
	case err != nil:
		return nil, err
	case a.LoginHint.Email != "" && !strings.EqualFold(a.LoginHint.Email, user.Email):
		return oauthError(http.StatusBadRequest, "login_required", "The person must sign in."), nil
	case user.Account.Locked:
		return oauthError(http.StatusBadRequest, "access_denied", "The account cannot be used."), nil
	}
	return nil, nil
}

// signInDue tells whether the request asks for another sign-in than this one.
func (p *Provider) signInDue(a *Authorization, l store.Login) bool {
	age := p.clock.Now().Sub(l.AuthTime)
	switch {
	case a.MaxAge != nil && (*a.MaxAge == 0 || age > time.Duration(*a.MaxAge)*time.Second):
		return true
	case a.ProviderID != "" && a.ProviderID != l.ProviderID, a.LoginHint.Localpart != "" && a.LoginHint.Localpart != l.Localpart:
		return true
	}
	return slices.ContainsFunc(a.Prompt, func(prompt string) bool {
		return slices.Contains([]string{"login", "select_account", "create"}, prompt)
	})
}
