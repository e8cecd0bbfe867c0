package handlers

import (
	"net/http"
	"net/url"
	"time"

	"keymaker/internal/config"
	"keymaker/internal/secret"
)

// browserSessionTTL is how long a person stays signed in at this server's own
// pages. It says nothing about the sessions of their clients.
const browserSessionTTL = 14 * 24 * time.Hour

// lastProviderTTL is how long a browser remembers the provider that was used
// last, which a page to choose from then shows first.
const lastProviderTTL = 365 * 24 * time.Hour

// cookies names and writes the cookies of the pages: one ties the requests of a
// browser to it before anybody has signed in, one says who has, one
// with which provider, and one which language they chose.
type cookies struct {
	secure bool
	prefix string
	origin string // of the pages, as browsers know them; "" when nothing says
}

// newCookies takes the scheme from the configuration, never from a request. On
// plain http, which only a loopback issuer may have, browsers would drop
// cookies that are marked as secure (conformance L-22).
func newCookies(o *config.Config) (cookies, error) {
	public := o.WellKnown.Client
	for _, p := range o.IdentityProviders {
		if public == "" {
			public = p.CallbackURL
		}
	}
	u, err := url.Parse(public)
	if err != nil {
		return cookies{}, err
	}
	var c cookies
	if u.Host != "" {
		c.origin = u.Scheme + "://" + u.Host
	}
	if u.Scheme != "http" {
		c.secure, c.prefix = true, "__Host-"
	}
	return c, nil
}

func (c cookies) browserName() string { return c.prefix + "keymaker_browser" }
func (c cookies) sessionName() string { return c.prefix + "keymaker_session" }

func (c cookies) providerName() string { return c.prefix + "keymaker_provider" }

func (c cookies) languageName() string { return c.prefix + "keymaker_language" }

func (c cookies) set(w http.ResponseWriter, name, value string, life time.Duration) {
	//nolint:gosec // G124: on http, which only a loopback issuer may have, a secure cookie is dropped
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second),
	})
}

// browser is the value that ties this browser's requests to it. A browser that
// has none gets one.
func (c cookies) browser(w http.ResponseWriter, r *http.Request) string {
	if value := c.knownBrowser(r); value != "" {
		return value
	}
	value := secret.Token()
	c.set(w, c.browserName(), value, 0)
	return value
}

// knownBrowser is the value that the browser sent, or "".
func (c cookies) knownBrowser(r *http.Request) string { return value(r, c.browserName()) }

// browserHash is what is remembered of a browser: "" for none.
func browserHash(browser string) string {
	if browser == "" {
		return ""
	}
	return string(secret.Hash(browser))
}

// session is the value of the browser session's cookie, or "".
func (c cookies) session(r *http.Request) string { return value(r, c.sessionName()) }

func value(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}
