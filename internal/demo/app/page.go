package app

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"time"

	"keymaker/internal/demo/matrixclient"
)

//go:embed html/*.html style.css
var files embed.FS

// The pages; each file frames its content by layout.html.
var (
	welcomePage = page("welcome")
	accountPage = page("account")
	failurePage = page("failure")
)

func page(name string) *template.Template {
	return template.Must(template.ParseFS(files, "html/layout.html", "html/"+name+".html"))
}

// welcome is shown to a browser that is not signed in.
type welcome struct {
	Issuer, LoginPath string
}

// failure is shown when something went wrong.
type failure struct {
	Message, HomePath, LoginPath string
}

// accountView is shown to a browser that is signed in.
type accountView struct {
	Issuer, ClientID string
	// UserID and DeviceID are what whoami says; empty when the server refuses
	// the access token.
	UserID, DeviceID string
	Scope            []string
	// Expires is when the access token does, and Left how long it is until
	// then; Expired says that it is over.
	Expires time.Time
	Left    time.Duration
	Expired bool

	CSRF                    string
	RefreshPath, LogoutPath string
}

func (a *App) describe(s session, owner matrixclient.Owner) accountView {
	left := s.account.expires.Sub(a.options.Clock.Now())
	return accountView{
		Issuer: a.options.Issuer, ClientID: s.client.ID, UserID: owner.UserID, DeviceID: owner.DeviceID, Scope: s.account.tokens.Scope,
		Expires: s.account.expires, Left: left.Truncate(time.Second), Expired: left <= 0,
		CSRF: s.csrf, RefreshPath: refreshPath, LogoutPath: logoutPath,
	}
}

// show writes a page.
func (a *App) show(w http.ResponseWriter, status int, t *template.Template, data any) {
	var buf bytes.Buffer
	if err := t.ExecuteTemplate(&buf, "layout.html", data); err != nil {
		a.options.Logger.Error("demonstration application: write a page", "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = buf.WriteTo(w)
}

func style(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "style.css") }
