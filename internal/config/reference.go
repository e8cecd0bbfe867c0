package config

const referenceHead = `# Configuration

<!-- Made from the definitions in internal/config, by its test with -update. Do not edit. -->

Keymaker reads one TOML file and the environment. The names and meanings are
Tuwunel's where Tuwunel has them, and a block ` + "`[[global.identity_provider]]`" + ` copied from
there works unchanged.

The file is the one that ` + "`--config`" + ` names, else the one in ` + "`$KEYMAKER_CONFIG`" + `, else
` + "`./keymaker.toml`" + `, else ` + "`/etc/keymaker/keymaker.toml`" + `. Without any file the
environment is all there is.

An unknown key, a value of the wrong type and an impossible value stop the
start, with exit status 2. Everything that is wrong is listed at once, with its line, and
` + "`keymaker config check`" + ` lists it without starting:

` + "```" + `
keymaker.toml:4: global.prot: unknown key (did you mean "port"?)
keymaker.toml:9: global.identity_provider.0.client_secret_file: the file cannot be read: no such file or directory
` + "```" + `

## Environment

Every key has a variable: ` + "`KEYMAKER_`" + ` and the path of the key in capitals, with ` + "`__`" + `
between its parts. It beats the file.

| Key | Variable |
|---|---|
| ` + "`port`" + ` in ` + "`[global]`" + ` | ` + "`KEYMAKER_GLOBAL__PORT`" + ` |
| ` + "`client`" + ` in ` + "`[global.well_known]`" + ` | ` + "`KEYMAKER_GLOBAL__WELL_KNOWN__CLIENT`" + ` |
| ` + "`client_id`" + ` in the first ` + "`[[global.identity_provider]]`" + ` | ` + "`KEYMAKER_GLOBAL__IDENTITY_PROVIDER__0__CLIENT_ID`" + ` |

- Text and numbers are written as they are, switches as ` + "`true`" + ` or ` + "`false`" + `.
- Lists and tables are JSON:
  ` + "`KEYMAKER_GLOBAL__TRUSTED_PROXIES='[\"10.0.0.0/8\"]'`" + `,
  ` + "`KEYMAKER_GLOBAL__IDENTITY_PROVIDER__0__EXTRA_AUTHORIZATION_PARAMETERS='{\"prompt\": \"login\"}'`" + `.
- The numbers of the identity providers count from 0. A number that the file has
  changes that provider, and the next one adds a provider. So do those of the clients.
  ` + "`KEYMAKER_GLOBAL__IDENTITY_PROVIDER`" + ` with a JSON list replaces all of the file's.
- A misspelt variable is an error like a misspelt key. ` + "`KEYMAKER_CONFIG`" + `, variables that
  begin with ` + "`KEYMAKER_TEST_`" + ` and those without ` + "`__`" + ` are not configuration.

## Secrets

Every secret can stand in a file of its own instead: ` + "`client_secret_file`" + `,
` + "`oidc_registration_access_token_file`" + `, ` + "`url_file`" + ` of the database, ` + "`secret_file`" + ` of the
homeserver, ` + "`password_file`" + ` of the mail server and ` + "`headers_file`" + ` of the collector of traces. The space around it is trimmed. If the
secret is set too, the file is not read, and a warning says so. An identity provider's
` + "`client_secret_file`" + ` is read at each login, the others at the start. Paths are relative
to the working directory.

The ` + "`secret_file`" + ` of ` + "`[global]`" + ` is another thing: 32 random bytes, as
` + "`head -c 32 /dev/urandom`" + ` makes them.

## Every key

This is what ` + "`keymaker config example`" + ` prints.

` + "```toml" + `
`

// Reference is docs/configuration.md: the rules, and Example.
func Reference() string { return referenceHead + Example() + "```\n" }
