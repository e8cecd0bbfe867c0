package command

import (
	"context"
	"errors"
	"fmt"

	"keymaker/internal/admin"
)

// ReloadCommand has the server that runs on this machine read its configuration
// again.
type ReloadCommand struct {
	Config string `help:"The configuration file, which names the socket. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
	Socket string `help:"Ask through this private socket. No configuration is read here." placeholder:"SOCKET" type:"path"`
}

// Run implements the command.
func (c *ReloadCommand) Run(ctx context.Context, streams *Streams) error {
	socket := c.Socket
	if socket == "" {
		cfg, err := loadConfig(c.Config, streams)
		if err != nil {
			return err
		}
		if socket = cfg.Private.Socket(); socket == "" {
			return errors.New("the configuration's [global.private] names no address: send the server SIGHUP, and read in its log what became of it")
		}
	}
	if _, err := admin.Reload.On(ctx, admin.NewClient(socket), admin.Nothing{}); err != nil {
		return fmt.Errorf("the server goes on with the configuration of before: %w", err)
	}
	_, err := fmt.Fprintln(streams.Out, "The server has read its configuration again.")
	return err
}
