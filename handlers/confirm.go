package handlers

import (
	"net/http"
	"net/url"
	"strings"

	"keymaker/store"
	"keymaker/templates"
)

// confirmPath lies below /login, so that a reverse proxy that sends the legacy
// login here sends this too.
const confirmPath = "/_matrix/client/unstable/login/sso/confirm"

// confirmLogin asks before a login token leaves for the legacy client's
// redirectUrl (conformance I-06).
func (s *Server) confirmLogin(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get(templates.FieldRequest)
	browser := s.cookies.knownBrowser(r)
	target, login, err := s.Provider.PendingSSO(r.Context(), browser, id)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	w.Header().Set("Content-Security-Policy", templates.Policy(formTarget(target)))
	s.show(w, r, http.StatusOK, templates.ConfirmLogin{
		Form:        templates.Form{Action: confirmPath, CSRFToken: s.formToken(browser, id, login), RequestID: id},
		RedirectURL: target, UserID: s.userID(login), SwitchURL: asAnother(startURL(login.ProviderID, id)),
	})
}

// answerLogin takes the person's answer, once.
func (s *Server) answerLogin(w http.ResponseWriter, r *http.Request) {
	d, err := s.readDecision(w, r)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	target, login, err := s.Provider.PendingSSO(r.Context(), d.browser, d.id)
	switch {
	case err != nil:
		s.trouble(w, r, err)
	case !s.authentic(d, login):
		s.forged(w, r)
	case d.approved:
		s.approveLogin(w, r, d, target, login)
	default:
		s.denyLogin(w, r, d)
	}
}

func (s *Server) denyLogin(w http.ResponseWriter, r *http.Request, d decision) {
	if err := s.Provider.DenySSO(r.Context(), d.browser, d.id); err != nil {
		s.trouble(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, templates.Notice{Kind: templates.NoticeCancelled})
}

func (s *Server) approveLogin(w http.ResponseWriter, r *http.Request, d decision, target string, login store.Login) {
	if stop := s.mayApprove(w, r, login); stop {
		return
	}
	token, err := s.Provider.ApproveSSO(r.Context(), d.browser, d.id, login)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	w.Header().Set("Content-Security-Policy", templates.Policy(formTarget(target)))
	seeOther(w, withLoginToken(target, token))
}

// withLoginToken adds the token to the query and leaves everything else of the
// URL as it was, but for login tokens that it came with (conformance I-07).
func withLoginToken(target, token string) string {
	rest, fragment, hasFragment := strings.Cut(target, "#")
	base, query, _ := strings.Cut(rest, "?")
	var kept []string
	for _, pair := range strings.Split(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); pair != "" && (err != nil || decoded != "loginToken") {
			kept = append(kept, pair)
		}
	}
	kept = append(kept, "loginToken="+url.QueryEscape(token))
	out := base + "?" + strings.Join(kept, "&")
	if hasFragment {
		out += "#" + fragment
	}
	return out
}

// formTarget is the source in a Content-Security-Policy that lets the answer of
// the form redirect to a redirectUrl that was accepted. The policy cannot name
// an IPv6 address.
func formTarget(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	if (u.Scheme == "http" || u.Scheme == "https") && !strings.Contains(u.Host, "[") {
		return u.Scheme + "://" + u.Host
	}
	return u.Scheme + ":"
}
