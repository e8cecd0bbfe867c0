package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"keymaker/internal/secret"
	"keymaker/provider/clienturi"
	"keymaker/store"
	"keymaker/templates"
	"keymaker/upstream"
)

// Logins is what the pages keep of people on their way.
type Logins interface {
	BeginUpstream(ctx context.Context, browser, state string, l store.UpstreamLogin, expires time.Time) error
	TakeUpstream(ctx context.Context, browser, providerID, state string) (store.UpstreamLogin, error)
	Request(ctx context.Context, browser, id string) (store.AuthorizationRequest, error)
	Known(ctx context.Context, browser, id string) (store.RequestKind, error)
	SignedIn(ctx context.Context, browser, id string, l store.Login) error
	SignInBrowser(ctx context.Context, cookie string, l store.Login, expires time.Time) error
	KeepLanguage(ctx context.Context, localpart, language string) error
	BrowserSession(ctx context.Context, cookie string) (store.Login, error)
	HasGrants(ctx context.Context, clientID string) (bool, error)
	Client(ctx context.Context, id string) (*store.Client, error)
	User(ctx context.Context, localpart string) (store.User, error)
}

// ssoRedirect sends a person to an identity provider: for a request that waits
// in this browser, or for a legacy client (conformance I-04).
func (s *Server) ssoRedirect(w http.ResponseWriter, r *http.Request) {
	if err := s.limitAddress(r); err != nil {
		s.trouble(w, r, err)
		return
	}
	query, err := readQuery(r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	wanted, err := variable(r, "idp")
	if err != nil || (wanted != "" && s.providerByID(wanted) == nil) {
		s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonUnknownProvider, Actions: otherProvider(query)}, err)
		return
	}
	if id := query.Get(templates.FieldRequest); id != "" {
		s.startFor(w, r, s.cookies.knownBrowser(r), wanted, id)
		return
	}
	s.beginLegacy(w, r, wanted, query)
}

// otherProvider leads to the choice of identity providers for a request that has
// named one that is not there.
func otherProvider(query url.Values) []templates.Action {
	for _, name := range []string{templates.FieldRequest, "redirectUrl"} {
		if value := query.Get(name); value != "" {
			return []templates.Action{{Kind: templates.ActionChoose, URL: ssoRedirectPath + "?" + url.Values{name: {value}}.Encode()}}
		}
	}
	return nil
}

// beginLegacy keeps the request of a legacy client, and starts the sign-in that
// it asks for (conformance I-05).
func (s *Server) beginLegacy(w http.ResponseWriter, r *http.Request, wanted string, query url.Values) {
	target := query.Get("redirectUrl")
	if len(query["redirectUrl"]) != 1 || !acceptableRedirectURL(target) {
		s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonRedirectURL}, nil)
		return
	}
	register := query.Get("action") == "register" || query.Get("org.matrix.msc3824.action") == "register"
	browser := s.cookies.browser(w, r)
	id, err := s.Provider.BeginSSO(r.Context(), browser, target, register)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.startFor(w, r, browser, wanted, id)
}

// startFor begins the sign-in for a request that waits in a browser: at the
// wanted provider, the default one, or the one that the person chooses. A
// person who asks for another account is asked who they are once more.
func (s *Server) startFor(w http.ResponseWriter, r *http.Request, browser, wanted, id string) {
	if wanted == "" {
		p, ok := s.Config.DefaultProvider()
		if !ok {
			s.show(w, r, http.StatusOK, s.chooser(r, "", id))
			return
		}
		wanted = p.ClientID
	}
	demands, err := s.Provider.Demands(r.Context(), browser, id)
	if err != nil {
		s.refuseAuthorization(w, r, err)
		return
	}
	login := store.UpstreamLogin{RequestID: id, MaxAge: demands.MaxAge, Fresh: demands.Fresh || r.URL.Query().Get(fieldSwitch) != ""}
	about(r).locales = demands.UILocales
	ask := upstream.Request{LoginHint: demands.LoginHint, UILocales: strings.Fields(demands.UILocales)}
	if demands.Register {
		ask.Action = "register"
	}
	if demands.Choose {
		ask.Prompt = []string{"select_account"}
	}
	s.start(w, r, browser, wanted, login, ask)
}

// start sends the browser to the provider, tied to it by state, nonce, PKCE and
// the browser's cookie (conformance L-06, L-07).
func (s *Server) start(w http.ResponseWriter, r *http.Request, browser, providerID string, login store.UpstreamLogin, ask upstream.Request) {
	defer s.countLogin(r, providerID, visitBegins)
	p := s.providerByID(providerID)
	login.ProviderID = p.ID()
	about(r).again = retryURL(login)
	if s.Config.CallbackURL(p.Config()) == "" {
		s.fail(w, r, templates.ErrorPage{Reason: templates.ReasonCallbackMissing, Provider: p.Config().Name}, nil)
		return
	}
	state := secret.Token()
	login.Nonce = secret.Token()
	if !login.WithoutPKCE {
		login.Verifier = oauth2.GenerateVerifier()
	}
	ask.State, ask.Nonce, ask.Verifier = state, login.Nonce, login.Verifier
	if login.Fresh {
		ask.Prompt = []string{"login"}
	}
	ask.MaxAge = maxAge(login)
	to, err := p.Start(r.Context(), ask)
	if err != nil {
		s.providerFailure(w, r, p, retryURL(login), err)
		return
	}
	expires := s.Clock.Now().Add(p.Config().GrantSessionDuration)
	if err := s.Logins.BeginUpstream(r.Context(), browser, state, login, expires); err != nil {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, to)
}

// providerFailure tells a person that the identity provider did not let them
// in, and offers to try again.
func (s *Server) providerFailure(w http.ResponseWriter, r *http.Request, p *upstream.Provider, retry string, err error) {
	page := templates.ErrorPage{Reason: templates.ReasonProviderInvalid, Provider: p.Config().Name}
	var refused *upstream.ProviderError
	switch {
	case errors.As(err, &refused) && refused.Code == "access_denied":
		page.Reason = templates.ReasonCancelled
	case errors.As(err, &refused):
		page.Reason = templates.ReasonProviderError
	case errors.Is(err, upstream.ErrUnavailable):
		page.Reason = templates.ReasonProviderUnreachable
	}
	page.Actions = append(page.Actions, templates.Action{Kind: templates.ActionRetry, URL: retry})
	s.fail(w, r, page, err)
}

// maxRedirectURL is the longest redirectUrl in bytes.
const maxRedirectURL = 4096

// acceptableRedirectURL tells whether a legacy client may be sent to a URL once
// the person has confirmed it (conformance I-06, L-24): http(s) with a host that
// can be shown, or an app's own scheme, and nothing in it that browsers read in
// another way.
func acceptableRedirectURL(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxRedirectURL || u.Scheme == "" || u.User != nil || strings.ContainsFunc(raw, misread) {
		return false
	}
	switch u.Scheme {
	case "javascript", "data", "vbscript", "blob", "file", "about", "filesystem", "view-source":
		return false
	case "http", "https":
		// The host goes into a header: only what a host is made of.
		return templates.Host(raw) != "" && !strings.ContainsAny(u.Host, "%!$&'()*+,;=") &&
			(u.Port() == "" || clienturi.ValidPort(u.Port()))
	}
	return true
}

// misread is true for what no URL has, and what browsers drop or turn into
// something else.
func misread(c rune) bool { return c <= ' ' || c >= 0x7f || c == '\\' }

// userID is the Matrix user ID of a login.
func (s *Server) userID(l store.Login) string {
	return "@" + l.Localpart + ":" + s.Config.ServerName
}
