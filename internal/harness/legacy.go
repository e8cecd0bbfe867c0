package harness

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// LegacyRedirect is where the tests' legacy client is sent back to.
const LegacyRedirect = "https://app.example.com/legacy"

// LoginToken walks m.login.sso to the loginToken that a legacy client gets.
func (e *Env) LoginToken(b *Browser, user string) string {
	e.t().Helper()
	at := b.Visit("/_matrix/client/v3/login/sso/redirect/" + url.PathEscape(e.IDP.ClientID) + "?" + url.Values{"redirectUrl": {LegacyRedirect}}.Encode())
	end := b.Decide(b.SignIn(at, user), "approve")
	token := end.Location().Query().Get("loginToken")
	if end.StatusCode != http.StatusSeeOther || token == "" {
		e.t().Fatalf("legacy login: status %d at %s, on to %s:\n%s", end.StatusCode, end.Request.URL, end.Location(), end.HTML)
	}
	return token
}

// LogInLegacy logs a user in on a device by m.login.token, with a refresh token.
func (e *Env) LogInLegacy(user, device string) Tokens {
	e.t().Helper()
	body, err := json.Marshal(map[string]any{"type": "m.login.token", "token": e.LoginToken(e.NewBrowser(), user), "device_id": device, "refresh_token": true})
	if err != nil {
		e.t().Fatal(err)
	}
	a := e.Do(http.MethodPost, "/_matrix/client/v3/login", map[string]string{"Content-Type": "application/json"}, string(body))
	if a.Status != http.StatusOK {
		e.t().Fatalf("legacy login: status %d: %s", a.Status, a.Body)
	}
	return tokensOf("", a)
}
