package config_test

import "testing"

func TestUnknownKeys(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a misspelt key", good + `prot = 1`, `k.toml:3: global.prot: unknown key (did you mean "port"?)`},
		{"half of a key", good + "[global.well_known]\nclients = \"https://example.com\"", `k.toml:4: global.well_known.clients: unknown key (did you mean "client"?)`},
		{"in a provider, with the provider's keys", provider + `scopes = ["openid"]`, `k.toml:7: global.identity_provider.0.scopes: unknown key (did you mean "scope"?)`},
		{"a misspelt table", good + "[global.databse]\nurl = \"sqlite:x\"", `k.toml:3: global.databse: unknown key (did you mean "database"?)`},
		{"a misspelt first table", good + "[globel.database]", `k.toml:3: globel: unknown key (did you mean "global"?)`},
		{"a key in the wrong table", good + "[global.database]\nport = 80", `k.toml:4: global.database.port: unknown key (did you mean "global.port"?)`},
		{"a key before every table", "port = 80\n" + good, `k.toml:1: port: unknown key (did you mean "global.port"?)`},
		{"nothing near", good + `turn = {}`, `k.toml:3: global.turn: unknown key`},
		{"a dotted key", good + `well_known.clint = "x"`, `k.toml:3: global.well_known.clint: unknown key (did you mean "client"?)`},
		{"in an inline table", good + "identity_provider = [\n{brand = \"X\", client_id = \"y\", issuer_url = \"https://x.org\"},\n{brand = \"X\", client_id = \"z\", issuer = \"https://x.org\", issuer_url = \"https://x.org\"}]",
			`k.toml:5: global.identity_provider.1.issuer: unknown key (did you mean "issuer_url"?)`},
		{"a key that needs quotes stays on one line", good + `"a\nb" = 1`, `k.toml:3: global."a\nb": unknown key`},
		{"in a client, with the client's keys", client + `redirect_uri = "x"`, `k.toml:6: global.oidc_client.0.redirect_uri: unknown key (did you mean "redirect_uris"?)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			wantProblems(t, err, c.want)
		})
	}
}

func TestWrongTypes(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"text for a number", good + `port = "80"`, `k.toml:3: global.port: must be a whole number, and not a string`},
		{"a fraction for a number", good + `port = 80.5`, `k.toml:3: global.port: must be a whole number, and not a number with a fraction`},
		{"a number for a switch", good + `oidc_require_pkce = 1`, `k.toml:3: global.oidc_require_pkce: must be true or false, and not a whole number`},
		{"a switch for text", good + `log_level = true`, `k.toml:3: global.log_level: must be a string, and not true or false`},
		{"text for a list", good + `trusted_proxies = "10.0.0.0/8"`, `k.toml:3: global.trusted_proxies: must be a list of strings, and not a string`},
		{"a number in a list", good + "trusted_proxies = [\n  \"10.0.0.0/8\",\n  8,\n]", `k.toml:5: global.trusted_proxies.1: must be a string, and not a whole number`},
		{"a number for addresses", good + `address = 1`, `k.toml:3: global.address: must be a string or a list of strings, and not a whole number`},
		{"a date for text", good + `log_level = 2026-01-01`, `k.toml:3: global.log_level: must be a string, and not a date or a time`},
		{"a list for parameters", provider + `extra_authorization_parameters = []`, `k.toml:7: global.identity_provider.0.extra_authorization_parameters: must be a table of strings, and not a list`},
		{"a number among parameters", provider + `extra_authorization_parameters = { max_age = 5 }`, `k.toml:7: global.identity_provider.0.extra_authorization_parameters.max_age: must be a string, and not a whole number`},
		{"text for a table", good + `database = "sqlite:x"`, `k.toml:3: global.database: must be a table, [global.database], and not a string`},
		{"a table for a list of tables", good + `[global.identity_provider]`, `k.toml:3: global.identity_provider: must be a list of tables, [[global.identity_provider]], and not a table`},
		{"a list of tables for a table", good + `[[global.database]]`, `k.toml:3: global.database: must be a table, [global.database], and not a list`},
		{"text for a provider", good + `identity_provider = ["x"]`, `k.toml:3: global.identity_provider.0: must be a table, [global.identity_provider.0], and not a string`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			wantProblems(t, err, c.want)
		})
	}
}

func TestImpossibleValuesOfTheServer(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an administrator without a name", good + "admin_users = [\"alice\", \"@:example.com\"]", `k.toml:3: global.admin_users.1: "@:example.com" is no user: write alice or @alice:example.com`},
		{"an administrator with half of a name", good + "admin_users = [\"@alice\"]", `k.toml:3: global.admin_users.0: "@alice" is no user: write alice or @alice:example.com`},
		{"an administrator of another server", good + "admin_users = [\"@alice:example.org\"]", `k.toml:3: global.admin_users.0: "@alice:example.org" is no user of this server, whose name is example.com`},
		{"no server name", "[global]\nport = 80", `k.toml:1: global.server_name: is missing`},
		{"no server name in an empty file", "", `k.toml:1: global.server_name: is missing`},
		{"no server name in a late table", "\n\n[global.database]\n[global]", `k.toml:4: global.server_name: is missing`},
		{"an empty server name", "[global]\nserver_name = \"\"", `k.toml:2: global.server_name: is empty: leave the key out instead`},
		{"a URL for a server name", "[global]\nserver_name = \"https://example.com/\"", `k.toml:2: global.server_name: is a URL and not a server name (did you mean "example.com"?)`},
		{"a space in the server name", "[global]\nserver_name = \"example com\"", `k.toml:2: global.server_name: "example com" is not a server name: a host name like example.com, perhaps with :port`},
		{"an impossible port in the server name", "[global]\nserver_name = \"example.com:99999\"", `k.toml:2: global.server_name: "example.com:99999" is not a server name: a host name like example.com, perhaps with :port`},
		{"port 0", good + `port = 0`, `k.toml:3: global.port: 0 is not between 1 and 65535`},
		{"a port too high", good + `port = 65536`, `k.toml:3: global.port: 65536 is not between 1 and 65535`},
		{"a negative lifetime", good + `access_token_ttl = -1`, `k.toml:3: global.access_token_ttl: -1 is not between 1 and 315360000`},
		{"no lifetime", good + `access_token_ttl = 0`, `k.toml:3: global.access_token_ttl: 0 is not between 1 and 315360000`},
		{"a lifetime that overflows", good + `refresh_token_ttl = 9223372036854775807`, `k.toml:3: global.refresh_token_ttl: 9223372036854775807 is not between 0 and 315360000`},
		{"a rotation of the signing keys in less than an hour", good + `signing_key_rotation = 3599`, `k.toml:3: global.signing_key_rotation: 3599 is neither 0 nor at least 3600`},
		{"a negative lifetime in milliseconds", good + `login_token_ttl = -1`, `k.toml:3: global.login_token_ttl: -1 is not between 1 and 315360000000`},
		{"a negative rate", good + `oidc_rc_per_second = -1`, `k.toml:3: global.oidc_rc_per_second: -1 is not between 0 and 1000000`},
		{"no address", good + `address = []`, `k.toml:3: global.address: is empty: leave the key out instead`},
		{"an address with a port", good + `address = "127.0.0.1:80"`, `k.toml:3: global.address: "127.0.0.1:80" is neither an IP address nor a host name; the port has a key of its own`},
		{"a network that is none", good + `trusted_proxies = ["10.0.0.0/33"]`, `k.toml:3: global.trusted_proxies: "10.0.0.0/33" is not a network like 10.0.0.0/8 or fd00::/8`},
		{"the second network", good + "trusted_proxies = [\"::1\",\n\"x\"]", `k.toml:4: global.trusted_proxies.1: "x" is not a network like 10.0.0.0/8 or fd00::/8`},
		{"an unknown log level", good + `log_level = "warning"`, `k.toml:3: global.log_level: "warning" is not one of debug, info, warn, error (did you mean "warn"?)`},
		{"an unknown log format", good + `log_format = "xml"`, `k.toml:3: global.log_format: "xml" is not one of text, json`},
		{"a redirect host with a scheme", good + `oidc_registration_allowed_redirect_hosts = ["https://x.org"]`, `k.toml:3: global.oidc_registration_allowed_redirect_hosts: "https://x.org" is not a host name: only the exact host, without scheme, port or *`},
		{"an empty registration token, which would open registration", good + `oidc_registration_access_token = ""`, `k.toml:3: global.oidc_registration_access_token: is empty: leave the key out instead`},
		{"a database that is none", good + "[global.database]\nurl = \"mysql://x\"", `k.toml:4: global.database.url: is neither sqlite:PATH nor a URL like postgres://user@host/database`},
		{"a database in memory", good + "[global.database]\nurl = \"sqlite::memory:\"", `k.toml:4: global.database.url: must name a file: sqlite:PATH`},
		{"PostgreSQL without a secret file", good + "[global.database]\nurl = \"postgres://u:hunter2@h/d\"", `k.toml:4: global.secret_file: is missing: with PostgreSQL it must name a file with 32 random bytes`},
		{"Synapse without a secret", good + "[global.homeserver]\nkind = \"synapse\"\nendpoint = \"http://localhost:8008\"", `k.toml:4: global.homeserver.secret: is missing: it must be what Synapse's matrix_authentication_service.secret is (or secret_file)`},
		{"Synapse nowhere", good + "[global.homeserver]\nkind = \"synapse\"\nsecret = \"s\"", `k.toml:4: global.homeserver.endpoint: is missing: say where Synapse answers, such as http://localhost:8008`},
		{"Synapse with a secret that no header holds", good + synapse + "secret = \"two words\"", `k.toml:6: global.homeserver.secret: must be visible ASCII characters without spaces`},
		{"Synapse with a query", good + "[global.homeserver]\nkind = \"synapse\"\nsecret = \"s\"\nendpoint = \"http://localhost:8008?a=b\"", `k.toml:6: global.homeserver.endpoint: must not have a query or a fragment`},
		{"an unknown kind of homeserver", good + "[global.homeserver]\nkind = \"embeddedd\"", `k.toml:4: global.homeserver.kind: "embeddedd" is no kind of homeserver: "embedded" and "synapse" are (did you mean "embedded"?)`},
		{"administrators on a network", good + "[global.private]\naddress = \"127.0.0.1:9000\"", `k.toml:4: global.private.address: "127.0.0.1:9000" is no Unix socket: write unix:/run/keymaker/admin.sock, or none`},
		{"administrators on a socket without a path", good + "[global.private]\naddress = \"unix:\"", `k.toml:4: global.private.address: "unix:" is no Unix socket: write unix:/run/keymaker/admin.sock, or none`},
		{"an audit log in no folder", good + "[global.audit]\ndestination = \"/nowhere/at/all/x\"", `k.toml:4: global.audit.destination: "/nowhere/at/all/x" is in no folder that is there: make it, or write stdout`},
		{"metrics on no address", good + "[global.private]\nmetrics_address = \"localhost:9464\"", `k.toml:4: global.private.metrics_address: "localhost:9464" is no IP address with a port: write 127.0.0.1:9464`},
		{"metrics on no port", good + "[global.private]\nmetrics_address = \"127.0.0.1\"", `k.toml:4: global.private.metrics_address: "127.0.0.1" is no IP address with a port: write 127.0.0.1:9464`},
		{"a homeserver nowhere", good + "[global.homeserver]\nendpoint = \"localhost:8008\"", `k.toml:4: global.homeserver.endpoint: is not a URL: write it like https://matrix.example.com`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			wantProblems(t, err, c.want)
		})
	}
}

