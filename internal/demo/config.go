package demo

import (
	"fmt"

	"github.com/pelletier/go-toml/v2"

	"keymaker/internal/secret"
)

// providerClientID is the server's name at the identity provider.
const providerClientID = "keymaker-demo"

// file is the configuration of the demonstration's server, written as an
// administrator would write it.
type file struct {
	Global global `toml:"global"`
}

type global struct {
	ServerName string     `toml:"server_name"`
	WellKnown  wellKnown  `toml:"well_known"`
	Database   database   `toml:"database"`
	Homeserver homeserver `toml:"homeserver"`
	Providers  []provider `toml:"identity_provider"`
}

type wellKnown struct {
	Client string `toml:"client"`
}

type database struct {
	URL string `toml:"url"`
}

type homeserver struct {
	Kind   string `toml:"kind"`
	Secret string `toml:"secret"`
}

type provider struct {
	Brand        string `toml:"brand"`
	Name         string `toml:"name"`
	ClientID     string `toml:"client_id"`
	ClientSecret string `toml:"client_secret"`
	IssuerURL    string `toml:"issuer_url"`
	Trusted      bool   `toml:"trusted"`
}

// configText is the server's configuration file.
func (d *Demo) configText(clientSecret secret.Text) ([]byte, error) {
	text, err := toml.Marshal(file{global{
		ServerName: "localhost",
		WellKnown:  wellKnown{d.Issuer},
		Database:   database{"sqlite:" + d.Database()},
		Homeserver: homeserver{"embedded", d.secret.Reveal()},
		Providers: []provider{{
			Brand: "demo", Name: "Demonstration provider",
			ClientID: providerClientID, ClientSecret: clientSecret.Reveal(), IssuerURL: d.Provider,
			// With a data folder that is kept, the next provider has another
			// port and so another issuer: it may sign its alice in as alice.
			Trusted: true,
		}},
	}})
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return text, nil
}
