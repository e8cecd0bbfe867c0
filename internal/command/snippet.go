package command

import (
	"io"

	"keymaker/internal/proxyconf"
)

// SnippetCommand prints what a reverse proxy must be told.
type SnippetCommand struct {
	Config      string `help:"The configuration file. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
	Certificate string `help:"The certificate of the public address, with its whole chain. Without it: where certbot has it, and Caddy gets its own. HAProxy's holds the key too." placeholder:"FILE" type:"path"`
	Key         string `help:"The key of the certificate, for nginx and Caddy." placeholder:"FILE" type:"path"`
	Proxy       string `arg:"" help:"nginx, caddy or haproxy." enum:"nginx,caddy,haproxy"`
}

// Run implements the command.
func (c *SnippetCommand) Run(streams *Streams) error {
	cfg, err := loadConfig(c.Config, streams)
	if err != nil {
		return err
	}
	text, err := proxyconf.For(c.Proxy, cfg, proxyconf.Certificate{File: c.Certificate, Key: c.Key})
	if err != nil {
		return &ExitError{Code: exitUsage, Err: err}
	}
	_, err = io.WriteString(streams.Out, text)
	return err
}
