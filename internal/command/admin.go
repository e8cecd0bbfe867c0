package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/telemetry"
	"keymaker/provider"
	"keymaker/store"
)

// AdminCommand administers the accounts. It works on the database itself, so
// that it needs no running server; one that runs notices at once.
type AdminCommand struct {
	Config string            `help:"The configuration file. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
	JSON   bool              `name:"json" help:"Answer with JSON."`
	User   AdminUserCommand  `cmd:"" help:"Look at one account, or change its state."`
	Audit  AdminAuditCommand `cmd:"" help:"List what happened to accounts and sessions, the newest first."`
	Jobs   AdminJobsCommand  `cmd:"" help:"Look after what the server still has to tell others."`
}

// admin is a command at work on the database.
type admin struct {
	*store.Store
	config  *config.Config
	streams *Streams
	json    bool
}

// run opens the database for a command, beside a server that may be running.
func (c *AdminCommand) run(ctx context.Context, streams *Streams, do func(*admin) error) (err error) {
	cfg, err := loadConfig(c.Config, streams)
	if err != nil {
		return err
	}
	// Opening a file that is missing would make an empty database.
	if path, ok := strings.CutPrefix(cfg.Database.URL.Reveal(), "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no database %s yet: start the server once, or name its configuration with --config", path)
		}
	}
	log, err := telemetry.NewLogger(streams.Err, cfg.LogFormat, "warn")
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{URL: cfg.Database.URL, ServerName: cfg.ServerName, Clock: clock.System{}, Logger: log})
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// Whoever ends a session lets its client be told.
	if err := provider.Configure(ctx, db, cfg); err != nil {
		return err
	}
	return do(&admin{Store: db, config: cfg, streams: streams, json: c.JSON})
}

// localpart is the localpart of a user of this server, by that name alone or by
// the Matrix user ID.
func (a *admin) localpart(user string) (string, error) {
	rest, full := strings.CutPrefix(user, "@")
	localpart, server, hasServer := strings.Cut(rest, ":")
	if full != hasServer || localpart == "" {
		return "", &ExitError{Code: exitUsage, Err: fmt.Errorf("%s is no user: write alice or %s", printable(user), "@alice:"+a.config.ServerName)}
	}
	if full && server != a.config.ServerName {
		return "", &ExitError{Code: exitUsage, Err: fmt.Errorf("%s is no user of this server, whose name is %s", printable(user), a.config.ServerName)}
	}
	return localpart, nil
}

// known names the user in an error that says that there is none.
func (a *admin) known(localpart string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("there is no user %s", printable(a.UserID(localpart)))
	}
	return err
}

// confirm asks before something is destroyed. Without an answer it is not.
func (a *admin) confirm(question string) error {
	if _, err := fmt.Fprint(a.streams.Err, question+" Type yes to go on: "); err != nil {
		return err
	}
	var answer string
	if a.streams.In != nil {
		line, err := bufio.NewReader(a.streams.In).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the answer: %w", err)
		}
		answer = strings.TrimSpace(line)
	}
	if answer != "yes" {
		return errors.New("not confirmed, nothing was changed; --yes confirms without being asked")
	}
	return nil
}

// answer prints an answer: as JSON, or else as its text.
func (a *admin) answer(as any, text string) error {
	if !a.json {
		_, err := fmt.Fprint(a.streams.Out, text)
		return err
	}
	out := json.NewEncoder(a.streams.Out)
	out.SetIndent("", "  ")
	return out.Encode(as)
}

// printable is text for a terminal. What people and clients call themselves may
// hold characters that a terminal obeys, and those are quoted.
func printable(s string) string {
	if s == "" {
		return "-"
	}
	if strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return strconv.Quote(s)
	}
	return s
}
