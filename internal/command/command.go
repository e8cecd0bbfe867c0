// Package command is the command line: one file for each command.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"keymaker/internal/clock"
)

// Streams are where a command writes to and what it reads of its surroundings.
type Streams struct {
	Out, Err io.Writer
	// In is what is read; nil for nothing.
	In io.Reader
	// Terminal: a person is at In, who can be asked.
	Terminal bool
	// Env is the environment, as os.Environ returns it.
	Env []string
	// Clock is what serve goes by; nil for the machine's.
	Clock clock.Clock
}

// ExitError ends the process with a status of its own. What it wraps has been
// told already if Quiet is set.
type ExitError struct {
	Code  int
	Quiet bool
	Err   error
}

// Error implements error.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit status %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Err }

// Exit statuses.
const (
	exitFailure = 1
	exitUsage   = 2 // wrong arguments or configuration
)

type root struct {
	Init        InitCommand        `cmd:"" help:"Write a first configuration and its secrets, and say what remains to be done."`
	Serve       ServeCommand       `cmd:"" help:"Run the server."`
	Demo        DemoCommand        `cmd:"" help:"Run the server with a demonstration identity provider, on this machine only."`
	Healthcheck HealthcheckCommand `cmd:"" help:"Ask the server that runs on this machine whether it can work. Exit status 0 if it can."`
	Doctor      DoctorCommand      `cmd:"" help:"Look at the server from outside and inside, and say what to change. Exit status 1 if anything has failed."`
	Config      ConfigCommand      `cmd:"" help:"Check the configuration, or print one with comments."`
	Admin       AdminCommand       `cmd:"" help:"Look at accounts, lock, suspend or deactivate them, and read the audit log."`
	Provider    ProviderCommand    `cmd:"" help:"Try the identity providers."`
	Keys        KeysCommand        `cmd:"" help:"Look after the keys that sign ID tokens, and the secret file that seals them."`
	Backup      BackupCommand      `cmd:"" help:"Keep a SQLite database in a file, while the server runs."`
	Restore     RestoreCommand     `cmd:"" help:"Put a backup in the place of the database, while no server runs."`
	Reload      ReloadCommand      `cmd:"" help:"Have the server that runs on this machine read its configuration again. Exit status 1 if it keeps the one of before."`
	DB          DBCommand          `cmd:"" name:"db" help:"Move to the other kind of database."`
	Snippet     SnippetCommand     `cmd:"" help:"Print what a reverse proxy must be told: nginx, Caddy or HAProxy."`
	Version     VersionCommand     `cmd:"" help:"Print the version."`
	Load        LoadCommand        `cmd:"" hidden:"" help:"Measure how fast the server is on this machine."`
}

// Main runs the command that args name and returns the exit status. SIGINT and
// SIGTERM end it in order.
func Main(args []string, streams *Streams) int {
	var cli root
	exited := -1
	parser, err := kong.New(&cli, kong.Name("keymaker"), kong.Description("An OAuth 2.0 and OpenID Connect server for Matrix."),
		kong.Writers(streams.Out, streams.Err), kong.Exit(func(status int) { exited = status }), kong.UsageOnError())
	if err != nil {
		_, _ = fmt.Fprintln(streams.Err, "keymaker:", err)
		return exitFailure
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help
	}
	if err != nil {
		_, _ = fmt.Fprintln(streams.Err, "keymaker:", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parsed.BindTo(ctx, (*context.Context)(nil))
	return status(parsed.Run(streams), streams)
}

func status(err error, streams *Streams) int {
	var exit *ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if !exit.Quiet {
			_, _ = fmt.Fprintln(streams.Err, "keymaker:", err)
		}
		return exit.Code
	}
	_, _ = fmt.Fprintln(streams.Err, "keymaker:", err)
	return exitFailure
}
