package config

import "slices"

// NeedsRestart are the keys whose values differ in next and that a server cannot
// change while it runs: what it listens on, what it is called, and where it keeps
// things.
func (c *Config) NeedsRestart(next *Config) (keys []string) {
	for _, k := range []struct {
		key  string
		same bool
	}{
		{"global.server_name", c.ServerName == next.ServerName},
		{"global.address", slices.Equal(c.Address, next.Address)},
		{"global.port", c.Port == next.Port},
		{"global.secret_file", c.SecretFile == next.SecretFile},
		{"global.log_format", c.LogFormat == next.LogFormat},
		{"global.well_known.client", c.WellKnown == next.WellKnown},
		{"global.database.url", c.Database == next.Database},
		{"global.homeserver.kind", c.Homeserver.Kind == next.Homeserver.Kind},
		{"global.private.address", c.Private.Address == next.Private.Address},
		{"global.private.metrics_address", c.Private.MetricsAddress == next.Private.MetricsAddress},
	} {
		if !k.same {
			keys = append(keys, k.key)
		}
	}
	return keys
}
