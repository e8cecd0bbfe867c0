package synapsetest

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"keymaker/internal/secret"
)

const configName = "homeserver.yaml"

// template is a configuration with nothing that slows a test down, or speaks to
// other servers. %q is a text as JSON has it, which YAML reads too.
const template = `server_name: %q
public_baseurl: %q
pid_file: homeserver.pid
signing_key_path: signing.key
media_store_path: media
log_config: log.yaml
macaroon_secret_key: %q
form_secret: %q
report_stats: false
suppress_key_server_warning: true
trusted_key_servers: []
federation_domain_whitelist: []
presence:
  enabled: false
listeners:
  - port: %d
    type: http
    bind_addresses: ["127.0.0.1"]
    resources:
      - names: [client]
database:
  name: sqlite3
  args:
    database: homeserver.db
background_updates:
  sleep_enabled: false
rc_message:
  per_second: 10000
  burst_count: 10000
`

const delegation = `matrix_authentication_service:
  enabled: true
  endpoint: %q
  secret: %q
  force_http2: %t
`

const logConfig = `version: 1
formatters:
  line:
    format: "%(asctime)s %(levelname)s %(name)s: %(message)s"
handlers:
  file:
    class: logging.FileHandler
    formatter: line
    filename: homeserver.log
root:
  level: INFO
  handlers: [file]
disable_existing_loggers: false
`

// write makes the files of a homeserver.
func (o Options) write(folder string) error {
	var config strings.Builder
	fmt.Fprintf(&config, template, o.ServerName, o.PublicURL+"/", secret.Token(), secret.Token(), o.Port)
	if o.Endpoint != "" {
		fmt.Fprintf(&config, delegation, o.Endpoint, o.Secret.Reveal(), o.ForceHTTP2)
	}
	config.WriteString(o.Config)
	files := map[string]string{
		configName:    config.String(),
		"log.yaml":    logConfig,
		"signing.key": "ed25519 a_test " + base64.RawStdEncoding.EncodeToString(secret.Bytes(32)) + "\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
