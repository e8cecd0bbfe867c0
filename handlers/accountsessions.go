package handlers

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

const (
	// fieldSession names a session that has no device.
	fieldSession = "session_id"
	// fieldOthers asks about everything but this browser.
	fieldOthers = "others"

	// placesPerPage keeps a page small.
	placesPerPage = 20
)

// showSessions lists where the account is in use.
func (s *Server) showSessions(w http.ResponseWriter, r *http.Request, v visit) {
	s.listSessions(w, r, v, http.StatusOK)
}

// listSessions lists them with another status, for a link to what is not there
// (conformance H-05).
func (s *Server) listSessions(w http.ResponseWriter, r *http.Request, v visit, status int) {
	places, err := s.places(r, v)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	page := templates.AccountSessions{AccountFrame: s.frame(v, templates.SectionSessions), Gone: status != http.StatusOK,
		Form: s.accountForm(v, url.Values{fieldDo: {doChoose}})}
	for _, p := range places {
		if !p.ThisBrowser && !p.SignedOut {
			page.OthersURL = accountURL(provider.ActionDelete, fieldOthers, "1")
		}
	}
	last := max(0, (len(places)-1)/placesPerPage)
	number := v.page(last)
	page.Previous, page.Next = turns(provider.ActionDevicesList, number, number < last)
	for _, p := range places[number*placesPerPage : min(len(places), (number+1)*placesPerPage)] {
		page.Places = append(page.Places, p.Place)
	}
	s.show(w, r, status, page)
}

// named are the places that a link is about. Without one the list is shown, and
// they are nil.
func (s *Server) named(w http.ResponseWriter, r *http.Request, v visit) []place {
	if len(v.query[fieldDevice])+len(v.query[fieldSession]) == 0 {
		s.showSessions(w, r, v)
		return nil
	}
	places, err := s.places(r, v)
	if err != nil {
		s.trouble(w, r, err)
		return nil
	}
	named := chosen(places, v)
	if len(named) == 0 {
		s.listSessions(w, r, v, http.StatusNotFound)
	}
	return named
}

// showSession shows one place.
func (s *Server) showSession(w http.ResponseWriter, r *http.Request, v visit) {
	named := s.named(w, r, v)
	if len(named) == 0 {
		return
	}
	s.show(w, r, http.StatusOK, templates.AccountSession{AccountFrame: s.frame(v, templates.SectionSessions), Place: named[0].Place,
		Form: s.accountForm(v, url.Values{fieldDo: {doRename}, fieldDevice: {named[0].DeviceID}})})
}

// askEnd asks whether places are to end: one, those that were chosen, or all but
// this browser's. It ends none (conformance H-04).
func (s *Server) askEnd(w http.ResponseWriter, r *http.Request, v visit) {
	page := templates.EndSessions{AccountFrame: s.frame(v, templates.SectionSessions)}
	if v.query.Get(fieldOthers) != "" {
		page.Others, page.Form = true, s.accountForm(v, url.Values{fieldDo: {doEndOthers}})
		s.show(w, r, http.StatusOK, page)
		return
	}
	named := s.named(w, r, v)
	if len(named) == 0 {
		return
	}
	about := url.Values{fieldDo: {doEnd}}
	for _, p := range named {
		page.Places = append(page.Places, p.Place)
		if p.session != "" {
			about.Add(fieldSession, p.session)
		} else {
			about.Add(fieldDevice, p.DeviceID)
		}
	}
	page.Form = s.accountForm(v, about)
	s.show(w, r, http.StatusOK, page)
}

// chooseSessions leads from the list to the question about the chosen places.
func (s *Server) chooseSessions(w http.ResponseWriter, r *http.Request, _ visit, _ url.Values) {
	var about []string
	for _, key := range r.PostForm[templates.FieldPlace] {
		name, id, _ := strings.Cut(key, "=")
		if name == fieldDevice || name == fieldSession {
			about = append(about, name, id)
		}
	}
	if len(about) == 0 {
		seeOther(w, accountURL(provider.ActionDevicesList))
		return
	}
	seeOther(w, accountURL(provider.ActionDelete, about...))
}

// rename gives a device of the person another name.
func (s *Server) rename(w http.ResponseWriter, r *http.Request, v visit, about url.Values) {
	name := templates.CleanText(r.PostForm.Get(templates.FieldName))
	if len([]rune(name)) > maxDisplayName {
		s.trouble(w, r, errMalformed)
		return
	}
	device := about.Get(fieldDevice)
	if err := s.Account.RenameDevice(r.Context(), v.login.Localpart, device, name); err != nil {
		s.accountTrouble(w, r, v, err)
		return
	}
	seeOther(w, accountURL(provider.ActionDeviceView, fieldDevice, device))
}

// end ends the places that the person was shown.
func (s *Server) end(w http.ResponseWriter, r *http.Request, v visit, about url.Values) {
	err := s.Account.EndPlaces(r.Context(), v.login.Localpart, store.Places{Sessions: about[fieldSession], Devices: about[fieldDevice]})
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, accountURL(provider.ActionDevicesList))
}

// endOthers ends everything but what is this browser's.
func (s *Server) endOthers(w http.ResponseWriter, r *http.Request, v visit, _ url.Values) {
	v.login.BrowserHash = browserHash(v.browser)
	if err := s.Account.SignOutElsewhere(r.Context(), v.login, s.cookies.session(r)); err != nil {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, accountURL(provider.ActionDevicesList))
}

// know notes that the person knows of the sign-ins that they were shown.
func (s *Server) know(w http.ResponseWriter, r *http.Request, v visit, about url.Values) {
	until, err := strconv.ParseInt(about.Get(fieldUntil), 10, 64)
	if err != nil {
		s.trouble(w, r, errMalformed)
		return
	}
	if err := s.Account.KnowSignIns(r.Context(), v.login.Localpart, time.UnixMilli(until)); err != nil {
		s.trouble(w, r, err)
		return
	}
	seeOther(w, accountURL(""))
}

func formatMilli(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
