package config

import (
	"time"

	"keymaker/internal/secret"
)

// providerOptions are the keys of [[global.identity_provider]], with Tuwunel's
// names, meanings and defaults; jwks_url is ours.
var providerOptions = []option{
	{
		key: "brand", required: true, sample: "Keycloak", shown: true,
		takes: text(func(d *draft) *string { return &d.provider.Brand }, checkBrand),
		doc: "The software or the service, in any case of letters. GitHub, GitLab and Google need no issuer_url; " +
			"GitHub is spoken to in its own way; MAS is asked for the scope openid alone. Any other name is a provider of OpenID Connect. " +
			"Apple, Facebook and Twitter are not yet supported.",
	},
	{
		key: "client_id", required: true, sample: "keymaker", shown: true,
		takes: text(func(d *draft) *string { return &d.provider.ClientID }, checkClientID),
		doc: "The client id that the provider knows this server by. It is the provider's id here too, and part of the callback URL: " +
			"each block has another one, and it can never be changed.",
	},
	{
		key: "client_secret", sample: "a long random text",
		takes: clientSecret(),
		doc:   "The secret that the provider gave with the client id. Without one, this server is a public client.",
	},
	{
		key: "client_secret_file", inline: "client_secret", sample: "/etc/keymaker/keycloak_secret",
		takes: clientSecretFile(),
		doc:   "The same, read from a file at each login, so that it can be replaced without a restart.",
	},
	{
		key: "issuer_url", sample: "https://sso.example.com/realms/main", shown: true,
		takes: text(func(d *draft) *string { return &d.provider.IssuerURL }, checkPlainURL),
		doc: "The provider's issuer, as its discovery document says it; one slash more or less at the end does not matter. " +
			"It can never be changed: people are known by it. GitHub, GitLab and Google have a default.",
	},
	{
		key: "callback_url", sample: "https://matrix.example.com/_matrix/client/unstable/login/sso/callback/keymaker",
		takes: text(func(d *draft) *string { return &d.provider.CallbackURL }, checkCallback),
		doc: "The redirect URI that the provider knows. By default it is made of well_known.client: " +
			"/_matrix/client/unstable/login/sso/callback/ and the client id.",
	},
	{
		key: "default", fallback: false,
		takes: flag(func(d *draft) *bool { return &d.provider.Default }),
		doc: "Whether a client that names no provider is sent to this one, instead of asking the person. " +
			"One provider at most; the only one needs no such setting.",
	},
	{
		key: "name", sample: "Example Inc.",
		takes: free(func(d *draft) *string { return &d.provider.Name }),
		doc:   "What people see. By default the brand.",
	},
	{
		key: "icon", sample: "mxc://example.com/keycloak",
		takes: free(func(d *draft) *string { return &d.provider.Icon }),
		doc:   "An image for the button, as an mxc URI.",
	},
	{
		key: "scope", sample: []string{"openid", "email", "profile"},
		takes: texts(func(d *draft) *[]string { return &d.provider.Scope }, checkScope),
		doc:   "What the provider is asked for. By default openid, email and profile, and openid alone for the brand MAS.",
	},
	{
		key: "userid_claims", fallback: []string{},
		takes: texts(func(d *draft) *[]string { return &d.provider.UserIDClaims }, checkClaim),
		doc: "Which claims may name a new user. The first that does decides, in this order: sub (only if it is listed here), " +
			"preferred_username, username, nickname, login (GitHub's), and what stands before the @ of email. Empty: all of them but sub, and email only if " +
			`the provider has verified it. ["unique"] alone: names are generated.`,
	},
	{
		key: "managed_claims", fallback: []string{},
		takes: texts(func(d *draft) *[]string { return &d.provider.ManagedClaims }, checkManaged),
		doc: "What of a user is the provider's to say: name, email, picture. It is taken again at each sign-in, and nobody changes it here. " +
			"Of the others the first sign-in decides, and the display name and the picture are the person's own from then on. Behind Synapse the picture is Synapse's.",
	},
	{
		key: "admin_claim", sample: "groups",
		takes: text(func(d *draft) *string { return &d.provider.AdminClaim }, checkAdminClaim),
		doc: "The claim that marks who administers the homeserver, as admin_users does: its name, or a JSON Pointer to what is in it " +
			"(/resource_access/keymaker/roles). It is read at each sign-in through this provider.",
	},
	{
		key: "admin_values", fallback: []string{},
		takes: texts(func(d *draft) *[]string { return &d.provider.AdminValues }, checkAdminValue),
		doc: "What marks: the claim is one of these, or a list with one of them, or an object with one of them as a key. " +
			"Empty: the claim has to be true.",
	},
	{
		key: "trusted", fallback: false,
		takes: flag(func(d *draft) *bool { return &d.provider.Trusted }),
		doc: "Whether a person whose claims name an existing user becomes that user. " +
			"Only for a provider that you run yourself: elsewhere people choose their own names.",
	},
	{
		key: "unique_id_fallbacks", fallback: true,
		takes: flag(func(d *draft) *bool { return &d.provider.UniqueIDFallbacks }),
		doc:   "Whether a person whose name is taken gets a generated one. With false they see a page that says so.",
	},
	{
		key: "registration", fallback: true,
		takes: flag(func(d *draft) *bool { return &d.provider.Registration }),
		doc:   "Whether people who have no user yet get one.",
	},
	{
		key: "base_path", sample: "auth/",
		takes: free(func(d *draft) *string { return &d.provider.BasePath }),
		doc:   "What stands between the issuer and /.well-known/openid-configuration, for a provider that does not keep to the specification.",
	},
	providerURL("discovery_url", "The whole URL of the discovery document, for such a provider.",
		"https://sso.example.com/realms/main/.well-known/openid-configuration", func(d *draft) *string { return &d.provider.DiscoveryURL }),
	providerURL("authorization_url", "Where people sign in, instead of what discovery says.",
		"https://sso.example.com/authorize", func(d *draft) *string { return &d.provider.AuthorizationURL }),
	providerURL("token_url", "Where codes are exchanged, instead of what discovery says.",
		"https://sso.example.com/token", func(d *draft) *string { return &d.provider.TokenURL }),
	providerURL("revocation_url", "Where tokens are revoked, instead of what discovery says.",
		"https://sso.example.com/revoke", func(d *draft) *string { return &d.provider.RevocationURL }),
	providerURL("introspection_url", "Where tokens are looked up, instead of what discovery says.",
		"https://sso.example.com/introspect", func(d *draft) *string { return &d.provider.IntrospectionURL }),
	providerURL("userinfo_url", "Where claims are read, instead of what discovery says.",
		"https://sso.example.com/userinfo", func(d *draft) *string { return &d.provider.UserinfoURL }),
	providerURL("jwks_url", "Where the keys are that verify ID tokens, instead of what discovery says.",
		"https://sso.example.com/jwks", func(d *draft) *string { return &d.provider.JWKSURL }),
	{
		key: "discovery", fallback: true,
		takes: flag(func(d *draft) *bool { return &d.provider.Discovery }),
		doc: "Whether the provider's discovery document is read. With false the issuer is never asked, and authorization_url, token_url " +
			"and one of jwks_url and userinfo_url must be set: jwks_url verifies ID tokens, and without it userinfo_url says who somebody is.",
	},
	{
		key: "grant_session_duration", fallback: int64(300),
		takes: seconds(1, func(d *draft) *time.Duration { return &d.provider.GrantSessionDuration }),
		doc:   "How long a person may take to sign in at the provider.",
	},
	{
		key: "check_cookie", fallback: true,
		takes: flag(func(d *draft) *bool { return &d.provider.CheckCookie }),
		doc:   "Without effect: the cookie is always checked, since without it a link could log people in as somebody else.",
	},
	{
		key: "extra_authorization_parameters", sample: map[string]string{"prompt": "login"},
		takes: take(aPairs, func(d *draft, v map[string]string) error {
			d.provider.ExtraAuthorizationParameters = v
			return nil
		}),
		doc: "Parameters that are added to every request to sign in. Those that the protocol needs stay as they are.",
	},
	{
		key: "forward_action_prompt", fallback: false,
		takes: flag(func(d *draft) *bool { return &d.provider.ForwardActionPrompt }),
		doc: "Whether a client that wants to register (action=register, MSC3824) gets the provider's page for that (prompt=create). " +
			"Only for a provider that knows it.",
	},
	{
		key: "prove_without_auth_time", fallback: false,
		takes: flag(func(d *draft) *bool { return &d.provider.ProveWithoutAuthTime }),
		doc: "Whether a person proves who they are by a new round trip through this provider although it does not say when they signed in (auth_time), as GitHub does not. " +
			"They can then reset their encryption, link, unlink and close their account with it, and so can whoever sits at their unlocked browser. " +
			"Without it an administrator does it for them. See security.md.",
	},
}

// providerURL is the option of an endpoint.
func providerURL(key, doc, sample string, field func(*draft) *string) option {
	return option{key: key, doc: doc, sample: sample, takes: text(field, checkURL)}
}

// clientSecret may be empty, as Tuwunel wants it for a public client.
func clientSecret() rule {
	return take(aText, func(d *draft, v string) error {
		d.provider.ClientSecret = secret.Text(v)
		return nil
	})
}

// clientSecretFile keeps the path, since the file is read at each exchange, and
// refuses it if that would fail.
func clientSecretFile() rule {
	return take(aText, func(d *draft, path string) error {
		d.provider.ClientSecretFile = path
		_, err := readSecret(path)
		return err
	})
}
