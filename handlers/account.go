package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"keymaker/provider"
	"keymaker/provider/loginhint"
	"keymaker/store"
	"keymaker/templates"
)

const (
	accountPath = oidc + "/account"

	// fieldAction names what a deep link is for (MSC4191), and fieldDevice the
	// device that it is about.
	fieldAction = "action"
	fieldDevice = "device_id"
	// fieldHint is whom a deep link is meant for (MSC4198).
	fieldHint = "org.matrix.msc4198.login_hint"
)

// Account is what the account pages ask for.
type Account interface {
	LiveSessions(ctx context.Context, localpart string) ([]store.LiveSession, error)
	IdleDevices(ctx context.Context, localpart string) ([]store.Device, error)
	RenameDevice(ctx context.Context, localpart, deviceID, displayName string) error
	EndPlaces(ctx context.Context, localpart string, p store.Places) error
	SignOutElsewhere(ctx context.Context, l store.Login, cookie string) error
	KnowSignIns(ctx context.Context, localpart string, until time.Time) error
	UpstreamLinks(ctx context.Context, localpart string) ([]store.UpstreamLink, error)
	SetDisplayName(ctx context.Context, localpart, name, actor string) (changed bool, err error)
	AuditEvents(ctx context.Context, localpart string, limit int) ([]store.Event, error)
	BeginLink(ctx context.Context, browser string, p store.PendingLink, expires time.Time) (id string, err error)
	PendingLink(ctx context.Context, browser, id string) (store.PendingLink, error)
	EndLink(ctx context.Context, browser, id string) error
	LinkProven(ctx context.Context, k store.ProofKey, id string, p store.PendingLink) error
	UnlinkProven(ctx context.Context, k store.ProofKey, l store.UpstreamLink) error
	TakeProof(ctx context.Context, k store.ProofKey) (store.Login, error)
	CloseAccount(ctx context.Context, k store.ProofKey, erase bool) error
}

// visit is a person who looks at their account.
type visit struct {
	login store.Login
	// browser is the cookie that ties the forms to this browser.
	browser string
	query   url.Values
}

// accountAction is a page of the account, by the names under which links ask
// for it.
type accountAction struct {
	names []string
	show  func(w http.ResponseWriter, r *http.Request, v visit)
}

// accountActions are the pages beside the home (conformance H-02).
func (s *Server) accountActions() []accountAction {
	return []accountAction{
		{[]string{provider.ActionDevicesList, "org.matrix.sessions_list", "sessions_list"}, s.showSessions},
		{[]string{provider.ActionDeviceView, "org.matrix.session_view", "session_view"}, s.showSession},
		{[]string{provider.ActionDelete, "org.matrix.session_end", "session_end"}, s.askEnd},
		{[]string{provider.ActionProfile, "profile"}, s.showProfile},
		{[]string{provider.ActionDeactivate, "account_deactivate"}, s.askDeactivate},
		{[]string{actionLinks}, s.showLinks},
		{[]string{actionUnlink}, s.askUnlink},
		{[]string{actionActivity}, s.showActivity},
		{[]string{provider.ActionCrossSigningReset}, s.accountReset},
	}
}

// account shows a person their account: the page that the link asks for, or its
// home (MSC4191; conformance H-01, H-02).
func (s *Server) account(w http.ResponseWriter, r *http.Request) {
	query, err := readQuery(r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	if id := query.Get(fieldUIA); id != "" && query.Get(fieldAction) == provider.ActionCrossSigningReset {
		s.resetLink(w, r, id)
		return
	}
	login, err := s.Logins.BrowserSession(r.Context(), s.cookies.session(r))
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && query.Get(fieldSwitch) != "":
		s.signInTo(w, r, accountPath, query)
		return
	case err != nil:
		s.trouble(w, r, err)
		return
	}
	if stop := s.mayApprove(w, r, login); stop {
		return
	}
	if wanted := s.hinted(query); wanted.Localpart != "" && wanted.Localpart != login.Localpart {
		s.show(w, r, http.StatusOK, s.switchPage(login, wanted, query))
		return
	}
	v := visit{login: login, browser: s.cookies.browser(w, r), query: query}
	for _, a := range s.accountActions() {
		if slices.Contains(a.names, query.Get(fieldAction)) {
			a.show(w, r, v)
			return
		}
	}
	s.showHome(w, r, v)
}

// hinted is whom a deep link is meant for; the zero value for anybody.
func (s *Server) hinted(query url.Values) store.Login {
	return store.Login{Localpart: loginhint.Parse(query.Get(fieldHint), s.Config.ServerName).Localpart}
}

// switchPage asks whom a link is not meant for who they want to be (conformance
// H-11).
func (s *Server) switchPage(login, wanted store.Login, query url.Values) templates.SwitchAccount {
	page := templates.SwitchAccount{UserID: s.userID(login), Wanted: s.userID(wanted), SwitchURL: asAnother(withQuery(accountPath, query))}
	query.Del(fieldHint)
	page.StayURL = withQuery(accountPath, query)
	return page
}

// accountURL is an account page, with what it is about in pairs of a name and a
// value.
func accountURL(action string, about ...string) string {
	query := url.Values{}
	if action != "" {
		query.Set(fieldAction, action)
	}
	for pair := range slices.Chunk(about, 2) {
		query.Add(pair[0], pair[1])
	}
	return withQuery(accountPath, query)
}

// frame is what the account pages share.
func (s *Server) frame(v visit, current templates.Section) templates.AccountFrame {
	return templates.AccountFrame{UserID: s.userID(v.login), SwitchURL: asAnother(withQuery(accountPath, v.query)), Current: current,
		Sections: []templates.SectionLink{
			{Section: templates.SectionHome, URL: accountURL("")},
			{Section: templates.SectionSessions, URL: accountURL(provider.ActionDevicesList)},
			{Section: templates.SectionProfile, URL: accountURL(provider.ActionProfile)},
			{Section: templates.SectionLinks, URL: accountURL(actionLinks)},
			{Section: templates.SectionActivity, URL: accountURL(actionActivity)},
			{Section: templates.SectionReset, URL: accountURL(provider.ActionCrossSigningReset)},
		}}
}

// accountForm is a form of an account page. What it is about is authenticated
// with it: what a person agrees to is what they were shown.
func (s *Server) accountForm(v visit, about url.Values) templates.Form {
	id := about.Encode()
	return templates.Form{Action: accountPath, CSRFToken: s.formToken(v.browser, id, v.login), RequestID: id}
}

// showHome shows the account itself, and the sign-ins that the person may not
// know of.
func (s *Server) showHome(w http.ResponseWriter, r *http.Request, v visit) {
	page := templates.AccountHome{AccountFrame: s.frame(v, templates.SectionHome), Provider: s.providerName(v.login.ProviderID)}
	user, err := s.Logins.User(r.Context(), v.login.Localpart)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	places, err := s.places(r, v)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	for _, p := range places {
		if s.isNews(user, p) {
			page.SignIns = append(page.SignIns, p.Place)
		}
	}
	page.CloseURL = accountURL(provider.ActionDeactivate)
	page.SignOut = s.accountForm(v, url.Values{fieldDo: {doSignOut}})
	page.Known = s.accountForm(v, url.Values{fieldDo: {doKnow}, fieldUntil: {formatMilli(s.Clock.Now())}})
	s.show(w, r, http.StatusOK, page)
}

// providerName is what the administrator calls a provider; its id when it is not
// configured any more.
func (s *Server) providerName(id string) string {
	if p := s.providerByID(id); p != nil {
		return p.Config().Name
	}
	return id
}
