package command

import (
	"context"
	"errors"
	"fmt"

	"keymaker/internal/demo"
	"keymaker/internal/telemetry"
)

// DemoCommand runs the server with a demonstration identity provider and a
// demonstration application, all on this machine.
type DemoCommand struct {
	Once   bool   `help:"Walk the whole journey of a Matrix client, one line for each step, and end. Exit status 0 only if every step held."`
	Port   int    `help:"The port of the server. 0 picks a free one." placeholder:"PORT"`
	Dir    string `help:"Keep the database in this folder. Without it: a temporary folder, removed at the end." placeholder:"DIR" type:"path"`
	Issuer string `help:"The URL of the server where a reverse proxy stands before it. Without it: the server's own address." placeholder:"URL"`
}

// Run implements the command.
func (c *DemoCommand) Run(ctx context.Context, streams *Streams) (err error) {
	log, err := telemetry.NewLogger(streams.Err, "text", "warn")
	if err != nil {
		return err
	}
	d, err := demo.Open(ctx, demo.Options{Port: c.Port, Dir: c.Dir, Issuer: c.Issuer, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := c.announce(d, streams); err != nil {
		return err
	}
	if c.Once {
		return d.Once(ctx, streams.Out)
	}
	return d.Serve(ctx)
}

// announce says what runs where.
func (c *DemoCommand) announce(d *demo.Demo, streams *Streams) error {
	kept := "kept"
	if c.Dir == "" {
		kept = "removed at the end"
	}
	_, err := fmt.Fprintf(streams.Out, `Keymaker demonstration, on this machine only and not for production.
Server             http://%s
Issuer             %s
Identity provider  %s (users alice and bob, no passwords)
Database           %s (%s)
`, d.Address(), d.Issuer, d.Provider, d.Database(), kept)
	if err != nil || c.Once {
		return err
	}
	_, err = fmt.Fprintf(streams.Out, "Open %s to sign in as a Matrix client does. Ctrl-C ends it.\n", d.App)
	return err
}
