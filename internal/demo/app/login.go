package app

import (
	"errors"
	"net/http"

	"keymaker/internal/demo/matrixclient"
	"keymaker/internal/secret"
)

// login begins a sign-in as Matrix clients do: it looks the server up, registers
// itself (they do so each time, conformance B-43), and sends the browser to the
// authorization endpoint with a new device.
func (a *App) login(w http.ResponseWriter, r *http.Request) {
	if _, s := a.session(r); s.account != nil {
		http.Redirect(w, r, homePath, http.StatusSeeOther)
		return
	}
	client, err := matrixclient.Discover(r.Context(), matrixclient.Options{Issuer: a.options.Issuer, HTTP: a.options.HTTP, Clock: a.options.Clock})
	if err != nil {
		a.fail(w, r, http.StatusBadGateway, "The server's metadata could not be read.", err)
		return
	}
	if err := client.Register(r.Context(), matrixclient.Native(clientName, clientURI, callbackPath)); err != nil {
		a.fail(w, r, http.StatusBadGateway, "The application could not register itself.", err)
		return
	}
	attempt := client.Authorize(matrixclient.NewDevice(), a.options.URL+callbackPath)
	a.start(w, session{client: client, attempt: attempt})
	http.Redirect(w, r, client.URL(attempt), http.StatusSeeOther)
}

// callback is where the server sends the browser back to. What comes with it
// counts only in the browser that began.
func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	cookie, s := a.session(r)
	if s.attempt == nil {
		a.fail(w, r, http.StatusBadRequest, "No sign-in is under way in this browser.", nil)
		return
	}
	code, err := s.client.Code(s.attempt, r.URL.Query())
	var refused *matrixclient.Error
	switch {
	case errors.As(err, &refused):
		a.sessions.remove(cookie)
		a.fail(w, r, http.StatusForbidden, "You were not signed in: the server says "+refused.Code+".", err)
		return
	case err != nil:
		a.fail(w, r, http.StatusBadRequest, "This is not the answer to the sign-in that is under way in this browser.", err)
		return
	}
	a.sessions.remove(cookie) // a code is for one exchange
	signedIn, err := a.exchange(r, s, code)
	if err != nil {
		a.fail(w, r, http.StatusBadGateway, "The sign-in could not be completed.", err)
		return
	}
	a.start(w, signedIn)
	http.Redirect(w, r, homePath, http.StatusSeeOther)
}

// exchange redeems the code and checks who has signed in.
func (a *App) exchange(r *http.Request, s session, code secret.Text) (session, error) {
	asked := a.options.Clock.Now()
	tokens, err := s.client.Exchange(r.Context(), s.attempt, code)
	if err != nil {
		return session{}, err
	}
	if _, err := s.client.Identity(r.Context(), s.attempt, tokens); err != nil {
		return session{}, err
	}
	return session{client: s.client, account: newAccount(tokens, asked)}, nil
}
