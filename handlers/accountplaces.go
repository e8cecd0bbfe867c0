package handlers

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"golang.org/x/text/language"

	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

const (
	// staleAfter is how long a session is not used until it is marked.
	staleAfter = 90 * 24 * time.Hour
	// newsFor is how long a person is asked about a sign-in.
	newsFor = 30 * 24 * time.Hour
)

// place is where an account is in use, as a page shows it.
type place struct {
	templates.Place
	session    string // "" for a device without one
	providerID string
}

// app is a client as a person is told of it.
type app struct{ name, host string }

// places are all that a person has: their sessions, and the devices that have
// none any more, the last used first.
func (s *Server) places(r *http.Request, v visit) ([]place, error) {
	ctx := r.Context()
	live, err := s.Account.LiveSessions(ctx, v.login.Localpart)
	if err != nil {
		return nil, err
	}
	idle, err := s.Account.IdleDevices(ctx, v.login.Localpart)
	if err != nil {
		return nil, err
	}
	apps := s.apps(r)
	places := make([]place, 0, len(live)+len(idle))
	for _, l := range live {
		p := place{session: l.ID, providerID: l.Login.ProviderID, Place: templates.Place{Name: l.DeviceName, DeviceID: l.DeviceID, Provider: s.providerName(l.Login.ProviderID),
			OIDC: l.Kind == store.OAuth && l.DeviceID != "", FirstSeenAt: l.StartedAt,
			ThisBrowser: l.Login.BrowserHash != "" && l.Login.BrowserHash == browserHash(v.browser)}}
		p.LastSeenAt, p.Address = l.LastUse()
		if places, err = s.addPlace(places, p, apps, l.ClientID); err != nil {
			return nil, err
		}
	}
	for _, d := range idle {
		p := place{Place: templates.Place{Name: d.DisplayName, DeviceID: d.ID, OIDC: d.ClientID != "", SignedOut: true, Address: d.LastAddress,
			FirstSeenAt: d.CreatedAt, LastSeenAt: d.LastSeenAt}}
		if d.ProviderID != "" {
			p.Provider = s.providerName(d.ProviderID)
		}
		if places, err = s.addPlace(places, p, apps, d.ClientID); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(places, func(a, b place) int { return b.LastSeenAt.Compare(a.LastSeenAt) })
	return places, nil
}

// addPlace fills in what sessions and devices have in common.
func (s *Server) addPlace(places []place, p place, apps func(clientID string) (app, error), clientID string) ([]place, error) {
	known, err := apps(clientID)
	if err != nil {
		return nil, err
	}
	p.App, p.Host = known.name, known.host
	p.Stale = s.Clock.Now().Sub(p.LastSeenAt) > staleAfter
	name, id := fieldDevice, p.DeviceID
	if id == "" {
		name, id = fieldSession, p.session
	}
	p.Key, p.URL, p.End = name+"="+id, accountURL(provider.ActionDeviceView, name, id), accountURL(provider.ActionDelete, name, id)
	return append(places, p), nil
}

// apps tells what the clients of one page are called, and reads each of them
// once. Of no client it knows nothing.
func (s *Server) apps(r *http.Request) func(clientID string) (app, error) {
	lang, known := s.languages(r), map[string]app{"": {}}
	return func(clientID string) (app, error) {
		if a, ok := known[clientID]; ok {
			return a, nil
		}
		a, err := s.app(r.Context(), lang, clientID)
		if err == nil {
			known[clientID] = a
		}
		return a, err
	}
}

// app is what a person is told a client is called: its name, or else the host it
// belongs to, or else its id.
func (s *Server) app(ctx context.Context, lang []language.Tag, clientID string) (app, error) {
	client, err := s.Logins.Client(ctx, clientID)
	if errors.Is(err, store.ErrNotFound) {
		return app{name: clientID}, nil
	}
	if err != nil {
		return app{}, err
	}
	m, err := provider.ClientMetadata(client)
	if err != nil {
		return app{}, err
	}
	return app{name: cmp.Or(m.Name(lang...), m.ClientHost(), clientID), host: m.ClientHost()}, nil
}

// isNews tells whether a person is to be asked about a session: it is not of this
// browser, and they have not said yet that they know of it.
func (s *Server) isNews(user store.User, p place) bool {
	return p.session != "" && !p.ThisBrowser && p.FirstSeenAt.After(user.SignInsKnownAt) && s.Clock.Now().Sub(p.FirstSeenAt) < newsFor
}

// chosen are the places that a link names, by device or by session.
func chosen(places []place, v visit) []place {
	var named []place
	for _, p := range places {
		if p.DeviceID != "" && slices.Contains(v.query[fieldDevice], p.DeviceID) || p.session != "" && slices.Contains(v.query[fieldSession], p.session) {
			named = append(named, p)
		}
	}
	return named
}
