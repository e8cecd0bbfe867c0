package synapseconfig

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// check looks at an option. It returns the key that Synapse refuses beside the
// delegation, below or at the option; nil if it does not.
type check struct {
	option  string
	remedy  string
	refused func(key, value *yaml.Node) *yaml.Node
}

// Remedies.
const (
	remove   = "remove it"
	provider = "remove it: people sign in through this server, to which you give the same provider"
	signIn   = "set it to false or remove it: people sign in through this server"
)

// checks are what Synapse looks at when it delegates (synapse/config/mas.py of
// 1.163): eleven conditions, the fourth and fifth of which have several options.
// The last is what Synapse has refused by itself since 1.157.
var checks = []check{
	{"password_config", signIn, below(truthy, "enabled")},
	{"enable_registration", "set it to false: accounts are made when people first sign in", itself(said)},
	{"disable_registration", "remove it: it switches the registration on", itself(saidNo)},
	{"user_consent", remove, itself(func(n *yaml.Node) bool { return !isNull(n) })},
	{"oidc_providers", provider, itself(truthy)},
	{"oidc_config", provider, below(truthy, "enabled")},
	{"saml2_config", "remove it: a bridge such as Dex gives SAML to this server", saml},
	{"cas_config", "remove it: a bridge such as Dex gives CAS to this server", unlessDisabled},
	{"jwt_config", remove, below(truthy, "enabled")},
	{"password_providers", remove, itself(truthy)},
	{"ldap_config", remove, below(truthy, "enabled")},
	{"enable_registration_captcha", remove, itself(truthy)},
	{"login_via_existing_session", remove, below(truthy, "enabled")},
	{"refresh_token_lifetime", "remove it: refresh_token_ttl of this server decides", itself(lasts)},
	{"nonrefreshable_access_token_lifetime", "remove it: access_token_ttl of this server decides", itself(lasts)},
	{"session_lifetime", remove, itself(lasts)},
	{"enable_3pid_changes", "remove it: addresses come from the identity provider", itself(truthy)},
	{"experimental_features", "remove it: matrix_authentication_service has taken its place", below(truthy, "msc3861")},
}

// Conflicts are the options with which Synapse refuses to start once it
// delegates authentication, in the order of files and lines.
func (c *Config) Conflicts() []Conflict {
	var all []Conflict
	for _, check := range checks {
		e, is := c.options[check.option]
		if !is || check.option == "enable_registration" && c.options["disable_registration"].value != nil {
			continue // Synapse reads disable_registration alone where it is set
		}
		key := check.refused(e.key, resolve(e.value))
		if key == nil {
			continue
		}
		option := check.option
		if key != e.key {
			option += "." + key.Value
		}
		all = append(all, Conflict{Place: Place{e.file, key.Line}, Option: option, Remedy: check.remedy})
	}
	slices.SortStableFunc(all, func(a, b Conflict) int { return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line) })
	return all
}

// itself refuses an option that is so.
func itself(is func(*yaml.Node) bool) func(key, value *yaml.Node) *yaml.Node {
	return func(key, value *yaml.Node) *yaml.Node {
		if is(value) {
			return key
		}
		return nil
	}
}

// below refuses an option whose inner one is so.
func below(is func(*yaml.Node) bool, inner string) func(key, value *yaml.Node) *yaml.Node {
	return func(_, value *yaml.Node) *yaml.Node {
		if k, v := child(value, inner); k != nil && is(v) {
			return k
		}
		return nil
	}
}

func saidNo(n *yaml.Node) bool { return !said(n) }

// unlessDisabled refuses a table that is not switched off in it.
func unlessDisabled(key, value *yaml.Node) *yaml.Node {
	if !truthy(value) {
		return nil
	}
	if k, v := child(value, "enabled"); k != nil && !truthy(v) {
		return nil
	}
	return key
}

// saml refuses a table that names a configuration, and is not switched off.
func saml(key, value *yaml.Node) *yaml.Node {
	_, inline := child(value, "sp_config")
	_, path := child(value, "config_path")
	if !truthy(inline) && !truthy(path) {
		return nil
	}
	return unlessDisabled(key, value)
}
