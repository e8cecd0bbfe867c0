package config

import (
	"net/netip"
	"slices"
	"time"

	"keymaker/internal/secret"
)

// whole is the file: the one definition of every key.
var whole = section{sections: []section{{
	key:     "global",
	doc:     "The server.",
	options: slices.Concat(serverOptions, tokenOptions, oidcOptions, tuwunelOptions),
	sections: []section{
		{key: "well_known", doc: "Where clients find this server.", options: wellKnownOptions},
		{key: "database", doc: "Where everything is stored.", options: databaseOptions},
		{key: "homeserver", doc: "The Matrix homeserver that the tokens are for.", options: homeserverOptions, check: checkHomeserverTable},
		{key: "private", doc: "Where administrators and their programs ask the server that runs. See admin.md and monitoring.md.", options: privateOptions},
		{key: "audit", doc: "The audit log as lines of JSON, beside the one in the database. See audit.md.", options: auditOptions, optional: true},
		{key: "tracing", doc: "Where traces of requests go: without an endpoint nothing is traced. See tracing.md.", options: tracingOptions, optional: true, check: checkTracing},
		{
			key:     "identity_provider",
			doc:     "Where people prove who they are: one such block for each identity provider.",
			options: providerOptions,
			begin: func(d *draft) {
				d.config.IdentityProviders = append(d.config.IdentityProviders, IdentityProvider{})
				d.provider = &d.config.IdentityProviders[len(d.config.IdentityProviders)-1]
			},
			check: checkProvider,
		},
		{
			key: "oidc_client",
			doc: "An application that signs people in with this server, or asks it about tokens: one such block for each. " +
				"Matrix clients need none, they register themselves. See clients.md.",
			options: clientOptions, optional: true, begin: beginClient, check: checkClient,
		},
		{key: "smtp", doc: "Who takes the mails that tell people what happens to their accounts: without this table none is sent, and nothing else needs it. See mail.md.", options: smtpOptions, optional: true},
		{
			key: "branding", doc: "What pages look like. See branding.md.",
			options: brandingOptions, optional: true,
		},
	},
	check: checkGlobal,
}}}

var serverOptions = []option{
	{
		key: "server_name", required: true, sample: "example.com", shown: true,
		takes: text(func(d *draft) *string { return &d.config.ServerName }, checkServerName),
		doc:   "The Matrix server name: what follows the colon in @alice:example.com. It can never be changed.",
	},
	{
		key: "address", fallback: []string{"127.0.0.1"},
		takes: addresses(func(d *draft) *[]string { return &d.config.Address }),
		doc: "The addresses to listen on, or a single one as a string. The server speaks plain HTTP: " +
			"a reverse proxy in front of it brings TLS.",
	},
	{
		key: "port", fallback: int64(8080),
		takes: number(1, 65535, func(d *draft) *int { return &d.config.Port }),
		doc:   "The TCP port to listen on.",
	},
	{
		key: "trusted_proxies", fallback: []string{"127.0.0.0/8", "::1/128"},
		takes: networks(func(d *draft) *[]netip.Prefix { return &d.config.TrustedProxies }),
		doc:   "The networks of the reverse proxies. X-Forwarded-For is believed from them alone; the rate limits count by it.",
	},
	{
		key: "secret_file", sample: "/var/lib/keymaker/keymaker.secret",
		takes: text(func(d *draft) *string { return &d.config.SecretFile }, anything),
		doc: "The file with the 32 random bytes that seal the private keys in the database. With SQLite it is by default " +
			"the database file with the ending .secret, and made when it is missing; with PostgreSQL it must be set, " +
			"to a file with the same bytes on every machine. Keep a copy: without it the database signs nothing.",
	},
	{
		key: "admin_users", fallback: []string{},
		takes: texts(func(d *draft) *[]string { return &d.config.AdminUsers }, anything),
		doc: "Who administers the homeserver, as alice or @alice:example.com. Clients that ask for it, and get this person's approval, may use " +
			"Synapse's admin API with the session (urn:synapse:admin:*); nobody else is asked. See also admin_claim. It is about the homeserver: `keymaker admin` asks nobody's name.",
	},
	{
		key: "log_level", fallback: "info",
		takes: oneOf(func(d *draft) *string { return &d.config.LogLevel }, "debug", "info", "warn", "error"),
		doc:   "What is logged: debug, info, warn or error, and whatever is worse. No level shows a secret.",
	},
	{
		key: "log_format", fallback: "text",
		takes: oneOf(func(d *draft) *string { return &d.config.LogFormat }, "text", "json"),
		doc:   "How it is logged: text for people, json for machines.",
	},
	{
		key: "shutdown_timeout", fallback: int64(30),
		takes: seconds(0, func(d *draft) *time.Duration { return &d.config.ShutdownTimeout }),
		doc:   "How long requests may take to end after the server was told to stop.",
	},
	{
		key: "shutdown_delay", fallback: int64(0),
		takes: seconds(0, func(d *draft) *time.Duration { return &d.config.ShutdownDelay }),
		doc: "How long the server goes on answering after it was told to stop, while /readyz answers 503: as long as a proxy takes to notice " +
			"and to send requests to another server. With one server leave it at 0.",
	},
}