func TestIssuer(t *testing.T) {
	const plain = `is plain http, which only a loopback host may be: localhost, 127.0.0.1 or [::1]`
	const path = `must not have a path: only scheme, host, perhaps a port, and perhaps a final slash`
	for _, c := range []struct{ issuer, want string }{
		{"https://matrix.example.com", ""},
		{"https://matrix.example.com/", ""},
		{"https://matrix.example.com:8448", ""},
		{"https://[2001:db8::1]:8448/", ""},
		{"http://localhost:8080", ""},
		{"http://127.0.0.1:8080/", ""},
		{"http://127.1.2.3", ""},
		{"http://[::1]", ""},
		{"", `is empty: leave the key out instead`},
		{"matrix.example.com", `is not a URL: write it like https://matrix.example.com`},
		{"ftp://matrix.example.com", `is not a URL: write it like https://matrix.example.com`},
		{"https://", `is not a URL: write it like https://matrix.example.com`},
		{"https:matrix.example.com", `is not a URL: write it like https://matrix.example.com`},
		{"https://matrix.example.com:0", `is not a URL: its host or its port is impossible`},
		{"https://matrix.example.com:", `is not a URL: its host or its port is impossible`},
		{"https://mätrix.example.com", `is not a URL: its host or its port is impossible`},
		{"https://[fe80::1%25eth0]", `is not a URL: its host or its port is impossible`},
		{"https://admin:hunter2@matrix.example.com", `must not have a user name or a password`},
		{"https://matrix.example.com?x=1", `must not have a query or a fragment`},
		{"https://matrix.example.com?", `must not have a query or a fragment`},
		{"https://matrix.example.com/#", `must not have a query or a fragment`},
		{"https://matrix.example.com/auth", path + ` (did you mean "https://matrix.example.com"?)`},
		{"https://matrix.example.com//", path + ` (did you mean "https://matrix.example.com"?)`},
		{"http://matrix.example.com", plain + ` (did you mean "https://matrix.example.com"?)`},
		{"http://localhost.example.com", plain + ` (did you mean "https://localhost.example.com"?)`},
		{"https://Matrix.Example.com", `must be written in small letters (did you mean "https://matrix.example.com"?)`},
		{"HTTPS://matrix.example.com", `must be written in small letters (did you mean "https://matrix.example.com"?)`},
	} {
		t.Run(c.issuer, func(t *testing.T) {
			got, err := parse(t, good+"[global.well_known]\nclient = \""+c.issuer+"\"")
			if c.want != "" {
				wantProblems(t, err, "k.toml:4: global.well_known.client: "+c.want)
			} else if err != nil || got.Issuer() != c.issuer {
				t.Errorf("issuer %v, error %v", got, err)
			}
		})
	}
}

