package handlers

import (
	"maps"
	"net/http"
	"slices"

	"keymaker/provider"
	"keymaker/provider/redirect"
	"keymaker/templates"
)

// respond takes an answer to the client once a person has decided. An
// application on the device is opened by a link that the person follows: a
// browser may keep a redirect to it to itself (conformance C-27).
func (s *Server) respond(w http.ResponseWriter, r *http.Request, to provider.AuthorizationResponse) {
	if !to.OpensApp || to.Mode == provider.ModeFormPost {
		s.redirect(w, r, to)
		return
	}
	page := templates.Notice{Kind: templates.NoticeContinue, Actions: []templates.Action{{Kind: templates.ActionContinue, URL: to.URL()}}}
	if to.Params.Has("error") {
		page = templates.Notice{Kind: templates.NoticeRefused, Actions: []templates.Action{returnTo(w, to)}}
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	s.show(w, r, http.StatusOK, page)
}

// redirect sends the browser back to the client with an answer, in the response
// mode that the client asked for (conformance C-20, C-21).
func (s *Server) redirect(w http.ResponseWriter, r *http.Request, to provider.AuthorizationResponse) {
	origin := redirect.Origin(to.RedirectURI)
	if to.Mode != provider.ModeFormPost {
		// Browsers apply the policy of a form to where its answer redirects.
		w.Header().Set("Content-Security-Policy", templates.Policy(origin))
		seeOther(w, to.URL())
		return
	}
	w.Header().Set("Content-Security-Policy", templates.Policy(origin)+"; script-src 'self'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	s.show(w, r, http.StatusOK, templates.FormPost{URL: to.RedirectURI, Fields: fieldsOf(to)})
}

// returnTo is a button that takes an answer to the client once a person presses
// it (conformance C-2A). It belongs on the page that answers with w.
func returnTo(w http.ResponseWriter, to provider.AuthorizationResponse) templates.Action {
	if to.Mode != provider.ModeFormPost {
		return templates.Action{Kind: templates.ActionReturn, URL: to.URL()}
	}
	w.Header().Set("Content-Security-Policy", templates.Policy(redirect.Origin(to.RedirectURI)))
	return templates.Action{Kind: templates.ActionReturn, URL: to.RedirectURI, Fields: fieldsOf(to)}
}

// fieldsOf are the parameters of an answer as the fields of a form.
func fieldsOf(to provider.AuthorizationResponse) []templates.Field {
	var fields []templates.Field
	for _, name := range slices.Sorted(maps.Keys(to.Params)) {
		fields = append(fields, templates.Field{Name: name, Value: to.Params.Get(name)})
	}
	return fields
}