var tokenOptions = []option{
	{
		key: "access_token_ttl", fallback: int64(300),
		takes: seconds(1, func(d *draft) *time.Duration { return &d.config.AccessTokenTTL }),
		doc: "How long an access token lives. Tuwunel's default is 604800; here clients refresh, and what " +
			"is stolen is soon worth nothing.",
	},
	{
		key: "refresh_token_ttl", fallback: int64(0),
		takes: seconds(0, func(d *draft) *time.Duration { return &d.config.RefreshTokenTTL }),
		doc:   "How long a refresh token lives. 0: it never expires, so that a phone in a drawer keeps its session.",
	},
	{
		key: "refresh_token_idle_only", fallback: true,
		takes: flag(func(d *draft) *bool { return &d.config.RefreshTokenIdleOnly }),
		doc:   "Whether each use of a refresh token begins its lifetime again. With false the session ends when it is that old.",
	},
	{
		key: "login_token_ttl", fallback: int64(60000),
		takes: milliseconds(1, func(d *draft) *time.Duration { return &d.config.LoginTokenTTL }),
		doc: "How long the loginToken of the legacy single sign-on can be used. Tuwunel's default is 120000; " +
			"a client uses it within a second.",
	},
	{
		key: "signing_key_rotation", fallback: int64(90 * 24 * 60 * 60),
		takes: secondsOrNever(60*60, func(d *draft) *time.Duration { return &d.config.SigningKeyRotation }),
		doc: "How long a key signs ID tokens before another one does, which is published a day earlier. The old one stays published until " +
			"what it signed has expired. 0: keys change only by `keymaker keys rotate`; otherwise 3600 at least.",
	},
}

