package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"

	"keymaker/internal/admin"
	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/provider"
	"keymaker/store"
)

// AdminCommand administers the accounts. It works on the database itself, so
// that it needs no running server; one that runs notices at once. Where the
// database cannot be opened, it asks the server.
type AdminCommand struct {
	Config string            `help:"The configuration file. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
	JSON   bool              `name:"json" help:"Answer with JSON."`
	Server bool              `help:"Ask the server that runs, through the socket that the configuration names, instead of opening the database."`
	Socket string            `help:"The same, through this socket. No configuration is read." placeholder:"SOCKET" type:"path"`
	User   AdminUserCommand  `cmd:"" help:"Look at one account, or change its state."`
	Audit  AdminAuditCommand `cmd:"" help:"List what happened to accounts and sessions, the newest first."`
	Jobs   AdminJobsCommand  `cmd:"" help:"Look after what the server still has to tell others."`
	Query  AdminQueryCommand `cmd:"" help:"Look at what the server keeps, and put it right."`
	Mail   AdminMailCommand  `cmd:"" help:"Look after the mails for people."`
}

// administration is a command at work.
type administration struct {
	on      admin.Caller
	streams *Streams
	json    bool
}

// run does something on the database or through the server.
func (c *AdminCommand) run(ctx context.Context, streams *Streams, do func(*administration) error) error {
	return c.runBy(ctx, streams, onDatabase, do)
}

// runBy does something through the server, or else directly, on what it needs.
func (c *AdminCommand) runBy(ctx context.Context, streams *Streams, directly func(context.Context, *config.Config, *administration, func(*administration) error) error,
	do func(*administration) error,
) error {
	a := &administration{streams: streams, json: c.JSON}
	if c.Socket != "" {
		a.on = admin.NewClient(c.Socket)
		return usage(do(a))
	}
	cfg, err := loadConfig(c.Config, streams)
	if err != nil {
		return err
	}
	if !c.Server {
		return directly(ctx, cfg, a, do)
	}
	if cfg.Private.Socket() == "" {
		return errors.New("the configuration's [global.private] names no address: set it for the server, or name its socket with --socket")
	}
	a.on = admin.NewClient(cfg.Private.Socket())
	return usage(do(a))
}

// onDatabase opens the database for a command, beside a server that may be
// running.
func onDatabase(ctx context.Context, cfg *config.Config, a *administration, do func(*administration) error) (err error) {
	db, err := openDatabase(ctx, cfg, a.streams, store.Options{Notices: cfg.SMTP.Enabled(), Outbox: cfg.Homeserver.Remote(), NoPictures: !cfg.KeepsPictures()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// Whoever ends a session lets its client be told.
	if err := provider.Configure(ctx, db, cfg); err != nil {
		return err
	}
	a.on = &admin.Service{Store: db, Config: cfg, Clock: clock.System{}}
	return usage(do(a))
}

// usage gives what could never be answered the exit status of wrong arguments.
func usage(err error) error {
	var wrong *admin.Error
	if errors.As(err, &wrong) && wrong.Usage {
		return &ExitError{Code: exitUsage, Err: err}
	}
	return err
}

// confirm asks before something is destroyed, or can be. Where nobody can be
// asked it is not.
func (a *administration) confirm(question string) error {
	if !a.streams.Terminal {
		return errors.New("this has to be confirmed, and nobody is at a terminal: nothing was changed; --yes confirms without being asked")
	}
	answer, err := ask(a.streams, question+" Type yes to go on: ")
	if err != nil {
		return err
	}
	if strings.TrimSpace(answer) != "yes" {
		return errors.New("not confirmed, nothing was changed; --yes confirms without being asked")
	}
	return nil
}

// ask asks the person at the terminal for a line.
func ask(streams *Streams, question string) (string, error) {
	if _, err := fmt.Fprint(streams.Err, question); err != nil || streams.In == nil {
		return "", err
	}
	line, err := bufio.NewReader(streams.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return line, nil
}

// answer prints an answer: as JSON, or else as its text.
func (a *administration) answer(as any, text string) error {
	if !a.json {
		_, err := io.WriteString(a.streams.Out, text)
		return err
	}
	out, err := json.MarshalIndent(as, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.streams.Out, printableJSON(out))
	return err
}

// printableJSON is JSON that a terminal can show: what it would obey, or what
// would turn the text around, is escaped. Such characters are in strings only.
func printableJSON(text []byte) string {
	var out strings.Builder
	for _, c := range string(text) {
		switch {
		case c == '\n' || unicode.IsPrint(c):
			out.WriteRune(c)
		case c > 0xFFFF:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, c)
		}
	}
	return out.String()
}
