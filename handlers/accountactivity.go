package handlers

import (
	"net/http"
	"net/url"

	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

const (
	// actionActivity is ours: MSC4191 has none for it.
	actionActivity = "activity"

	eventsPerPage = 25
	// maxEventPages bounds how far back a person can look at once.
	maxEventPages = 40
)

// ActivityURL is where a person sees what happened to their account, of the
// address of the account pages.
func ActivityURL(account string) string {
	return account + "?" + url.Values{fieldAction: {actionActivity}}.Encode()
}

// showActivity lists what happened to the account, newest first.
func (s *Server) showActivity(w http.ResponseWriter, r *http.Request, v visit) {
	number := v.page(maxEventPages)
	from := number * eventsPerPage
	events, err := s.Account.AuditEvents(r.Context(), v.login.Localpart, from+eventsPerPage+1)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	page := templates.AccountActivity{AccountFrame: s.frame(v, templates.SectionActivity)}
	page.Previous, page.Next = turns(actionActivity, number, len(events) > from+eventsPerPage && number < maxEventPages)
	events = events[min(from, len(events)):min(from+eventsPerPage, len(events))]
	if page.Events, err = s.inWords(r, v, events); err != nil {
		s.trouble(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, page)
}

// inWords tells of events with the names of today.
func (s *Server) inWords(r *http.Request, v visit, events []store.Event) ([]templates.ActivityEvent, error) {
	places, err := s.places(r, v)
	if err != nil {
		return nil, err
	}
	apps := s.apps(r)
	told := make([]templates.ActivityEvent, 0, len(events))
	for _, e := range events {
		line := templates.ActivityEvent{Action: e.Action, Actor: e.Actor, Reason: e.Reason, At: e.At, Device: e.DeviceID}
		if p := s.providerByID(e.Reason); p != nil {
			line.Provider = p.Config().Name
		}
		client, err := apps(e.ClientID)
		if err != nil {
			return nil, err
		}
		line.App = client.name
		for _, p := range places {
			if p.DeviceID != "" && p.DeviceID == e.DeviceID && p.Name != "" {
				line.Device = p.Name
			}
			if e.Action == store.ActionSessionStarted && p.session != "" && p.session == e.SessionID {
				line.EndURL = accountURL(provider.ActionDelete, fieldSession, p.session)
			}
		}
		told = append(told, line)
	}
	return told, nil
}