var oidcOptions = []option{
	{
		key: "oidc_require_pkce", fallback: true,
		takes: flag(func(d *draft) *bool { return &d.config.OIDCRequirePKCE }),
		doc:   "Whether clients must use PKCE. Every Matrix client does.",
	},
	{
		key: "oidc_require_device_scope", fallback: false,
		takes: flag(func(d *draft) *bool { return &d.config.OIDCRequireDeviceScope }),
		doc:   "Whether clients must name their device in the scope. With false a client that names none is given one.",
	},
	{
		key: "oidc_strict_scope", fallback: false,
		takes: flag(func(d *draft) *bool { return &d.config.OIDCStrictScope }),
		doc:   "Whether a scope that the server does not know refuses the request. With false it is left out of what is granted.",
	},
	{
		key: "oidc_device_grant", fallback: true,
		takes: flag(func(d *draft) *bool { return &d.config.OIDCDeviceGrant }),
		doc: "Whether a device without a browser can be signed in from another one, by a code (RFC 8628). Signing in by a QR code needs it too. " +
			"With false clients cannot register for it, and what they had begun stays undone.",
	},
	{
		key: "oidc_registration_access_token", sample: "a long random text",
		takes: secretText(func(d *draft) *secret.Text { return &d.config.OIDCRegistrationAccessToken }, anything),
		doc:   "The token that clients must present to register. Without one, any client may register, which Matrix clients count on.",
	},
	{
		key: "oidc_registration_access_token_file", inline: "oidc_registration_access_token", sample: "/etc/keymaker/registration_token",
		takes: secretFile(func(d *draft) *secret.Text { return &d.config.OIDCRegistrationAccessToken }, anything),
		doc:   "The same, read from a file.",
	},
	{
		key: "oidc_registration_allowed_redirect_hosts", fallback: []string{},
		takes: texts(func(d *draft) *[]string { return &d.config.OIDCRegistrationAllowedRedirectHosts }, checkHost),
		doc:   "The only hosts that the https redirect URIs of registered clients may have. Empty: any host.",
	},
	{
		key: "oidc_registration_require_client_uri", fallback: true,
		takes: flag(func(d *draft) *bool { return &d.config.OIDCRegistrationRequireClientURI }),
		doc: "Whether clients must register their home page (client_uri), under whose host their redirect URIs must be. " +
			"Tuwunel's default is false; Matrix clients always send it, and without it nobody can tell who asks.",
	},
	{
		key: "oidc_rc_per_second", fallback: int64(10),
		takes: number(0, 1_000_000, func(d *draft) *int { return &d.config.OIDCRatePerSecond }),
		doc: "How many requests each second an IP address (IPv6: a /64) may send to what begins something: registration, authorization, " +
			"pushed requests, single sign-on, legacy login, device authorization, rendezvous, logout. As many wrong codes and client secrets it may present, and as many " +
			"sign-ins and approvals each account has. What a session needs is never limited. 0 switches these limits off, which is Tuwunel's default.",
	},
	{
		key: "oidc_rc_burst_count", fallback: int64(100),
		takes: number(0, 1_000_000, func(d *draft) *int { return &d.config.OIDCRateBurst }),
		doc:   "How many of them it may send at once. 0 switches the limits off.",
	},
	{
		key: "oidc_aware_preferred", fallback: true,
		takes: flag(func(d *draft) *bool { return &d.config.OIDCAwarePreferred }),
		doc: "Whether the legacy login tells clients that know OAuth to use it (MSC3824). Tuwunel's default is false; " +
			"a client that can do better should.",
	},
	{
		key: "rendezvous", fallback: true,
		takes: flag(func(d *draft) *bool { return &d.config.Rendezvous }),
		doc: "Whether a person's new device and old one can meet here to sign the new one in by a QR code (MSC4108, MSC4388). " +
			"They leave at most 4 KiB of encrypted text for each other, for ten minutes at most. A homeserver other than the embedded one does this itself.",
	},
	{
		key: "profile_pictures", fallback: true,
		takes: flag(func(d *draft) *bool { return &d.config.ProfilePictures }),
		doc: "Whether users can have a picture, which is kept in the database. With false none is taken or shown. See accounts.md. " +
			"A homeserver other than the embedded one keeps the pictures of its users itself.",
	},
}

// tuwunelOptions are keys that a file of Tuwunel's may have and that need not
// be removed from it.
var tuwunelOptions = []option{
	{
		key: "refresh_token_hard_logout", takes: noEffect(aFlag), sample: false,
		instead: "when a refresh token expires, the device stays, and the client keeps its encryption keys",
	},
	{
		key: "refresh_token_reuse_grace", takes: noEffect(aNumber), sample: int64(15),
		instead: "the previous refresh token works until its successor has been used, however long that takes",
	},
	{
		key: "refresh_token_reuse_revoke", takes: noEffect(aFlag), sample: true,
		instead: "a refresh token that comes back after its successor was used ends the session's tokens and keeps the device",
	},
	{
		key: "oidc_native_auth", takes: noEffect(aFlag), sample: false,
		instead: "people sign in at an identity provider, and nowhere else",
	},
	{
		key: "single_sso", takes: noEffect(aFlag), sample: false,
		instead: "clients list every identity provider, and the bare redirect goes to the default one or asks the person",
	},
	{
		key: "sso_custom_providers_page", takes: noEffect(aFlag), sample: false,
		instead: "the page to choose an identity provider is this server's own",
	},
}

