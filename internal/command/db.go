package command

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
	"keymaker/internal/telemetry"
	"keymaker/store"
)

// DBCommand looks after the database.
type DBCommand struct {
	Copy DBCopyCommand `cmd:"" help:"Copy everything from SQLite to PostgreSQL, or back, while no server runs on either."`
}

// DBCopyCommand moves a server to the other kind of database.
type DBCopyCommand struct {
	From  string `required:"" help:"The database to copy from: sqlite:PATH or postgres://USER@HOST/DATABASE. Take a password from PGPASSWORD or ~/.pgpass: others on this machine see what a command was given." placeholder:"URL"`
	To    string `required:"" help:"The database to copy to, which must be empty, or half-done by this command." placeholder:"URL"`
	Again bool   `help:"Empty a half-done copy and begin anew."`
}

// Run implements the command.
func (c *DBCopyCommand) Run(ctx context.Context, streams *Streams) error {
	log, err := telemetry.NewLogger(streams.Err, "text", "warn")
	if err != nil {
		return err
	}
	done, err := store.Copy(ctx, store.CopyOptions{
		Options: store.Options{Clock: clock.System{}, Logger: log},
		From:    secret.Text(c.From), To: secret.Text(c.To), Again: c.Again, Progress: c.progress(streams),
	})
	if err != nil {
		return c.advise(err)
	}
	var t text
	rows := make([][]string, 0, len(done))
	for _, copied := range done {
		rows = append(rows, []string{copied.Name, strconv.FormatInt(copied.Rows, 10), copied.Sum})
	}
	t.table(rows, "TABLE", "ROWS", "CHECKSUM")
	t.WriteString("Both sides hold the same. Set database.url to the copy, and keep secret_file as it is: what is sealed was copied as it is.\n")
	_, err = fmt.Fprint(streams.Out, t.String())
	return err
}

// progressRows is after how many rows of a table a line is written.
const progressRows = 100_000

// progress tells of large tables on standard error.
func (c *DBCopyCommand) progress(streams *Streams) func(string, int64) {
	next := map[string]int64{}
	return func(table string, rows int64) {
		if rows >= next[table]+progressRows {
			next[table] = rows
			_, _ = fmt.Fprintf(streams.Err, "%s: %d rows\n", table, rows)
		}
	}
}

// advise says what to do about what has gone wrong.
func (c *DBCopyCommand) advise(err error) error {
	switch {
	case errors.Is(err, store.ErrLocked):
		return fmt.Errorf("%w: stop it first", err)
	case errors.Is(err, store.ErrOtherVersion):
		return fmt.Errorf("%w: start a server of this version on it once, and stop it", err)
	case errors.Is(err, store.ErrNotEmpty):
		return fmt.Errorf("%w, and nothing was written: name an empty one", err)
	case errors.Is(err, store.ErrDiffers):
		return fmt.Errorf("%w: the source was changed meanwhile. Stop what changes it, and copy with --again", err)
	case errors.Is(err, store.ErrKinds):
		return &ExitError{Code: exitUsage, Err: fmt.Errorf("%w: one of --from and --to is sqlite:PATH, the other postgres://…. Between two of a kind use keymaker backup, or pg_dump", err)}
	case errors.Is(err, context.Canceled):
		return errors.New("stopped: the same command goes on where it was")
	}
	return err
}
