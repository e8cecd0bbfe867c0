package demoidp

import (
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// authRequest is an authorization request on its way to a token. It implements
// op.AuthRequest. It is never changed: progress is a new value in the map.
type authRequest struct {
	oidc.AuthRequest
	id      string
	created time.Time
	hint    string // the subject of the id_token_hint
	browser string // the cookie of the browser that was shown the form
	subject string // who signed in; "" = nobody yet
	// authTime is when; behind is how far the provider's clock is behind the
	// machine's at the time of asking.
	authTime time.Time
	behind   time.Duration
}

func (r *authRequest) GetID() string         { return r.id }
func (r *authRequest) GetACR() string        { return "" }
func (r *authRequest) GetAMR() []string      { return nil }
func (r *authRequest) GetAudience() []string { return []string{r.ClientID} }
func (r *authRequest) GetClientID() string   { return r.ClientID }
func (r *authRequest) GetNonce() string      { return r.Nonce }
func (r *authRequest) GetScopes() []string   { return r.Scopes }
func (r *authRequest) GetSubject() string    { return r.subject }
func (r *authRequest) Done() bool            { return r.subject != "" }

// GetAuthTime is ahead by what the library will take off again (the client's
// clock skew), and half a second more, so that the moment between the two
// readings of the clock does not show once it is cut to seconds.
func (r *authRequest) GetAuthTime() time.Time {
	return r.authTime.Truncate(time.Second).Add(time.Second / 2).Add(r.behind)
}

func (r *authRequest) GetCodeChallenge() *oidc.CodeChallenge {
	if r.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: r.CodeChallenge, Method: r.CodeChallengeMethod}
}

func (r *authRequest) prompts(value string) bool { return slices.Contains(r.Prompt, value) }

// silent says whether a session answers the request without a form.
func (r *authRequest) silent(s session, now time.Time) bool {
	switch {
	case s.subject == "", r.hint != "" && r.hint != s.subject:
		return false
	case r.prompts(oidc.PromptLogin), r.prompts(oidc.PromptSelectAccount):
		return false
	}
	return r.MaxAge == nil || now.Sub(s.authTime) < time.Duration(*r.MaxAge)*time.Second
}

// accessToken is good for userinfo until it expires.
type accessToken struct {
	subject string
	scopes  []string
	expires time.Time
}

// session is a browser in which somebody has signed in.
type session struct {
	subject  string
	authTime time.Time
}