var wellKnownOptions = []option{{
	key: "client", sample: "https://matrix.example.com", shown: true,
	takes: text(func(d *draft) *string { return &d.config.WellKnown.Client }, checkIssuer),
	doc: "The URL of this server for clients, which is the issuer of its tokens. Scheme and host, perhaps a port and a final slash; " +
		"it is advertised exactly as it is written here. https, or http on a loopback host. " +
		"The OAuth server starts when this and an identity provider are set. With an identity provider alone, only the legacy login works.",
}}

var databaseOptions = []option{
	{
		key: "url", fallback: "sqlite:keymaker.db",
		takes: secretText(func(d *draft) *secret.Text { return &d.config.Database.URL }, checkDatabase),
		doc: "sqlite:PATH, relative to the working directory, or postgres://user:password@host/database, " +
			"which any number of servers can share.",
	},
	{
		key: "url_file", inline: "url", sample: "/etc/keymaker/database_url",
		takes: secretFile(func(d *draft) *secret.Text { return &d.config.Database.URL }, checkDatabase),
		doc:   "The same, read from a file.",
	},
}

var privateOptions = []option{
	{
		key: "address", sample: "unix:/run/keymaker/admin.sock",
		takes: text(func(d *draft) *string { return &d.config.Private.Address }, checkPrivateAddress),
		doc: "unix:PATH, a socket that only the user can open that the server runs as: administration, metrics, profiles and health. It asks nobody who they are, and so listens on no network. " +
			"With SQLite it is by default the database file with the ending .sock; with PostgreSQL there is none by default. none: there is no socket, and administrators work on the database itself.",
	},
	{
		key: "metrics_address", sample: "127.0.0.1:9464",
		takes: text(func(d *draft) *string { return &d.config.Private.MetricsAddress }, checkMetricsAddress),
		doc: "Where Prometheus, which knows no Unix sockets, fetches /metrics: an IP address and a port. /livez and /readyz are there as well, and nothing else. " +
			"Nobody is asked who they are: metrics name no person, but choose a loopback address, or one that only Prometheus reaches. Without it, metrics are on the socket alone.",
	},
}

var auditOptions = []option{{
	key: "destination", sample: "stdout",
	takes: text(func(d *draft) *string { return &d.config.Audit.Destination }, checkAuditDestination),
	doc:   "stdout, or a file that lines are only ever added to, such as /var/log/keymaker/audit.jsonl. The file is made when it is missing; its folder must be there.",
}}

var homeserverOptions = []option{
	{
		key: "kind", fallback: HomeserverEmbedded,
		takes: text(func(d *draft) *string { return &d.config.Homeserver.Kind }, checkHomeserver),
		doc: "embedded: this server answers what a client needs to log in and look itself up, alone. " +
			"synapse: a Synapse 1.136 or newer, which asks this server about tokens and is told of users and devices.",
	},
	{
		key: "endpoint", sample: "http://localhost:8008",
		takes: text(func(d *draft) *string { return &d.config.Homeserver.Endpoint }, checkPlainURL),
		doc:   "Where the homeserver itself answers, not its proxy. Required for synapse, and not used by the embedded one.",
	},
	{
		key: "secret", sample: "a long random text",
		takes: secretText(func(d *draft) *secret.Text { return &d.config.Homeserver.Secret }, anything),
		doc:   "What the homeserver presents when it asks about a token, and is presented when it is told something. Required for synapse; without it, only registered clients with a secret may ask.",
	},
	{
		key: "secret_file", inline: "secret", sample: "/etc/keymaker/homeserver_secret",
		takes: secretFile(func(d *draft) *secret.Text { return &d.config.Homeserver.Secret }, anything),
		doc:   "The same, read from a file.",
	},
}
