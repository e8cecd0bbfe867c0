package config_test

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"keymaker/internal/config"
)

const idp = "KEYMAKER_GLOBAL__IDENTITY_PROVIDER__"

func TestTheEnvironmentBeatsTheFile(t *testing.T) {
	c := mustParse(t, provider+"name = \"File\"",
		"KEYMAKER_GLOBAL__SERVER_NAME=env.example.com",
		"KEYMAKER_GLOBAL__PORT=81",
		"KEYMAKER_GLOBAL__OIDC_REQUIRE_PKCE=false",
		`KEYMAKER_GLOBAL__TRUSTED_PROXIES=["10.0.0.0/8"]`,
		`KEYMAKER_GLOBAL__ADDRESS=["127.0.0.1", "::1"]`,
		"KEYMAKER_GLOBAL__WELL_KNOWN__CLIENT=https://env.example.com",
		"KEYMAKER_GLOBAL__HOMESERVER__SECRET=a=b",
		idp+"0__NAME=Environment",
		idp+`0__EXTRA_AUTHORIZATION_PARAMETERS={"prompt": "login"}`,
		"PATH=/bin", "KEYMAKER_CONFIG=elsewhere.toml", "KEYMAKER_TEST_POSTGRES=postgres://h/d", "KEYMAKER_PORT=tcp://10.0.0.1:80", "broken")
	p := c.IdentityProviders[0]
	want := &config.Config{
		ServerName: "env.example.com", Port: 81, Address: []string{"127.0.0.1", "::1"}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		WellKnown: config.WellKnown{Client: "https://env.example.com"}, Homeserver: config.Homeserver{Kind: "embedded", Secret: "a=b"},
	}
	got := &config.Config{
		ServerName: c.ServerName, Port: c.Port, Address: c.Address, TrustedProxies: c.TrustedProxies,
		OIDCRequirePKCE: c.OIDCRequirePKCE, WellKnown: c.WellKnown, Homeserver: c.Homeserver,
	}
	if diff := cmp.Diff(want, got, comparePrefixes); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if p.Name != "Environment" || p.ClientID != "one" || p.ExtraAuthorizationParameters["prompt"] != "login" {
		t.Errorf("provider %+v", p)
	}
}

func TestASingleAddressInTheEnvironment(t *testing.T) {
	c := mustParse(t, good, "KEYMAKER_GLOBAL__ADDRESS=::")
	if diff := cmp.Diff([]string{"::"}, c.Address); diff != "" {
		t.Errorf("address (-want +got):\n%s", diff)
	}
}

func TestTheEnvironmentAddsProviders(t *testing.T) {
	env := []string{idp + "0__DEFAULT=true"}
	for i := 1; i < 12; i++ {
		n := strconv.Itoa(i)
		env = append(env, idp+n+"__CLIENT_ID=env-"+n, idp+n+"__BRAND=Google")
	}
	c := mustParse(t, provider, env...)
	if len(c.IdentityProviders) != 12 || !c.IdentityProviders[0].Default || c.IdentityProviders[11].ClientID != "env-11" {
		t.Errorf("providers %+v", c.IdentityProviders)
	}
}

func TestTheEnvironmentReplacesAllProviders(t *testing.T) {
	c := mustParse(t, provider, `KEYMAKER_GLOBAL__IDENTITY_PROVIDER=[{"brand": "Google", "client_id": "g", "grant_session_duration": 60}]`, idp+"0__NAME=G")
	if len(c.IdentityProviders) != 1 || c.IdentityProviders[0].ClientID != "g" || c.IdentityProviders[0].Name != "G" {
		t.Errorf("providers %+v", c.IdentityProviders)
	}
}

func TestProblemsOfTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
		want []string
	}{
		{"a misspelt key", []string{"KEYMAKER_GLOBAL__PROT=80"}, []string{`KEYMAKER_GLOBAL__PROT: unknown variable (did you mean "KEYMAKER_GLOBAL__PORT"?)`}},
		{"a misspelt table", []string{"KEYMAKER_GLOBAL__DATABSE__URL=sqlite:x"}, []string{`KEYMAKER_GLOBAL__DATABSE__URL: unknown variable (did you mean "KEYMAKER_GLOBAL__DATABASE__URL"?)`}},
		{"a misspelt first table", []string{"KEYMAKER_GLOBL__PORT=80"}, []string{`KEYMAKER_GLOBL__PORT: unknown variable (did you mean "KEYMAKER_GLOBAL__PORT"?)`}},
		{"a misspelt key of a provider", []string{idp + "0__CLIENT=x"}, []string{idp + `0__CLIENT: unknown variable (did you mean "` + idp + `0__CLIENT_ID"?)`}},
		{"small letters", []string{"KEYMAKER_GLOBAL__port=80"}, []string{`KEYMAKER_GLOBAL__port: unknown variable (did you mean "KEYMAKER_GLOBAL__PORT"?)`}},
		{"nothing near", []string{"KEYMAKER_GLOBAL__TURN__HOST=x"}, []string{`KEYMAKER_GLOBAL__TURN__HOST: unknown variable`}},
		{"an impossible value", []string{"KEYMAKER_GLOBAL__PORT=0"}, []string{`KEYMAKER_GLOBAL__PORT: global.port: 0 is not between 1 and 65535`}},
		{"no number", []string{"KEYMAKER_GLOBAL__PORT=80x"}, []string{`KEYMAKER_GLOBAL__PORT: global.port: must be a whole number`}},
		{"no switch", []string{"KEYMAKER_GLOBAL__OIDC_REQUIRE_PKCE=yes"}, []string{`KEYMAKER_GLOBAL__OIDC_REQUIRE_PKCE: global.oidc_require_pkce: must be true or false`}},
		{"no JSON", []string{"KEYMAKER_GLOBAL__TRUSTED_PROXIES=10.0.0.0/8,::1"}, []string{`KEYMAKER_GLOBAL__TRUSTED_PROXIES: global.trusted_proxies: is not JSON, as a list or a table must be in the environment`}},
		{"an empty list", []string{"KEYMAKER_GLOBAL__TRUSTED_PROXIES="}, []string{`KEYMAKER_GLOBAL__TRUSTED_PROXIES: global.trusted_proxies: is not JSON, as a list or a table must be in the environment`}},
		{"more than JSON", []string{`KEYMAKER_GLOBAL__TRUSTED_PROXIES=[] []`}, []string{`KEYMAKER_GLOBAL__TRUSTED_PROXIES: global.trusted_proxies: is not JSON, as a list or a table must be in the environment`}},
		{"JSON of another type", []string{`KEYMAKER_GLOBAL__TRUSTED_PROXIES={"a": null}`}, []string{`KEYMAKER_GLOBAL__TRUSTED_PROXIES: global.trusted_proxies: must be a list of strings, and not a table`}},
		{"null", []string{`KEYMAKER_GLOBAL__TRUSTED_PROXIES=[null, 1e400]`}, []string{
			`KEYMAKER_GLOBAL__TRUSTED_PROXIES: global.trusted_proxies.0: must be a string, and not null`,
			`KEYMAKER_GLOBAL__TRUSTED_PROXIES: global.trusted_proxies.1: must be a string, and not a number with a fraction`,
		}},
		{"one parameter", []string{idp + "0__EXTRA_AUTHORIZATION_PARAMETERS__PROMPT=login"}, []string{
			idp + `0__EXTRA_AUTHORIZATION_PARAMETERS__PROMPT: global.identity_provider.0.extra_authorization_parameters: the variable sets one entry: set the whole value as JSON (did you mean "` + idp + `0__EXTRA_AUTHORIZATION_PARAMETERS"?)`,
		}},
		{"a whole table", []string{`KEYMAKER_GLOBAL__DATABASE={"url": "sqlite:x"}`}, []string{`KEYMAKER_GLOBAL__DATABASE: global.database: is a table: set its keys, each by a variable of its own`}},
		{"a provider without a number", []string{idp + "CLIENT_ID=x"}, []string{idp + `CLIENT_ID: global.identity_provider: the name must go on with the number of an entry, from 0, and a key: ` + idp + `0__…`}},
		{"a provider without a key", []string{idp + "0=x"}, []string{idp + `0: global.identity_provider: the name must go on with the number of an entry, from 0, and a key: ` + idp + `0__…`}},
		{"a provider that leaves one out", []string{idp + "2__CLIENT_ID=x"}, []string{idp + `2__CLIENT_ID: global.identity_provider: there is no entry 2 to change, and the next new one is 1`}},
		{"half a new provider", []string{idp + "1__CLIENT_ID=x"}, []string{
			idp + `1__BRAND: global.identity_provider.1.brand: is missing`,
			idp + `1__ISSUER_URL: global.identity_provider.1.issuer_url: is missing: only GitHub, GitLab and Google have a default`,
		}},
		{"an id that the file has", []string{idp + "1__CLIENT_ID=one", idp + "1__BRAND=Google"}, []string{
			idp + `1__CLIENT_ID: global.identity_provider.1.client_id: "one" is already the client_id of the provider in line 5`,
		}},
		{"a default beside the file's", []string{idp + "0__DEFAULT=true", idp + "1__CLIENT_ID=two", idp + "1__BRAND=Google", idp + "1__DEFAULT=true"}, []string{
			idp + `1__DEFAULT: global.identity_provider.1.default: only one provider can be the default, and these are: "one" in ` + idp + `0__DEFAULT, "two" in ` + idp + `1__DEFAULT`,
		}},
		{"a secret file that is not there", []string{"KEYMAKER_GLOBAL__HOMESERVER__SECRET_FILE=/nowhere"}, []string{
			`KEYMAKER_GLOBAL__HOMESERVER__SECRET_FILE: global.homeserver.secret_file: the file cannot be read: no such file or directory`,
		}},
		{"PostgreSQL without a secret file", []string{"KEYMAKER_GLOBAL__DATABASE__URL=postgres://h/d"}, []string{
			`KEYMAKER_GLOBAL__DATABASE__URL: global.secret_file: is missing: with PostgreSQL it must name a file with 32 random bytes`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, provider, c.env...)
			wantProblems(t, err, c.want...)
		})
	}
}

func TestProblemsOfTheFileStandBeforeThoseOfTheEnvironment(t *testing.T) {
	_, err := parse(t, good+"port = 0\nlog_level = \"x\"", "KEYMAKER_GLOBAL__LOG_FORMAT=x")
	wantProblems(t, err,
		"k.toml:3: global.port: 0 is not between 1 and 65535",
		`k.toml:4: global.log_level: "x" is not one of debug, info, warn, error`,
		`KEYMAKER_GLOBAL__LOG_FORMAT: global.log_format: "x" is not one of text, json`)
}
