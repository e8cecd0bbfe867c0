package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// secretly is in every secret below, and must be in nothing that is printed.
const secretly = "hunter2"

func TestNoSecretIsPrinted(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "key", strings.Repeat("k", 32))
	c, err := parseHere(provider+`client_secret = "`+secretly+`"
[global.database]
url = "postgres://u:`+secretly+`@h/d"
[global.homeserver]
secret = "`+secretly+`"
[global.smtp]
host = "mail.example.com"
from = "chat@example.com"
username = "u"
password = "`+secretly+`"
`, "KEYMAKER_GLOBAL__OIDC_REGISTRATION_ACCESS_TOKEN="+secretly, "KEYMAKER_GLOBAL__SECRET_FILE=key")
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("", "config", c, "provider", c.IdentityProviders[0])
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"%v":   fmt.Sprintf("%v", c),
		"%+v":  fmt.Sprintf("%+v", *c),
		"%#v":  fmt.Sprintf("%#v", *c),
		"%q":   fmt.Sprintf("%q", c.Homeserver.Secret),
		"%x":   fmt.Sprintf("%x", c.Database),
		"slog": log.String(),
		"JSON": string(asJSON),
	} {
		if strings.Contains(text, secretly) || strings.Contains(text, fmt.Sprintf("%x", secretly)) {
			t.Errorf("%s shows a secret: %s", name, text)
		}
	}
}

func TestNoProblemShowsASecret(t *testing.T) {
	for _, c := range []struct{ name, text, env string }{
		{name: "a database that is none", text: good + `database.url = "` + secretly + `"`},
		{name: "a database URL with a broken password", text: good + `database.url = "postgres://u:` + secretly + `%zz@h/d"`},
		{name: "a database that lacks its secret file", text: good + `database.url = "postgres://u:` + secretly + `@h/d"`},
		{name: "a password of the wrong type", text: good + `smtp.password = ["` + secretly + `"]`},
		{name: "a password where its file should be", text: good + `smtp.password_file = "` + secretly + `"`},
		{name: "a password without a user name", text: good + `smtp.password = "` + secretly + `"`},
		{name: "a secret of the wrong type", text: good + `homeserver.secret = ["` + secretly + `"]`},
		{name: "a secret where its file should be", text: good + `homeserver.secret_file = "` + secretly + `"`},
		{name: "a client secret where its file should be", text: provider + `client_secret_file = "` + secretly + `"`},
		{name: "a secret without quotes", text: good + `homeserver.secret = ` + secretly},
		{name: "a secret with one quote", text: good + `homeserver.secret = "` + secretly},
		{name: "a secret with a wrong escape", text: good + `homeserver.secret = "` + secretly + `\q"`},
		{name: "a secret twice", text: good + "homeserver.secret = \"" + secretly + "\"\nhomeserver.secret = \"" + secretly + "\""},
		{name: "an issuer with a password", text: good + `well_known.client = "https://u:` + secretly + `@example.com/path?x#y"`},
		{name: "a server name with a password", text: "[global]\nserver_name = \"https://u:" + secretly + "@example.com\""},
		{name: "an endpoint with a password", text: provider + `token_url = "http://u:` + secretly + `@example.com"`},
		{name: "a secret in a variable for a number", text: good, env: "KEYMAKER_GLOBAL__PORT=" + secretly},
		{name: "a secret in a variable that is not known", text: good, env: "KEYMAKER_GLOBAL__SECRET=" + secretly},
		{name: "a secret in a variable for a list", text: good, env: "KEYMAKER_GLOBAL__TRUSTED_PROXIES=" + secretly},
		{name: "a secret in a variable for a file", text: good, env: "KEYMAKER_GLOBAL__HOMESERVER__SECRET_FILE=" + secretly},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.text, c.env)
			if err == nil {
				t.Fatal("there is no problem")
			}
			if strings.Contains(err.Error(), secretly) {
				t.Errorf("the problem shows it: %v", err)
			}
		})
	}
}