func TestImpossibleProviders(t *testing.T) {
	const at = "k.toml:7: global.identity_provider.0."
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"no brand, id and issuer", good + "\n[[global.identity_provider]]", []string{
			`k.toml:4: global.identity_provider.0.brand: is missing`,
			`k.toml:4: global.identity_provider.0.client_id: is missing`,
			`k.toml:4: global.identity_provider.0.issuer_url: is missing: only GitHub, GitLab and Google have a default`,
		}},
		{"a client id that is no path segment", good + "[[global.identity_provider]]\nbrand = \"Google\"\nclient_id = \"a/b\"", []string{
			`k.toml:5: global.identity_provider.0.client_id: "a/b" cannot be part of the callback URL: 1 to 255 characters out of 0-9 A-Z a-z . _ ~ -`,
		}},
		{"Apple", good + "[[global.identity_provider]]\nbrand = \"Apple\"\nclient_id = \"a\"", []string{`k.toml:4: global.identity_provider.0.brand: "Apple" is not yet supported`}},
		{"Facebook", good + "[[global.identity_provider]]\nbrand = \"facebook\"\nclient_id = \"a\"", []string{`k.toml:4: global.identity_provider.0.brand: "facebook" is not yet supported`}},
		{"Twitter", good + "[[global.identity_provider]]\nbrand = \"Twitter\"\nclient_id = \"a\"", []string{`k.toml:4: global.identity_provider.0.brand: "Twitter" is not yet supported`}},
		{"one id twice", provider + "[[global.identity_provider]]\nbrand = \"Google\"\nclient_id = \"one\"", []string{
			`k.toml:9: global.identity_provider.1.client_id: "one" is already the client_id of the provider in line 5`,
		}},
		{"two defaults", provider + "default = true\n[[global.identity_provider]]\nbrand = \"Google\"\nclient_id = \"two\"\ndefault = true\n[[global.identity_provider]]\nbrand = \"Google\"\nclient_id = \"three\"", []string{
			`k.toml:11: global.identity_provider.1.default: only one provider can be the default, and these are: "one" in line 7, "two" in line 11`,
		}},
		{"a pointer that is none", provider + "admin_claim = \"/a~2b\"\nadmin_values = [\"\"]", []string{
			`k.toml:7: global.identity_provider.0.admin_claim: "/a~2b" is no JSON Pointer: a ~ is written ~0 there, and a / in a name ~1`,
			`k.toml:8: global.identity_provider.0.admin_values: an empty value`,
		}},
		{"a claim that no provider manages", provider + "managed_claims = [\"nam\"]", []string{
			`k.toml:7: global.identity_provider.0.managed_claims: "nam" is not one of name, email, picture (did you mean "name"?)`,
		}},
		{"a claim that cannot name a user", provider + "userid_claims = [\n\"sub\",\n\"user_name\"]", []string{
			`k.toml:9: global.identity_provider.0.userid_claims.1: "user_name" cannot name a user: no arbitrary claims, only sub, unique, preferred_username, username, nickname, login, email (did you mean "username"?)`,
		}},
		{"an endpoint that is no URL", provider + `token_url = "sso.example.com/token"`, []string{at + `token_url: is not a URL: write it like https://matrix.example.com`}},
		{"an endpoint with a password", provider + `token_url = "https://u:hunter2@sso.example.com/"`, []string{at + `token_url: must not have a user name or a password`}},
		{"an endpoint with a fragment", provider + `token_url = "https://sso.example.com/#x"`, []string{at + `token_url: must not have a fragment`}},
		{"an issuer with a query", good + "[[global.identity_provider]]\nbrand = \"x\"\nclient_id = \"a\"\nissuer_url = \"https://x.org/?a=b\"", []string{
			`k.toml:6: global.identity_provider.0.issuer_url: must not have a query or a fragment`,
		}},
		{"no time to sign in", provider + `grant_session_duration = 0`, []string{at + `grant_session_duration: 0 is not between 1 and 315360000`}},
		{"an impossible scope", provider + `scope = ["open\"id"]`, []string{at + `scope: "open\"id" has a character that no scope may have`}},
		{"a callback that is not answered", provider + `callback_url = "https://matrix.example.com/callback"`, []string{
			at + `callback_url: has a path that this server does not answer (did you mean "https://matrix.example.com/_matrix/client/unstable/login/sso/callback/one"?)`,
		}},
		{"a callback that others can read", provider + `callback_url = "http://matrix.example.com/_matrix/client/unstable/login/sso/callback/one"`, []string{
			at + `callback_url: is plain http, which only a loopback host may be: localhost, 127.0.0.1 or [::1]`,
		}},
		{"no discovery and nothing instead", provider + `discovery = false`, []string{
			`k.toml:3: global.identity_provider.0.authorization_url: is missing: discovery = false needs it`,
			`k.toml:3: global.identity_provider.0.token_url: is missing: discovery = false needs it`,
			`k.toml:3: global.identity_provider.0.jwks_url: is missing: discovery = false needs it, or else userinfo_url`,
		}},
		{"no discovery and no issuer for the ID tokens", good + "[[global.identity_provider]]\nbrand = \"x\"\nclient_id = \"a\"\ndiscovery = false\nauthorization_url = \"https://x.org\"\ntoken_url = \"https://x.org\"\njwks_url = \"https://x.org\"", []string{
			`k.toml:3: global.identity_provider.0.issuer_url: is missing: ID tokens are verified against it`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			wantProblems(t, err, c.want...)
		})
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"a value without quotes", good + "log_level = hunter2", []string{`k.toml:3: is not TOML: unexpected character U+0068 'h' at start of value`}},
		{"no value", good + "log_level", []string{`k.toml:3: is not TOML: expected '=' after key`}},
		{"a key twice", good + "port = 80\n\nport = 81", []string{`k.toml:5: is not TOML: key port is already defined`}},
		{"a table twice", good + "[global.database]\n[global.database]", []string{`k.toml:4: is not TOML: table database already exists`}},
		{"a number that does not fit", good + "port = 1e999999", []string{`k.toml:3: is not TOML: unable to parse float`}},
		{"what stands before it is checked too", good + "prot = 80\nport = 0\nlog_level =\nlog_format = 1", []string{
			`k.toml:3: global.prot: unknown key (did you mean "port"?)`,
			`k.toml:4: global.port: 0 is not between 1 and 65535`,
			`k.toml:5: is not TOML: unexpected character U+000A at start of value`,
		}},
		{"nothing is said about what is missing", "[[global.identity_provider]]\nbrand", []string{`k.toml:2: is not TOML: expected '=' after key`}},
		{"it does not matter that the line before is half a value", good + "address = [\n\"127.0.0.1\"\n\"::1\"]", []string{
			`k.toml:5: is not TOML: expected ',' or ']' after array value`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text)
			wantProblems(t, err, c.want...)
		})
	}
}

