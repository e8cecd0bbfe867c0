package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"keymaker/internal/secret"
)

// checkGlobal looks at the configuration as a whole.
func checkGlobal(r *reader, n *node, path string) {
	if c := r.draft.config; c.OIDCRateBurst == 0 {
		c.OIDCRatePerSecond = 0 // either of them switches the limits off
	}
	checkAdminUsers(r, n, path)
	checkSecretFile(r, n, path)
	findSocket(r)
	checkSMTP(r, n.table()["smtp"], join(path, "smtp"))
	if list := n.table()["identity_provider"]; list != nil {
		checkIDs(r, list.list(), join(path, "identity_provider"), "provider", func(i int) string { return r.draft.config.IdentityProviders[i].ClientID })
		checkDefaults(r, list.list(), join(path, "identity_provider"))
	}
	if list := n.table()["oidc_client"]; list != nil {
		checkIDs(r, list.list(), join(path, "oidc_client"), "client", func(i int) string { return r.draft.config.OIDCClients[i].ClientID })
	}
}

// checkAdminUsers makes localparts of the users who are named.
func checkAdminUsers(r *reader, n *node, path string) {
	c := r.draft.config
	for i, name := range c.AdminUsers {
		localpart, server, ok := SplitUser(name)
		switch key := fmt.Sprintf("%s.%d", join(path, "admin_users"), i); {
		case !ok:
			r.problem(n.at("admin_users"), key, refuse("%s is no user: write alice or @alice:example.com", quote(name)))
		case strings.HasPrefix(name, "@") && server != c.ServerName && c.ServerName != "":
			r.problem(n.at("admin_users"), key, refuse("%s is no user of this server, whose name is %s", quote(name), c.ServerName))
		}
		c.AdminUsers[i] = localpart
	}
}

// checkSecretFile finds the master key, and reads it if it is there.
func checkSecretFile(r *reader, n *node, path string) {
	c, at := r.draft.config, n.at("secret_file")
	file, isSQLite := sqlitePath(c.Database.URL)
	if c.SecretFile == "" && isSQLite {
		c.SecretFile = besides(file, ".secret")
	}
	switch {
	case c.Database.URL == "" || c.SecretFile == "" && n.has("secret_file"):
		return // one of them was refused
	case c.SecretFile == "":
		r.problem(placeOfDatabase(n), join(path, "secret_file"),
			refuse("is missing: with PostgreSQL it must name a file with %d random bytes", secret.KeySize))
		return
	}
	_, err := secret.ReadKey(c.SecretFile)
	willBeMade := isSQLite && errors.Is(err, fs.ErrNotExist)
	if err != nil && !willBeMade {
		r.problem(at, join(path, "secret_file"), err)
	}
}

// findSocket puts the private socket beside a SQLite file. Where the path is too
// long for a socket there is none.
func findSocket(r *reader) {
	c := r.draft.config
	file, isSQLite := sqlitePath(c.Database.URL)
	if c.Private.Address != "" || !isSQLite {
		return
	}
	if path := besides(file, ".sock"); len(path) <= maxSocketPath {
		c.Private.Address, c.Private.Implied = unixScheme+path, true
	}
}

// besides is a file beside a SQLite database, with another ending.
func besides(database, ending string) string {
	file := strings.TrimSuffix(database, filepath.Ext(database)) + ending
	if file == database {
		file += ending
	}
	return file
}

func placeOfDatabase(global *node) place {
	database := global.table()["database"]
	switch {
	case database == nil:
		return global.place
	case database.has("url"):
		return database.at("url")
	}
	return database.at("url_file")
}

// checkIDs refuses a client id that two entries of a list have.
func checkIDs(r *reader, list []*node, path, kind string, clientID func(int) string) {
	first := map[string]place{}
	for i, n := range list {
		id := clientID(i)
		at := n.at("client_id")
		if other, taken := first[id]; taken && id != "" {
			r.problem(at, fmt.Sprintf("%s.%d.client_id", path, i),
				refuse("%s is already the client_id of the %s %s", quote(id), kind, other.where()))
			continue
		}
		first[id] = at
	}
}

// checkDefaults refuses several default providers, and names them all.
func checkDefaults(r *reader, list []*node, path string) {
	var names []string
	var last place
	key := ""
	for i, n := range list {
		if p := r.draft.config.IdentityProviders[i]; p.Default {
			last = n.at("default")
			key = fmt.Sprintf("%s.%d.default", path, i)
			names = append(names, quote(p.ClientID)+" "+last.where())
		}
	}
	if len(names) > 1 {
		r.problem(last, key, refuse("only one provider can be the default, and these are: %s", strings.Join(names, ", ")))
	}
}

// where says where something was written, behind its name.
func (p place) where() string {
	if p.line > 0 {
		return fmt.Sprintf("in line %d", p.line)
	}
	return "in " + p.file
}

// checkHomeserverTable asks for what another program needs, and warns of what
// the embedded homeserver does not use.
func checkHomeserverTable(r *reader, n *node, path string) {
	h := r.draft.config.Homeserver
	if !h.Remote() {
		if n.has("endpoint") {
			r.warn(n.at("endpoint"), join(path, "endpoint"), "is not used by the embedded homeserver")
		}
		return
	}
	if h.Endpoint == "" && !n.has("endpoint") {
		r.problem(n.at("kind"), join(path, "endpoint"), refuse("is missing: say where Synapse answers, such as http://localhost:8008"))
	}
	switch {
	case h.Secret == "" && !n.has("secret") && !n.has("secret_file"):
		r.problem(n.at("kind"), join(path, "secret"), refuse("is missing: it must be what Synapse's matrix_authentication_service.secret is (or secret_file)"))
	case strings.ContainsFunc(h.Secret.Reveal(), func(c rune) bool { return c <= ' ' || c > '~' }):
		r.problem(placeOfSecret(n), join(path, "secret"), refuse("must be visible ASCII characters without spaces"))
	}
}

// placeOfSecret is where the secret of the homeserver was written.
func placeOfSecret(homeserver *node) place {
	if homeserver.has("secret") {
		return homeserver.at("secret")
	}
	return homeserver.at("secret_file")
}
