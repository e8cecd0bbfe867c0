package demoidp

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"keymaker/internal/secret"
)

const loginPath = "/login"

//go:embed login.html home.html style.css
var files embed.FS

var pages = template.Must(template.ParseFS(files, "*.html"))

// routes serves the pages of the provider; the rest is the library's.
type routes struct {
	*Provider
	protocol *op.Provider
}

func newRoutes(p *Provider, protocol *op.Provider) http.Handler {
	r := &routes{Provider: p, protocol: protocol}
	mux := http.NewServeMux()
	mux.Handle("/", protocol)
	mux.HandleFunc("GET /{$}", r.home)
	mux.HandleFunc("GET /style.css", r.style)
	mux.HandleFunc("GET "+loginPath, r.showLogin)
	mux.Handle("POST "+loginPath, http.NewCrossOriginProtection().Handler(http.HandlerFunc(r.login)))
	return mux
}

func (h *routes) home(w http.ResponseWriter, _ *http.Request) {
	h.page(w, http.StatusOK, "home.html", nil)
}

func (h *routes) style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, files, "style.css")
}

// form is what the login page shows.
type form struct {
	ID, Username, Error string
	Users               []User
}

// showLogin answers an authorization request from the session where that is
// enough, and else shows the form.
func (h *routes) showLogin(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	cookie, s := h.session(r)
	h.mu.Lock()
	req, err := h.request(id)
	h.mu.Unlock()
	switch {
	case err != nil:
		h.page(w, http.StatusBadRequest, "home.html", "This sign-in has expired. Go back to where you came from and start again.")
	case req.silent(s, h.clock.Now()):
		h.complete(w, r, id, s)
	case req.prompts(oidc.PromptNone):
		op.AuthRequestError(w, r, req, oidc.ErrLoginRequired(), h.protocol)
	default:
		if cookie == "" {
			cookie = secret.Token()
			h.setCookie(w, cookie)
		}
		h.progress(id, func(r *authRequest) { r.browser = cookie })
		h.showForm(w, http.StatusOK, form{ID: id, Username: req.LoginHint})
	}
}

func (h *routes) showForm(w http.ResponseWriter, status int, f form) {
	h.mu.Lock()
	f.Users = append(f.Users, h.users...)
	h.mu.Unlock()
	h.page(w, status, "login.html", f)
}

// login signs the person in whom the form names. The form must come from the
// browser that it was shown to.
func (h *routes) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	id, username := r.PostFormValue("id"), strings.TrimSpace(r.PostFormValue("username"))
	cookie, _ := h.session(r)
	h.mu.Lock()
	req, err := h.request(id)
	u, known := h.user(byUsername(username))
	h.mu.Unlock()
	switch {
	case err != nil || cookie == "" || !secret.Equal(req.browser, cookie):
		http.Redirect(w, r, loginPath+"?id="+url.QueryEscape(id), http.StatusSeeOther)
	case r.PostFormValue("cancel") != "":
		op.AuthRequestError(w, r, req, oidc.ErrAccessDenied(), h.protocol)
	case !known:
		h.showForm(w, http.StatusUnprocessableEntity, form{ID: id, Username: username, Error: "There is no such user here."})
	default:
		s := session{subject: u.Subject, authTime: h.clock.Now()}
		token := secret.Token()
		h.mu.Lock()
		delete(h.sessions, cookie)
		h.sessions[token] = s
		h.mu.Unlock()
		h.setCookie(w, token)
		h.complete(w, r, id, s)
	}
}

// complete hands a request that is answered back to the library.
func (h *routes) complete(w http.ResponseWriter, r *http.Request, id string, s session) {
	h.progress(id, func(r *authRequest) { r.subject, r.authTime = s.subject, s.authTime })
	ctx := op.ContextWithIssuer(r.Context(), h.options.Issuer)
	http.Redirect(w, r, op.AuthCallbackURL(h.protocol)(ctx, id), http.StatusSeeOther)
}

// progress changes a stored request.
func (p *Provider) progress(id string, change func(*authRequest)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, ok := p.requests[id]; ok {
		change(&r)
		p.requests[id] = r
	}
}

// session returns the cookie of a browser, and who has signed in there; its
// subject is empty when nobody has, or when they are gone.
func (p *Provider) session(r *http.Request) (string, session) {
	c, err := r.Cookie(p.cookie)
	if err != nil {
		return "", session{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sessions[c.Value]
	if _, ok := p.user(bySubject(s.subject)); !ok {
		s = session{}
	}
	return c.Value, s
}

func (p *Provider) setCookie(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // not Secure where the demonstration is served over http
		Name: p.cookie, Value: value, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(p.options.Issuer, "https:"),
	})
}

// page writes a page. Its policy has no form-action: browsers apply that to
// the redirects that follow the form, and those lead to the client and beyond.
func (p *Provider) page(w http.ResponseWriter, status int, name string, data any) {
	var buf bytes.Buffer
	if err := pages.ExecuteTemplate(&buf, name, data); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = buf.WriteTo(w)
}