func TestSecretFiles(t *testing.T) {
	const noFile, empty = `the file cannot be read: no such file or directory`, `the file is empty`
	for _, c := range []struct{ name, text, want string }{
		{"a client secret that is not there", provider + `client_secret_file = "nowhere"`, `k.toml:7: global.identity_provider.0.client_secret_file: ` + noFile},
		{"a client secret that is empty", provider + `client_secret_file = "blank"`, `k.toml:7: global.identity_provider.0.client_secret_file: ` + empty},
		{"a client secret without a name", provider + `client_secret_file = ""`, `k.toml:7: global.identity_provider.0.client_secret_file: is empty: leave the key out instead`},
		{"a homeserver secret that is not there", good + "[global.homeserver]\nsecret_file = \"nowhere\"", `k.toml:4: global.homeserver.secret_file: ` + noFile},
		{"a homeserver secret that is a folder", good + "[global.homeserver]\nsecret_file = \".\"", `k.toml:4: global.homeserver.secret_file: the file cannot be read: is a directory`},
		{"a registration token that is empty", good + `oidc_registration_access_token_file = "blank"`, `k.toml:3: global.oidc_registration_access_token_file: ` + empty},
		{"a database URL that is not there", good + "[global.database]\nurl_file = \"nowhere\"", `k.toml:4: global.database.url_file: ` + noFile},
		{"a database URL that is none", good + "[global.database]\nurl_file = \"text\"", `k.toml:4: global.database.url_file: is neither sqlite:PATH nor a URL like postgres://user@host/database`},
		{"a file that holds no secret", good + "[global.homeserver]\nsecret_file = \"large\"", `k.toml:4: global.homeserver.secret_file: the file is larger than 65536 bytes: it holds no secret`},
		{"a master key that is too short", good + `secret_file = "text"`, `k.toml:3: global.secret_file: secret file text has 9 bytes, want 32 random bytes`},
		{"a master key that PostgreSQL needs", good + "secret_file = \"nowhere\"\n[global.database]\nurl = \"postgres://h/d\"", `k.toml:3: global.secret_file: read the secret file: open nowhere: no such file or directory`},
		{"a master key beside the database that is too short", good + "[global.database]\nurl = \"sqlite:text.db\"", `k.toml:1: global.secret_file: secret file text.secret has 4 bytes, want 32 random bytes`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, "blank", " \n")
			write(t, "text", " hunter2\n")
			write(t, "text.secret", "1234")
			write(t, "large", string(make([]byte, 64<<10+1)))
			_, err := parseHere(c.text)
			wantProblems(t, err, c.want)
		})
	}
}
