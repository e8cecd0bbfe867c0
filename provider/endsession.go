package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"keymaker/provider/errtext"
	"keymaker/provider/redirect"
	"keymaker/provider/signing"
	"keymaker/store"
)

// LogoutRequest is a validated request to sign a person out (OpenID Connect
// RP-Initiated Logout §2).
type LogoutRequest struct {
	// Client is who asks; nil if the request does not say.
	Client *store.Client
	// RedirectURI is where the person goes afterwards: one that Client has
	// registered, or "".
	RedirectURI string

	state string
	hint  *idTokenClaims // nil without id_token_hint
	// session is the one that the hint names, live or ended; nil if it is none of
	// the client and the user, or not known any more.
	session *store.Session
	params  url.Values
}

// Query are the parameters of the request that count, to ask it again.
func (l *LogoutRequest) Query() string { return l.params.Encode() }

// OpensApp tells whether RedirectURI leads to an application on the device.
func (l *LogoutRequest) OpensApp() bool {
	return l.RedirectURI != "" && redirect.OpensApp(l.RedirectURI, redirect.ApplicationType(l.Client.ApplicationType()))
}

// Target is where the person goes afterwards, or "".
func (l *LogoutRequest) Target() string {
	if l.RedirectURI == "" || l.state == "" {
		return l.RedirectURI
	}
	return withQuery(l.RedirectURI, url.Values{"state": {l.state}})
}

// ParseLogout validates the parameters of a request to sign out. The error is a
// *Refusal, an *Error, or wraps store.ErrUnavailable.
func (p *Provider) ParseLogout(ctx context.Context, form url.Values) (*LogoutRequest, error) {
	l := &LogoutRequest{state: form.Get("state"), params: url.Values{}}
	for name, values := range form {
		if len(values) > 1 {
			return nil, invalidRequest("The parameter %s is repeated.", errtext.Name(name))
		}
	}
	for _, name := range []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"} {
		if v := form.Get(name); v != "" {
			l.params.Set(name, v)
		}
	}
	clientID := form.Get("client_id")
	if token := form.Get("id_token_hint"); token != "" {
		var err error
		if l.hint, err = p.readHint(token); err != nil {
			return nil, err
		}
		if clientID != "" && clientID != l.hint.Audience {
			return nil, &Refusal{Reason: ForeignHint, cause: errors.New("it is for another client")}
		}
		clientID = l.hint.Audience
	}
	if clientID == "" {
		return l, nil // and so there is nowhere to go afterwards
	}
	if err := p.addClient(ctx, l, clientID, form.Get("post_logout_redirect_uri")); err != nil {
		return nil, err
	}
	return l, p.addSession(ctx, l)
}

// readHint reads an ID token of ours. An expired one is good enough: it only
// says who was signed in, and a person signs out when they like.
func (p *Provider) readHint(token string) (*idTokenClaims, error) {
	payload, err := p.keys.Verify(signing.JWT, token)
	if err != nil {
		return nil, &Refusal{Reason: ForeignHint, cause: err}
	}
	var claims idTokenClaims
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, &Refusal{Reason: ForeignHint, cause: errors.New("its claims are not those of an ID token")}
	}
	// Signed userinfo has neither time.
	if claims.Issuer != p.issuer || claims.Audience == "" || claims.Subject == "" || claims.IssuedAt == 0 || claims.Expires == 0 {
		return nil, &Refusal{Reason: ForeignHint, cause: errors.New("it is no ID token of this issuer")}
	}
	return &claims, nil
}

func (p *Provider) addClient(ctx context.Context, l *LogoutRequest, id, redirectURI string) error {
	client, err := p.store.Client(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &Refusal{Reason: UnknownClient, cause: err}
	case err != nil:
		return err
	case redirectURI != "" && !slices.Contains(client.PostLogoutRedirectURIs(), redirectURI):
		return &Refusal{Reason: UnregisteredRedirect}
	}
	l.Client, l.RedirectURI = client, redirectURI
	return nil
}

func (p *Provider) addSession(ctx context.Context, l *LogoutRequest) error {
	if l.hint == nil || l.hint.Session == "" {
		return nil
	}
	session, err := p.store.SessionOf(ctx, l.hint.Session)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if session.ClientID == l.hint.Audience && session.UserID == l.hint.Subject {
		l.session = session
	}
	return nil
}

// Logout is what a request to sign out means in one browser.
type Logout struct {
	*LogoutRequest
	// Login is who is signed in there; nil for nobody.
	Login *store.Login
	// Session is the session of the client that ends; nil for none.
	Session *store.Session
	// Proven says that the person need not be asked: the ID token is of the very
	// sign-in that this browser has, and no Matrix device would go. Everybody
	// else is asked, or a link to here could sign people out, or lend our name to
	// a link to anywhere (conformance L-02, L-06).
	Proven bool

	cookie string
}

// Nothing tells whether there is nothing to end and nowhere to go.
func (l *Logout) Nothing() bool { return l.Login == nil && l.Session == nil && l.RedirectURI == "" }

// PlanLogout tells what a request means in the browser with this session cookie.
// An ID token is less well kept than a session's own tokens, so a session with a
// device, which may hold the only keys to somebody's messages, ends only where
// its user is signed in.
func (p *Provider) PlanLogout(ctx context.Context, r *LogoutRequest, cookie string) (*Logout, error) {
	l := &Logout{LogoutRequest: r, cookie: cookie}
	login, err := p.store.BrowserSession(ctx, cookie)
	switch {
	case err == nil:
		l.Login = &login
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	if r.session == nil {
		return l, nil
	}
	own := l.Login != nil && p.store.UserID(login.Localpart) == r.session.UserID
	if !r.session.Ended && (own || r.session.DeviceID == "") {
		l.Session = r.session
	}
	l.Proven = own && login.AuthTime.Unix() == r.hint.AuthTime && (l.Session == nil || l.Session.DeviceID == "")
	return l, nil
}

// EndLogin signs the browser out and ends the session of the client: all of it or
// nothing.
func (p *Provider) EndLogin(ctx context.Context, l *Logout) error {
	return p.store.InTx(ctx, func(ctx context.Context) error {
		if l.Session != nil {
			if err := p.store.EndSession(ctx, l.Session.ID, store.End{Reason: store.EndRPInitiated, Actor: store.ActorUser}); err != nil {
				return err
			}
		}
		if err := p.store.SignOutBrowser(ctx, l.cookie); err != nil {
			return fmt.Errorf("sign out: %w", err)
		}
		if l.Login == nil {
			return nil
		}
		e := store.Event{Action: store.ActionBrowserSignedOut, Localpart: l.Login.Localpart, Actor: store.ActorUser, Reason: l.Login.ProviderID}
		if l.Client != nil {
			e.ClientID = l.Client.ID
		}
		return p.store.Record(ctx, e)
	})
}
