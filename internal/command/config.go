package command

import (
	"fmt"

	"keymaker/internal/config"
)

// ConfigCommand looks at configurations without starting anything.
type ConfigCommand struct {
	Check   ConfigCheckCommand   `cmd:"" help:"Say what is wrong with the configuration. Exit status 2 if anything is."`
	Example ConfigExampleCommand `cmd:"" help:"Print a configuration with every option, its default and what it does."`
}

// ConfigCheckCommand says what is wrong with a configuration.
type ConfigCheckCommand struct {
	Config string `help:"The configuration file. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
}

// Run implements the command.
func (c *ConfigCheckCommand) Run(streams *Streams) error {
	cfg, err := loadConfig(c.Config, streams)
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		if _, err := fmt.Fprintln(streams.Out, "warning:", w); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(streams.Out, "The configuration is good.")
	return err
}

// ConfigExampleCommand prints the commented reference.
type ConfigExampleCommand struct{}

// Run implements the command.
func (*ConfigExampleCommand) Run(streams *Streams) error {
	_, err := fmt.Fprint(streams.Out, config.Example())
	return err
}
