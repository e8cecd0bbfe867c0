package config_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"keymaker/internal/config"
	"keymaker/internal/mail"
	"keymaker/internal/tracing"
)

// comparePrefixes lets cmp compare what netip keeps to itself.
var comparePrefixes = cmpopts.EquateComparable(netip.Prefix{})

func TestTheSmallestConfigurationHasEveryDefault(t *testing.T) {
	path := fixture(t, "minimal.toml")
	t.Chdir(t.TempDir())
	got, err := config.Load(config.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		ServerName:           "example.com",
		Address:              []string{"127.0.0.1"},
		Port:                 8080,
		TrustedProxies:       []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		AdminUsers:           []string{},
		Database:             config.Database{URL: "sqlite:keymaker.db"},
		Homeserver:           config.Homeserver{Kind: "embedded"},
		Private:              config.Private{Address: "unix:keymaker.sock", Implied: true},
		Tracing:              tracing.Config{OneIn: 1, PropagateTo: []string{tracing.Homeserver}},
		SMTP:                 mail.Options{Security: mail.StartTLS, Timeout: 15 * time.Second},
		SecretFile:           "keymaker.secret",
		LogLevel:             "info",
		LogFormat:            "text",
		ShutdownTimeout:      30 * time.Second,
		AccessTokenTTL:       5 * time.Minute,
		RefreshTokenIdleOnly: true,
		LoginTokenTTL:        time.Minute,
		SigningKeyRotation:   90 * 24 * time.Hour,

		OIDCRequirePKCE:                      true,
		OIDCRegistrationAllowedRedirectHosts: []string{},
		OIDCRegistrationRequireClientURI:     true,
		OIDCRatePerSecond:                    10,
		OIDCRateBurst:                        100,
		OIDCAwarePreferred:                   true,
		OIDCDeviceGrant:                      true,
		Rendezvous:                           true,
		ProfilePictures:                      true,
	}
	if diff := cmp.Diff(want, got, comparePrefixes); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if got.OAuthEnabled() {
		t.Error("the OAuth server would start without an issuer and a provider")
	}
}

