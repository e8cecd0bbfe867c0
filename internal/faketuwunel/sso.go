package faketuwunel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"keymaker/internal/secret"
)

const (
	redirectPath = "/_matrix/client/v3/login/sso/redirect/"
	callbackPath = "/_matrix/client/unstable/login/sso/callback/"
	cookieName   = "tuwunel_grant_session"
)

// login is one that waits for the identity provider.
type login struct{ to, verifier, cookie string }

// CallbackURL is the redirect URI of a client id.
func (s *Tuwunel) CallbackURL(clientID string) string { return s.url + callbackPath + clientID }

// redirect sends a browser to the provider.
func (s *Tuwunel) redirect(w http.ResponseWriter, r *http.Request) {
	provider := s.configured()
	endpoints, err := discover(r.Context(), provider.IssuerURL)
	if err != nil || strings.TrimPrefix(r.URL.Path, redirectPath) != provider.ClientID {
		problem(w, http.StatusForbidden, "M_FORBIDDEN")
		return
	}
	state, l := secret.Token(), login{to: r.URL.Query().Get("redirectUrl"), verifier: oauth2.GenerateVerifier(), cookie: secret.Token()}
	query := url.Values{
		"client_id": {provider.ClientID}, "state": {state}, "nonce": {secret.Token()}, "scope": {strings.Join(provider.Scope, " ")},
		"response_type": {"code"}, "access_type": {"online"}, "code_challenge_method": {"S256"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(l.verifier)}, "redirect_uri": {s.CallbackURL(provider.ClientID)},
	}
	s.mu.Lock()
	s.logins[state] = l
	s.mu.Unlock()
	w.Header().Set("Set-Cookie", cookieName+"="+l.cookie+"; Path="+callbackPath+provider.ClientID+"; HttpOnly; SameSite=Lax")
	w.Header().Set("Location", endpoints.Authorization+"?"+query.Encode())
	w.WriteHeader(http.StatusFound)
}

// callback takes the code, asks who it is, and sends the browser on with a login
// token. The ID token is not looked at: userinfo alone says who somebody is.
func (s *Tuwunel) callback(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	l, known := s.logins[r.URL.Query().Get("state")]
	s.mu.Unlock()
	cookie, err := r.Cookie(cookieName)
	if err != nil || !known || cookie.Value != l.cookie || r.URL.Query().Get("code") == "" {
		problem(w, http.StatusUnauthorized, "M_UNAUTHORIZED")
		return
	}
	name, err := s.identify(r.Context(), l, r.URL.Query().Get("code"))
	if err != nil {
		problem(w, http.StatusForbidden, "M_FORBIDDEN")
		return
	}
	w.Header().Set("Location", l.to+"?"+url.Values{"loginToken": {name}}.Encode())
	w.WriteHeader(http.StatusFound)
}

// identify exchanges the code, with the credentials in the form, and decides who
// has signed in.
func (s *Tuwunel) identify(ctx context.Context, l login, code string) (string, error) {
	provider := s.configured()
	endpoints, err := discover(ctx, provider.IssuerURL)
	if err != nil {
		return "", err
	}
	var token struct {
		Access string `json:"access_token"`
	}
	form := url.Values{"client_id": {provider.ClientID}, "client_secret": {provider.ClientSecret}, "grant_type": {"authorization_code"}, "code": {code},
		"code_verifier": {l.verifier}, "redirect_uri": {s.CallbackURL(provider.ClientID)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoints.Token, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := ask(request, &token); err != nil {
		return "", err
	}
	var claims map[string]any
	if request, err = http.NewRequestWithContext(ctx, http.MethodGet, endpoints.Userinfo, http.NoBody); err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+token.Access)
	if err := ask(request, &claims); err != nil {
		return "", err
	}
	if sub, _ := claims["sub"].(string); sub == "" {
		return "", errors.New("userinfo has no sub")
	}
	return s.decide(provider, claims)
}

// decide is whom the claims mean. Without trusted an existing name is nobody's.
func (s *Tuwunel) decide(provider Provider, claims map[string]any) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, claim := range []string{"preferred_username", "username", "nickname"} {
		name, _ := claims[claim].(string)
		name = strings.ToLower(name)
		if len(provider.UserIDClaims) > 0 && !slices.Contains(provider.UserIDClaims, claim) || !localpart.MatchString(name) {
			continue
		}
		switch exists := s.users[name] != nil; {
		case exists && provider.Trusted:
			return name, nil
		case !exists && provider.Registration:
			s.users[name] = &user{devices: map[string]string{}}
			return name, nil
		}
	}
	return "", errors.New("nobody is called so")
}

func (s *Tuwunel) configured() Provider {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.provider
}

// endpoints are what is taken from the provider's discovery document.
type endpoints struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Userinfo      string `json:"userinfo_endpoint"`
}

func discover(ctx context.Context, issuer string) (endpoints, error) {
	var found endpoints
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(issuer, "/")+"/.well-known/openid-configuration", http.NoBody)
	if err == nil {
		err = ask(request, &found)
	}
	if err == nil && strings.TrimRight(found.Issuer, "/") != strings.TrimRight(issuer, "/") {
		err = errors.New("it is another issuer")
	}
	return found, err
}

// ask reads a JSON object, which must be no error.
func ask(r *http.Request, into any) error {
	r.Header.Set("Accept", "application/json")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = a.Body.Close() }()
	if a.StatusCode < 200 || a.StatusCode > 299 {
		return fmt.Errorf("it answered %d", a.StatusCode)
	}
	return json.NewDecoder(a.Body).Decode(into)
}
