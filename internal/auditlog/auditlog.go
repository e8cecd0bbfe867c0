// Package auditlog writes the audit log of the database to a file or to standard
// output as well, one JSON object a line, for whatever collects logs.
package auditlog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"keymaker/internal/admin"
	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/store"
)

const (
	// overlap is how much of what is written already is looked at again: the
	// event of a transaction that took as long is not missed.
	overlap = 10 * time.Second
	// batch is how many events are read at once.
	batch = 1000
	// tail is how many bytes of a file are read to find where it ends; the events
	// of the overlap fit in.
	tail = 1 << 20
)

// Source is the audit log that is written.
type Source interface {
	EventsAfter(ctx context.Context, id string, limit int) ([]store.Event, error)
	UserID(localpart string) string
}

// Line is a line of the log. It holds names and ids, never a secret.
type Line struct {
	ID string `json:"id"`
	admin.Event
}

// Log follows the audit log of a database. It is for one caller at a time.
type Log struct {
	source Source
	stdout io.Writer
	clock  clock.Clock

	destination string
	// made is when New was called, until the first time that something is written.
	made time.Time
	// from is the earliest time that is to be written, after the newest that was,
	// and written the ids since a little before that.
	from    time.Time
	after   time.Time
	written map[string]time.Time
	// broken: the file ends within a line.
	broken bool
}

// New returns a Log that has written nothing yet. What happens from now on is for
// the first destination.
func New(source Source, stdout io.Writer, c clock.Clock) *Log {
	return &Log{source: source, stdout: stdout, clock: c, made: c.Now()}
}

// Write appends what has happened since the last time: to a file since its last
// line, and otherwise since New or, for another destination, since this call. Each event is written once. After an
// error the next call goes on where the file ends.
func (l *Log) Write(ctx context.Context, destination string) error {
	if destination != l.destination {
		if err := l.begin(destination); err != nil {
			return err
		}
	}
	l.made = time.Time{}
	if destination == "" {
		return nil
	}
	if err := l.follow(ctx); err != nil {
		if destination != config.AuditStdout {
			l.destination = "" // whatever has been written is read from the file
		}
		return err
	}
	l.forget()
	return nil
}

// begin finds out where a destination ends.
func (l *Log) begin(destination string) error {
	l.from = l.made
	if l.from.IsZero() {
		l.from = l.clock.Now()
	}
	l.from = l.from.Truncate(time.Millisecond) // as events have it
	l.after, l.written, l.broken = l.from, map[string]time.Time{}, false
	if destination != config.AuditStdout && destination != "" {
		if err := l.readTail(destination); err != nil {
			return err
		}
	}
	l.destination = destination
	return nil
}

// readTail learns from a file what is in it already.
func (l *Log) readTail(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	text := make([]byte, min(info.Size(), tail))
	if _, err := f.ReadAt(text, info.Size()-int64(len(text))); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the audit log: %w", err)
	}
	l.broken = len(text) > 0 && text[len(text)-1] != '\n'
	first := true
	for line := range bytes.Lines(text) {
		var known Line
		if json.Unmarshal(line, &known) == nil && known.ID != "" {
			if first {
				l.from, l.after, first = known.At, known.At, false
			}
			l.note(known.ID, known.At)
		}
	}
	return nil
}

// follow writes what is new.
func (l *Log) follow(ctx context.Context) error {
	last := store.FirstEventID(l.after.Add(-overlap))
	for {
		events, err := l.source.EventsAfter(ctx, last, batch)
		if err != nil {
			return err
		}
		var lines bytes.Buffer
		var fresh []store.Event
		for _, e := range events {
			last = e.ID
			if _, known := l.written[e.ID]; known || e.At.Before(l.from) {
				continue
			}
			if err := json.NewEncoder(&lines).Encode(Line{e.ID, admin.EventOf(e, l.source)}); err != nil {
				return fmt.Errorf("write the audit log: %w", err)
			}
			fresh = append(fresh, e)
		}
		if err := l.append(lines.Bytes()); err != nil {
			return err
		}
		for _, e := range fresh {
			l.note(e.ID, e.At)
		}
		if len(events) < batch {
			return nil
		}
	}
}

// note remembers what is written.
func (l *Log) note(id string, at time.Time) {
	l.written[id] = at
	if at.After(l.after) {
		l.after = at
	}
}

// append adds whole lines to the destination. The file is opened anew each time,
// so that it can be moved away.
func (l *Log) append(lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	if l.destination == config.AuditStdout {
		_, err := l.stdout.Write(lines)
		return err
	}
	f, err := os.OpenFile(l.destination, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	if l.broken {
		lines = append([]byte("\n"), lines...)
	}
	_, err = f.Write(lines)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write the audit log: %w", err)
	}
	l.broken = false
	return nil
}

// forget drops what the overlap no longer reaches.
func (l *Log) forget() {
	for id, at := range l.written {
		if at.Before(l.after.Add(-2 * overlap)) {
			delete(l.written, id)
		}
	}
}
