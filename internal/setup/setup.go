// Package setup makes the first configuration of a server, and the secrets that
// go with it, without touching anything that is there.
package setup

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"keymaker/internal/config"
	"keymaker/internal/secret"
)

// ErrExists is that something is there already that a setup would write.
var ErrExists = errors.New("there is one already, and nothing is overwritten")

// Answers are what the administrator has said.
type Answers struct {
	ServerName string // the Matrix server name
	Issuer     string // the public address of the server
	Homeserver string // where Synapse answers; "" = the embedded homeserver
	Brand      string // of the identity provider
	Provider   string // the issuer of the identity provider; "" where the brand has one
	ClientID   string // what the identity provider knows this server by
	Folder     string // where the files go, an absolute path
}

// The files of a setup.
const (
	configName     = "keymaker.toml"
	sealName       = "keymaker.secret"
	databaseName   = "keymaker.db"
	homeserverName = "homeserver_secret"
)

// Plan is what a setup will write.
type Plan struct {
	Config     *config.Config // as the server will read it
	ConfigFile string
	// SealFile opens what the database keeps sealed, ClientSecretFile is for the
	// identity provider, and HomeserverSecretFile for Synapse; the last is "" for
	// the embedded homeserver.
	SealFile, ClientSecretFile, HomeserverSecretFile string

	folder string
	files  []file
}

// New plans a setup. The configuration has passed every check of the server: the
// error is config.Problems with whatever was impossible in the answers, or
// ErrExists.
func New(a Answers) (*Plan, error) {
	in := func(name string) string { return filepath.Join(a.Folder, name) }
	p := &Plan{folder: a.Folder, ConfigFile: in(configName), SealFile: in(sealName), ClientSecretFile: in(secretName(a.Brand))}
	client, shared := secret.Token(), secret.Token()
	p.files = []file{{p.SealFile, secret.Bytes(secret.KeySize)}, {p.ClientSecretFile, []byte(client + "\n")}}
	// The files of the secrets are not there yet: what is checked holds what will
	// be in them, in the same lines.
	checked := p.text(a, "client_secret", client, "secret", shared)
	if a.Homeserver != "" {
		p.HomeserverSecretFile = in(homeserverName)
		p.files = append(p.files, file{p.HomeserverSecretFile, []byte(shared + "\n")})
	}
	if err := p.free(); err != nil {
		return nil, err
	}
	c, err := config.Parse(configName, []byte(checked), nil)
	if err != nil {
		return nil, err
	}
	p.Config = c
	// Where there is a configuration, everything that it names is there.
	p.files = append(p.files, file{p.ConfigFile, []byte(p.text(a, "client_secret_file", p.ClientSecretFile, "secret_file", p.HomeserverSecretFile))})
	return p, nil
}

// secretName is the name of the file with the client secret.
func secretName(brand string) string {
	name := strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			return c
		}
		return '_'
	}, strings.ToLower(brand))
	return name + "_client_secret"
}

// text is the configuration, with the keys and the values of the two secrets.
func (p *Plan) text(a Answers, clientKey, client, sharedKey, shared string) string {
	var b strings.Builder
	table := func(name string, pairs ...string) {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(name + "\n")
		for i := 0; i < len(pairs); i += 2 {
			fmt.Fprintf(&b, "%s = %s\n", pairs[i], quote(pairs[i+1]))
		}
	}
	table("[global]", "server_name", a.ServerName, "secret_file", p.SealFile)
	table("[global.well_known]", "client", a.Issuer)
	table("[global.database]", "url", "sqlite:"+filepath.Join(a.Folder, databaseName))
	if a.Homeserver != "" {
		table("[global.homeserver]", "kind", config.HomeserverSynapse, "endpoint", a.Homeserver, sharedKey, shared)
	}
	provider := []string{"brand", a.Brand, "client_id", a.ClientID, clientKey, client}
	if a.Provider != "" {
		provider = append(provider, "issuer_url", a.Provider)
	}
	table("[[global.identity_provider]]", provider...)
	return b.String()
}

// quote is a text as TOML has it.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