func TestAFileOfTuwunelsWorksUnchanged(t *testing.T) {
	path := fixture(t, "tuwunel.toml")
	t.Chdir(t.TempDir())
	c, err := config.Load(config.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	want := []config.IdentityProvider{
		{
			Brand: "keycloak", ClientID: "matrix", ClientSecret: "dont-tell-anybody",
			IssuerURL:   "https://sso.example.com/realms/main",
			CallbackURL: "https://matrix.example.com/_matrix/client/unstable/login/sso/callback/matrix",
			Default:     true, Name: "Example Inc.", Icon: "mxc://example.com/aBcDeFgHiJkL",
			Scope: []string{"openid", "email", "groups"}, UserIDClaims: []string{"preferred_username", "email"}, ManagedClaims: []string{}, AdminValues: []string{},
			Trusted: true, BasePath: "auth/",
			DiscoveryURL:     "https://sso.example.com/realms/main/.well-known/openid-configuration",
			AuthorizationURL: "https://sso.example.com/authorize", TokenURL: "https://sso.example.com/token",
			RevocationURL: "https://sso.example.com/revoke", IntrospectionURL: "https://sso.example.com/introspect",
			UserinfoURL: "https://sso.example.com/userinfo", Discovery: true, GrantSessionDuration: 10 * time.Minute,
			ExtraAuthorizationParameters: map[string]string{"prompt": "login", "acr_values": "2"}, ForwardActionPrompt: true,
		},
		{
			Brand: "github", ClientID: "Iv1.0123456789abcdef", ClientSecret: "dont-tell-anybody-either",
			IssuerURL:   "https://github.com",
			CallbackURL: "https://matrix.example.com/_matrix/client/unstable/login/sso/callback/Iv1.0123456789abcdef",
			Name:        "GitHub", Scope: []string{"openid", "email", "profile"}, UserIDClaims: []string{}, ManagedClaims: []string{}, AdminValues: []string{},
			UniqueIDFallbacks: true, Registration: true, Discovery: true, GrantSessionDuration: 5 * time.Minute, CheckCookie: true,
		},
		{
			Brand: "mas", ClientID: "01J44Q10GR4AMTFZEEF936DTCM", ClientSecret: "dont-tell-anybody-as-well",
			IssuerURL: "https://auth.example.net/",
			Name:      "MAS", Scope: []string{"openid"}, UserIDClaims: []string{}, ManagedClaims: []string{}, AdminValues: []string{},
			UniqueIDFallbacks: true, Registration: true, Discovery: true, GrantSessionDuration: 5 * time.Minute, CheckCookie: true,
		},
	}
	if diff := cmp.Diff(want, c.IdentityProviders); diff != "" {
		t.Errorf("providers (-want +got):\n%s", diff)
	}
	wantWarnings := []string{
		":9: global.refresh_token_reuse_grace: has no effect: the previous refresh token works until its successor has been used, however long that takes",
		":10: global.refresh_token_reuse_revoke: has no effect: a refresh token that comes back after its successor was used ends the session's tokens and keeps the device",
		":11: global.refresh_token_hard_logout: has no effect: when a refresh token expires, the device stays, and the client keeps its encryption keys",
		":12: global.oidc_native_auth: has no effect: people sign in at an identity provider, and nowhere else",
		":13: global.single_sso: has no effect: clients list every identity provider, and the bare redirect goes to the default one or asks the person",
		":14: global.sso_custom_providers_page: has no effect: the page to choose an identity provider is this server's own",
		":25: global.identity_provider.0.client_secret_file: is not read, because client_secret is set too",
		":45: global.identity_provider.0.check_cookie: has no effect: the cookie is always checked",
	}
	for i, w := range c.Warnings {
		c.Warnings[i] = strings.TrimPrefix(w, path)
	}
	if diff := cmp.Diff(wantWarnings, c.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	data, err := os.ReadFile(fixture(t, "wrong.toml"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(fixture(t, "wrong.txt"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parse(t, string(data))
	wantProblems(t, err, strings.Split(strings.TrimSuffix(string(want), "\n"), "\n")...)
}

func TestWarnings(t *testing.T) {
	const at = "k.toml:7: global.identity_provider.0."
	for _, c := range []struct{ name, text, want string }{
		{"an empty client secret", provider + `client_secret = ""`, at + `client_secret: is empty: this server is a public client of the provider`},
		{"a picture that is none", provider + `icon = "https://x.org/x.png"`, at + `icon: is not shown: it is not an mxc URI`},
		{"a proof that is weaker", provider + `prove_without_auth_time = true`,
			at + `prove_without_auth_time: is on: whoever sits at a browser that is signed in at this provider can reset encryption, link, unlink and close the account`},
		{"values of no claim", provider + `admin_values = ["admins"]`, at + `admin_values: has no effect without admin_claim`},
		{"pictures that another homeserver keeps", provider + "managed_claims = [\"name\", \"picture\"]\n" + synapse + `secret = "s3cret"`,
			at + `managed_claims: has "picture" in it, which has no effect: no pictures are kept here`},
		{"pictures that nobody keeps", strings.Replace(provider, good, good+"profile_pictures = false\n", 1) + `managed_claims = ["picture"]`,
			`k.toml:8: global.identity_provider.0.managed_claims: has "picture" in it, which has no effect: no pictures are kept here`},
		{"unique with others", provider + `userid_claims = ["unique", "email"]`, at + `userid_claims: has "unique" in it: names are generated, and no other claim is read`},
		{"plain http to the provider", provider + `token_url = "http://sso.example.com/"`, at + `token_url: is plain http: whoever is on the way to the provider can log in as anybody`},
		{"an endpoint of the embedded homeserver", good + "[global.homeserver]\nendpoint = \"http://localhost:8008\"", `k.toml:4: global.homeserver.endpoint: is not used by the embedded homeserver`},
		{"a callback on another host", provider + "callback_url = \"https://a.org/_matrix/client/unstable/login/sso/callback/one\"\n[global.well_known]\nclient = \"https://b.org\"",
			at + `callback_url: is on another host or port than well_known.client: the login fails unless browsers reach both under one name`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff([]string{c.want}, mustParse(t, c.text).Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhoProves(t *testing.T) {
	for _, c := range []struct {
		name          string
		provider      config.IdentityProvider
		states, prove bool
	}{
		{"a provider with discovery", config.IdentityProvider{Brand: "keycloak", Discovery: true}, true, true},
		{"one whose keys are configured", config.IdentityProvider{Brand: "keycloak", JWKSURL: "https://sso.example.com/jwks"}, true, true},
		{"one without ID tokens", config.IdentityProvider{Brand: "forum", UserinfoURL: "https://forum.example.com/me"}, false, false},
		{"GitHub", config.IdentityProvider{Brand: "github", Discovery: true, JWKSURL: "https://github.com/jwks"}, false, false},
		{"GitHub that is believed", config.IdentityProvider{Brand: "github", Discovery: true, ProveWithoutAuthTime: true}, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if states, prove := c.provider.StatesAuthTime(), c.provider.Proves(); states != c.states || prove != c.prove {
				t.Errorf("states %t, proves %t", states, prove)
			}
		})
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "token", " registration \n")
	write(t, "homeserver", "homeserver\n")
	write(t, "client", "client\r\n")
	write(t, "database", "postgres://u:p@h/d\n")
	write(t, "key", strings.Repeat("k", 32))
	c, err := parseHere(good + `secret_file = "key"
oidc_registration_access_token_file = "token"
[global.database]
url_file = "database"
[global.homeserver]
secret_file = "homeserver"
[[global.identity_provider]]
brand = "Google"
client_id = "g"
client_secret_file = "client"
`)
	if err != nil {
		t.Fatal(err)
	}
	p := c.IdentityProviders[0]
	clientSecret, err := p.Secret()
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.OIDCRegistrationAccessToken.Reveal(), c.Homeserver.Secret.Reveal(), c.Database.URL.Reveal(), clientSecret.Reveal(), c.SecretFile}
	if diff := cmp.Diff([]string{"registration", "homeserver", "postgres://u:p@h/d", "client", "key"}, got); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}

	write(t, "client", "replaced")
	if clientSecret, err = p.Secret(); err != nil || clientSecret.Reveal() != "replaced" {
		t.Errorf("a replaced client secret is not read: %q, %v", clientSecret.Reveal(), err)
	}
	if err := os.Remove("client"); err != nil {
		t.Fatal(err)
	}
	if _, err = p.Secret(); err == nil {
		t.Error("a client secret that has gone is no error")
	}
}

func TestTheSecretWinsOverItsFile(t *testing.T) {
	c := mustParse(t, good+"[global.homeserver]\nsecret = \"inline\"\nsecret_file = \"nowhere\"")
	if got := c.Homeserver.Secret.Reveal(); got != "inline" {
		t.Errorf("the secret is %q, want the one in the configuration", got)
	}
	want := []string{"k.toml:5: global.homeserver.secret_file: is not read, because secret is set too"}
	if diff := cmp.Diff(want, c.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// synapse is a homeserver that is another program, without its secret.
const synapse = "[global.homeserver]\nkind = \"synapse\"\nendpoint = \"http://localhost:8008/sub\"\n"

func TestSynapse(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "shared", "s3cret\n")
	for name, text := range map[string]string{"a secret": `secret = "s3cret"`, "a secret in a file": `secret_file = "shared"`} {
		t.Run(name, func(t *testing.T) {
			c, err := parseHere(good + synapse + text)
			if err != nil || len(c.Warnings) > 0 {
				t.Fatalf("error %v, or warnings", err)
			}
			want := config.Homeserver{Kind: config.HomeserverSynapse, Endpoint: "http://localhost:8008/sub", Secret: "s3cret"}
			if c.Homeserver != want || !c.Homeserver.Remote() {
				t.Errorf("the homeserver is %+v", c.Homeserver)
			}
		})
	}
	if mustParse(t, good).Homeserver.Remote() {
		t.Error("the embedded homeserver is another program")
	}
}

func TestTheMasterKeyIsBesideTheSQLiteFile(t *testing.T) {
	for url, want := range map[string]string{
		"sqlite:keymaker.db":     "keymaker.secret",
		"sqlite:data.d/keymaker": "data.d/keymaker.secret",
		"sqlite:/var/lib/k.db":   "/var/lib/k.secret",
		"sqlite:k.secret":        "k.secret.secret",
	} {
		if got := mustParse(t, good+"[global.database]\nurl = \""+url+"\"").SecretFile; got != want {
			t.Errorf("%s: the master key is in %s, want %s", url, got, want)
		}
	}
}

func TestAcceptedForms(t *testing.T) {
	c := mustParse(t, "\ufeff[global]\r\nserver_name = \"[2001:db8::1]:8448\"\r\naddress = \"::\"\r\n"+
		"trusted_proxies = [\"10.1.2.3/8\", \"192.0.2.1\", \"2001:db8::1\"]\r\noidc_rc_burst_count = 0\r\n")
	if c.ServerName != "[2001:db8::1]:8448" {
		t.Errorf("server name %q", c.ServerName)
	}
	if diff := cmp.Diff([]string{"::"}, c.Address); diff != "" {
		t.Errorf("a single address (-want +got):\n%s", diff)
	}
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::1/128")}
	if diff := cmp.Diff(want, c.TrustedProxies, comparePrefixes); diff != "" {
		t.Errorf("networks (-want +got):\n%s", diff)
	}
	if c.OIDCRatePerSecond != 0 {
		t.Error("a burst of 0 does not switch the limits off")
	}
}

func TestLoadSaysWhyAFileCannotBeRead(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := config.Load(config.Options{Path: "k.toml"})
	wantProblems(t, err, "k.toml: the file cannot be read: no such file or directory")
}

func TestLoadWithoutAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := config.Load(config.Options{Env: []string{"KEYMAKER_GLOBAL__SERVER_NAME=example.com"}})
	if err != nil || c.ServerName != "example.com" {
		t.Errorf("the environment is not enough: %v, %v", c, err)
	}
	_, err = config.Load(config.Options{})
	wantProblems(t, err,
		"KEYMAKER_GLOBAL__SERVER_NAME: global.server_name: is missing",
		"keymaker.toml: there is no such file, so only the environment was read",
		"/etc/keymaker/keymaker.toml: there is no such file, so only the environment was read")
}

func TestFind(t *testing.T) {
	t.Chdir(t.TempDir())
	none := func(string) string { return "" }
	installed := ""
	if _, err := os.Stat("/etc/keymaker/keymaker.toml"); err == nil {
		installed = "/etc/keymaker/keymaker.toml"
	}
	if got := config.Find("", none); got != installed {
		t.Errorf("without a file here: %q, want %q", got, installed)
	}
	write(t, "keymaker.toml", "")
	env := func(name string) string { return map[string]string{"KEYMAKER_CONFIG": "from-env"}[name] }
	for _, c := range []struct {
		name, flag string
		env        func(string) string
		want       string
	}{
		{"the flag beats all", "from-flag", env, "from-flag"},
		{"the variable beats what is found", "", env, "from-env"},
		{"the working directory is searched", "", none, "keymaker.toml"},
	} {
		if got := config.Find(c.flag, c.env); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
