package config

import (
	"net/url"
	"slices"
	"strings"
)

// callbackPath is where providers send people back to; the client id follows.
const callbackPath = "/_matrix/client/unstable/login/sso/callback/"

// issuers are the defaults of issuer_url.
var issuers = map[string]string{
	"github": "https://github.com",
	"gitlab": "https://gitlab.com",
	"google": "https://accounts.google.com",
}

// checkProvider fills in what depends on the brand, and looks at one identity
// provider as a whole.
func checkProvider(r *reader, n *node, path string) {
	p := r.draft.provider
	if p.Name == "" {
		p.Name = p.Brand
	}
	p.Brand = strings.ToLower(p.Brand)
	p.Scope = strings.Fields(strings.Join(p.Scope, " ")) // Tuwunel joins them too
	if len(p.Scope) == 0 {
		p.Scope = []string{"openid", "email", "profile"}
		if p.Brand == "mas" {
			p.Scope = []string{"openid"}
		}
	}
	if !n.has("issuer_url") {
		p.IssuerURL = issuers[p.Brand]
	}
	checkSources(r, n, path)
	checkTransport(r, n, path)
	checkCallbackURL(r, n, path)
	warnProvider(r, n, path)
}

// checkSources refuses a provider without the URLs that a login needs. GitHub
// has no discovery, and its URLs are known.
func checkSources(r *reader, n *node, path string) {
	p := r.draft.provider
	missing := func(key, why string) {
		if !n.has(key) {
			r.problem(n.place, join(path, key), refuse("is missing: %s", why))
		}
	}
	const without = "discovery = false needs it"
	switch {
	case p.Brand == "github" || p.Brand == "" && n.has("brand"):
	case p.Discovery:
		if p.IssuerURL == "" && !n.has("discovery_url") {
			missing("issuer_url", "only GitHub, GitLab and Google have a default")
		}
	default:
		missing("authorization_url", without)
		missing("token_url", without)
		if !n.has("userinfo_url") {
			missing("jwks_url", without+", or else userinfo_url")
		}
		if n.has("jwks_url") && p.IssuerURL == "" {
			missing("issuer_url", "ID tokens are verified against it")
		}
	}
}

// checkTransport warns of a way to the provider on which others can listen.
func checkTransport(r *reader, n *node, path string) {
	p := r.draft.provider
	for key, address := range map[string]string{
		"issuer_url":        p.IssuerURL,
		"discovery_url":     p.DiscoveryURL,
		"authorization_url": p.AuthorizationURL,
		"token_url":         p.TokenURL,
		"userinfo_url":      p.UserinfoURL,
		"jwks_url":          p.JWKSURL,
	} {
		if u, err := url.Parse(address); err == nil && address != "" && !protected(u) {
			r.warn(n.at(key), join(path, key), "is plain http: whoever is on the way to the provider can log in as anybody")
		}
	}
}

// checkCallback is the rule of callback_url.
func checkCallback(s string) error {
	if err := checkPlainURL(s); err != nil {
		return err
	}
	if u, err := url.Parse(s); err != nil || !protected(u) {
		return refuse(onlyLoopback)
	}
	return nil
}

// checkCallbackURL refuses a callback_url that this server does not answer, and
// warns of one that the browser's cookie does not come to.
func checkCallbackURL(r *reader, n *node, path string) {
	p, key := r.draft.provider, join(path, "callback_url")
	u, err := url.Parse(p.CallbackURL)
	if err != nil || p.CallbackURL == "" {
		return
	}
	if want := callbackPath + p.ClientID; u.Path != want && p.ClientID != "" {
		r.problem(n.at("callback_url"), key, refusal{"has a path that this server does not answer", u.Scheme + "://" + u.Host + want})
	}
	if issuer := r.draft.config.WellKnown.Client; issuer != "" && strings.TrimSuffix(issuer, "/") != u.Scheme+"://"+u.Host {
		r.warn(n.at("callback_url"), key, "is on another host or port than well_known.client: the login fails unless browsers reach both under one name")
	}
}

// warnProvider says which settings do not do what they seem to.
func warnProvider(r *reader, n *node, path string) {
	p := r.draft.provider
	warn := func(key, message string) { r.warn(n.at(key), join(path, key), message) }
	if !p.CheckCookie {
		warn("check_cookie", "has no effect: the cookie is always checked")
	}
	if n.has("client_secret") && p.ClientSecret == "" && p.ClientSecretFile == "" {
		warn("client_secret", "is empty: this server is a public client of the provider")
	}
	if len(p.UserIDClaims) > 1 && slices.Contains(p.UserIDClaims, "unique") {
		warn("userid_claims", `has "unique" in it: names are generated, and no other claim is read`)
	}
	if slices.Contains(p.ManagedClaims, ManagedPicture) && !r.draft.config.KeepsPictures() {
		warn("managed_claims", `has "picture" in it, which has no effect: no pictures are kept here`)
	}
	if len(p.AdminValues) > 0 && p.AdminClaim == "" {
		warn("admin_values", "has no effect without admin_claim")
	}
	if p.ProveWithoutAuthTime {
		warn("prove_without_auth_time", "is on: whoever sits at a browser that is signed in at this provider can reset encryption, link, unlink and close the account")
	}
	if p.Icon != "" && !mxcURI.MatchString(p.Icon) {
		warn("icon", "is not shown: it is not an mxc URI")
		p.Icon = ""
	}
}
