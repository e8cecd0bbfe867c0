// Package app is the demonstration application: a web page that signs in as a
// Matrix client does, shows what it was given, refreshes it and logs out. It
// keeps its sessions in memory and its tokens away from the browser.
package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"keymaker/internal/clock"
	"keymaker/internal/demo/matrixclient"
	"keymaker/internal/secret"
)

// The paths of the application. Opening LoginPath begins a sign-in, unless the
// browser is signed in.
const (
	LoginPath    = "/login"
	homePath     = "/"
	callbackPath = "/callback"
	refreshPath  = "/refresh"
	logoutPath   = "/logout"
	stylePath    = "/style.css"
)

const (
	clientName = "Keymaker demonstration app"
	// clientURI is the home page that the application claims, as every client
	// must; nothing is there.
	clientURI = "https://demo.example/"

	fieldCSRF = "csrf_token"
	maxForm   = 1 << 12 // bytes
)

// Options say where the application is, and which server it signs in at.
type Options struct {
	// URL is the application's own address: http://127.0.0.1:PORT.
	URL string
	// Issuer is the server.
	Issuer string
	// HTTP speaks to the server; nil = http.DefaultClient.
	HTTP *http.Client
	// Clock tells when tokens expire; nil = the machine's.
	Clock clock.Clock
	// Logger gets what went wrong; nil discards it.
	Logger *slog.Logger
}

// App is the application, to be served at the root of its URL. It is safe for
// concurrent use.
type App struct {
	http.Handler
	options  Options
	cookie   string // the name of the session cookie
	sessions *sessions
}

// New returns an application that listens nowhere yet and has asked nobody.
func New(o Options) (*App, error) {
	address, err := url.Parse(o.URL)
	if err != nil || address.Hostname() != "127.0.0.1" {
		return nil, fmt.Errorf("demonstration application: %q is not an address on 127.0.0.1", o.URL)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	// All ports of a host share its cookies.
	a := &App{options: o, cookie: "demoapp_" + address.Port(), sessions: newSessions(o.Clock)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET "+LoginPath, a.login)
	mux.HandleFunc("GET "+callbackPath, a.callback)
	mux.HandleFunc("POST "+refreshPath, a.signedIn(a.refresh))
	mux.HandleFunc("POST "+logoutPath, a.signedIn(a.logout))
	mux.HandleFunc("GET "+stylePath, style)
	a.Handler = headers(http.NewCrossOriginProtection().Handler(mux))
	return a, nil
}

// headers protect every page: no scripts, no frames, nothing from elsewhere,
// and nothing kept.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // without one, browsers hide the Origin of our own forms
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// home shows the session, or how to begin one.
func (a *App) home(w http.ResponseWriter, r *http.Request) {
	_, s := a.session(r)
	if s.account == nil {
		a.show(w, http.StatusOK, welcomePage, welcome{Issuer: a.options.Issuer, LoginPath: LoginPath})
		return
	}
	owner, err := s.client.WhoAmI(r.Context(), s.account.tokens.Access)
	var refused *matrixclient.Error
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusUnauthorized:
		a.show(w, http.StatusOK, accountPage, a.describe(s, matrixclient.Owner{}))
	case err != nil:
		a.fail(w, r, http.StatusBadGateway, "The server does not answer.", err)
	default:
		a.show(w, http.StatusOK, accountPage, a.describe(s, owner))
	}
}

// refresh gets new tokens.
func (a *App) refresh(w http.ResponseWriter, r *http.Request, cookie string, s session) {
	asked := a.options.Clock.Now()
	tokens, err := s.client.Refresh(r.Context(), s.account.tokens.Refresh)
	var refused *matrixclient.Error
	switch {
	case errors.As(err, &refused) && refused.Code == "invalid_grant":
		a.sessions.remove(cookie)
		a.fail(w, r, http.StatusForbidden, "The server has ended this session.", err)
	case err != nil:
		a.fail(w, r, http.StatusBadGateway, "The tokens could not be refreshed.", err)
	default:
		s.account = newAccount(tokens, asked)
		a.sessions.put(cookie, s)
		http.Redirect(w, r, homePath, http.StatusSeeOther)
	}
}

// logout revokes the tokens, and forgets them whatever the server says.
func (a *App) logout(w http.ResponseWriter, r *http.Request, cookie string, s session) {
	a.sessions.remove(cookie)
	if err := s.client.Revoke(r.Context(), s.account.tokens.Access); err != nil {
		a.fail(w, r, http.StatusBadGateway, "The application has forgotten its tokens, but the server did not confirm that they are revoked.", err)
		return
	}
	http.Redirect(w, r, homePath, http.StatusSeeOther)
}

// signedIn reads a form that this browser was shown while it was signed in.
func (a *App) signedIn(do func(w http.ResponseWriter, r *http.Request, cookie string, s session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		cookie, s := a.session(r)
		if s.account == nil || !secret.Equal(r.PostFormValue(fieldCSRF), s.csrf) {
			a.fail(w, r, http.StatusForbidden, "This form is not from this browser's session.", nil)
			return
		}
		do(w, r, cookie, s)
	}
}

// fail shows what went wrong, with a way to begin again. The reason is for the
// log.
func (a *App) fail(w http.ResponseWriter, r *http.Request, status int, message string, err error) {
	a.options.Logger.WarnContext(r.Context(), "demonstration application: "+message, "error", err)
	a.show(w, status, failurePage, failure{Message: message, HomePath: homePath, LoginPath: LoginPath})
}
