package handlers

import (
	"encoding/hex"
	"net/http"

	"keymaker/internal/secret"
	"keymaker/provider"
	"keymaker/store"
	"keymaker/templates"
)

// decision is a person's answer to the form of an approval.
type decision struct {
	browser, id, token string
	approved           bool
}

// readDecision reads the form of an approval. Whether it is authentic is to be
// asked once it is known who has signed in for the request.
func (s *Server) readDecision(w http.ResponseWriter, r *http.Request, lists ...string) (decision, error) {
	if err := readSingle(w, r, lists...); err != nil {
		return decision{}, err
	}
	d := decision{browser: s.cookies.knownBrowser(r), id: r.PostForm.Get(templates.FieldRequest), token: r.PostForm.Get(templates.FieldCSRF)}
	switch r.PostForm.Get(templates.FieldDecision) {
	case templates.DecisionApprove:
		d.approved = true
	case templates.DecisionCancel:
	default:
		return d, errMalformed
	}
	return d, nil
}

// formToken authenticates a form: it is of this browser and of this request,
// and was shown to this user. Who switches to another account in between must
// be asked again.
func (s *Server) formToken(browser, id string, l store.Login) string {
	return hex.EncodeToString(secret.MAC(s.FormKey, []byte("form"), []byte(browser), []byte(id), []byte(l.Localpart)))
}

// authentic tells whether the answered form is the one that was shown to the
// user who has signed in (conformance L-06, C-62).
func (s *Server) authentic(d decision, l store.Login) bool {
	return secret.Equal(d.token, s.formToken(d.browser, d.id, l))
}

// trustOwnForms prepares the protection of the forms. Our own origin is the
// public one: a reverse proxy may ask by another Host.
func (s *Server) trustOwnForms() error {
	s.forms = http.NewCrossOriginProtection()
	s.forms.SetDenyHandler(http.HandlerFunc(s.forged))
	if s.cookies.origin == "" {
		return nil
	}
	return s.forms.AddTrustedOrigin(s.cookies.origin)
}

// protectForms refuses a POST that comes from another site, by what the browser
// says of it (conformance L-06). The form's own token is checked by the page.
//
// A browser that does not send Sec-Fetch-Site says only from which origin it
// comes. That is measured against the public origin, never against the Host.
func (s *Server) protectForms(next http.Handler) http.Handler {
	protected := s.forms.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := r.Header.Get("Origin")
		if r.Method == http.MethodPost && r.Header.Get("Sec-Fetch-Site") == "" && from != "" && s.cookies.origin != "" && from != s.cookies.origin {
			s.forged(w, r)
			return
		}
		protected.ServeHTTP(w, r)
	})
}

// mayApprove shows a page and is true when the account is locked or
// deactivated, perhaps only since the sign-in (conformance C-67), or does too
// much at once (L-21). What is told to the client is a button on the page of an
// account.
func (s *Server) mayApprove(w http.ResponseWriter, r *http.Request, l store.Login, back ...provider.AuthorizationResponse) (stop bool) {
	if err := s.limitAccount(l.Localpart); err != nil {
		s.trouble(w, r, err)
		return true
	}
	user, err := s.Logins.User(r.Context(), l.Localpart)
	if err != nil {
		s.trouble(w, r, err)
		return true
	}
	page := accountPage(s.userID(l), user.Account)
	if page == nil {
		return false
	}
	for _, to := range back {
		page.Actions = append(page.Actions, returnTo(w, to))
	}
	s.fail(w, r, *page, nil)
	return true
}

// denial tells the client that the person gets no access.
func (s *Server) denial(p *provider.Pending) provider.AuthorizationResponse {
	return p.Refuse(s.Provider, "access_denied", "The account cannot be used.").To
}
