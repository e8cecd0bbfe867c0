package journey

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"keymaker/internal/demo/browser"
	"keymaker/internal/demo/matrixclient"
)

// What the client registers. It is a native one, so it may be sent back to any
// port of the loopback address; nothing listens there, because the browser
// stops before it.
const (
	clientName   = "Keymaker journey"
	clientHost   = "demo.example"
	callbackPath = "/callback"
	redirectURI  = "http://127.0.0.1:8642" + callbackPath
)

func (j *journey) metadata(ctx context.Context) (string, error) {
	var err error
	j.client, err = matrixclient.Discover(ctx, matrixclient.Options{
		Issuer: j.Issuer, HTTP: &http.Client{Transport: j.Transport}, Clock: j.Clock,
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("issuer %s, %d equal documents", j.Issuer, len(matrixclient.MetadataPaths)), nil
}

func (j *journey) registration(ctx context.Context) (string, error) {
	err := j.client.Register(ctx, matrixclient.Native(clientName, "https://"+clientHost+"/", callbackPath))
	if err != nil {
		return "", err
	}
	return "201, client_id " + j.client.ID, nil
}

// authorization sends a browser that nobody has used to the authorization
// endpoint. It must arrive at the identity provider's login form, carrying what
// protects the sign-in there.
func (j *journey) authorization(ctx context.Context) (string, error) {
	j.attempt = j.client.Authorize(j.deviceID, redirectURI)
	j.browser = browser.New(j.Transport, redirectURI)
	if err := j.arrive(j.browser.Open(ctx, j.client.URL(j.attempt))); err != nil {
		return "", err
	}
	left := slices.IndexFunc(j.page.Trail, func(u *url.URL) bool { return !j.onServer(u) })
	if left < 0 || j.page.Status != http.StatusOK || j.page.Form("username") == nil {
		return "", fmt.Errorf("expected the login form of the identity provider, got %s", describe(j.page))
	}
	query := j.page.Trail[left].Query()
	switch {
	case query.Get("state") == "", query.Get("nonce") == "", query.Get("code_challenge") == "":
		return "", errors.New("expected state, nonce and code_challenge on the way to the identity provider, and one is missing")
	case query.Get("code_challenge_method") != "S256":
		return "", fmt.Errorf("expected code_challenge_method S256 on the way to the identity provider, got %q", query.Get("code_challenge_method"))
	}
	return "with PKCE S256, to the login form of http://" + j.page.URL.Host, nil
}

// signIn fills in the provider's form. The browser must come back to the server.
func (j *journey) signIn(ctx context.Context) (string, error) {
	form := j.page.Form("username")
	form.Values.Set("username", j.Username)
	if err := j.arrive(j.browser.Submit(ctx, j.page, form)); err != nil {
		return "", err
	}
	if !j.onServer(j.page.URL) || j.page.Status != http.StatusOK || j.page.Form("decision") == nil {
		return "", fmt.Errorf("expected the consent page of the server, got %s", describe(j.page))
	}
	return "as " + j.Username + " at the identity provider, and back at the server", nil
}

// consent reads the page as a person would, and approves (conformance C-60).
func (j *journey) consent(ctx context.Context) (string, error) {
	text := j.page.Text()
	for _, named := range []struct{ what, text string }{
		{"the client", clientName}, {"the client's host", clientHost}, {"the account", "@" + j.Username + ":"}, {"the device", j.deviceID},
	} {
		if !strings.Contains(text, named.text) {
			return "", fmt.Errorf("expected the page to name %s, %s, and it does not", named.what, named.text)
		}
	}
	form := j.page.Form("decision")
	form.Values.Set("decision", "approve")
	if err := j.arrive(j.browser.Submit(ctx, j.page, form)); err != nil {
		return "", err
	}
	if j.page.Location == nil || !strings.HasPrefix(j.page.Location.String(), redirectURI+"?") {
		return "", fmt.Errorf("expected a redirect to %s, got %s", redirectURI, describe(j.page))
	}
	if j.page.Status != http.StatusSeeOther && j.page.Status != http.StatusFound {
		return "", fmt.Errorf("expected a redirect by 302 or 303, got %d", j.page.Status)
	}
	return fmt.Sprintf("names %s, %s, @%s and device %s; approved", clientName, clientHost, j.Username, j.deviceID), nil
}

func (j *journey) code(context.Context) (string, error) {
	var err error
	j.granted, err = j.client.Code(j.attempt, j.page.Location.Query())
	return "came back with our state and the server's iss", err
}

func (j *journey) exchange(ctx context.Context) (string, error) {
	t, err := j.client.Exchange(ctx, j.attempt, j.granted)
	if err != nil {
		return "", err
	}
	for _, token := range []string{"openid", matrixclient.ScopeAPI, matrixclient.ScopeDevicePrefix + j.deviceID} {
		if !slices.Contains(t.Scope, token) {
			return "", fmt.Errorf("expected %s in the granted scope, got %v", token, t.Scope)
		}
	}
	j.tokens = t
	return describeTokens(t) + ", scope " + strings.Join(t.Scope, " "), nil
}

func (j *journey) idToken(ctx context.Context) (string, error) {
	subject, err := j.client.Identity(ctx, j.attempt, j.tokens)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(subject, "@"+j.Username+":") {
		return "", fmt.Errorf("expected the Matrix user %s as the subject, got %q", j.Username, subject)
	}
	if j.userID != "" && subject != j.userID {
		return "", fmt.Errorf("expected the same subject as before, %s, got %q", j.userID, subject)
	}
	j.userID = subject
	return "ES256, verified against the JWKS, with our nonce, for " + subject, nil
}

// login walks all of a login at once, on the same device as before.
func (j *journey) login(ctx context.Context) error {
	for _, walk := range []func(context.Context) (string, error){
		j.authorization, j.signIn, j.consent, j.code, j.exchange, j.idToken, j.whoami,
	} {
		if _, err := walk(ctx); err != nil {
			return err
		}
	}
	return nil
}

// arrive keeps the page at which the browser has ended.
func (j *journey) arrive(p *browser.Page, err error) error {
	j.page = p
	return err
}

// onServer tells whether an address belongs to the server.
func (j *journey) onServer(u *url.URL) bool {
	return strings.HasPrefix(u.String(), strings.TrimSuffix(j.Issuer, "/")+"/")
}

// describe says where the browser is, without the query, which may hold a code.
func describe(p *browser.Page) string {
	at := fmt.Sprintf("status %d at %s://%s%s", p.Status, p.URL.Scheme, p.URL.Host, p.URL.Path)
	if p.Location != nil {
		return at + " with a redirect to " + p.Location.Host + p.Location.Path
	}
	if text := []rune(p.Text()); len(text) > 0 {
		return at + ": " + string(text[:min(len(text), 200)])
	}
	return at
}
