package fill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/oklog/ulid/v2"

	"keymaker/internal/secret"
	"keymaker/store"
)

// Sizes of what is written at once, in rows.
const (
	rowsPerStatement   = 500
	rowsPerTransaction = 50_000
	devicesPerUser     = 2
)

// Asked says what a homeserver has asked about the stored tokens already.
type Asked string

const (
	// AskedLately is as where tokens live for five minutes: each was asked about
	// within them, which was its first use. To ask once more is to read.
	AskedLately Asked = "lately"
	// AskedNever leaves the first use of each token to come, which is written.
	AskedNever Asked = "never"
	// AskedForLong is as where tokens do not expire: each is in use for an hour, and
	// asked about every two minutes, so that of the first questions one in six has
	// to be written.
	AskedForLong Asked = "for-long"
)

// Spread over all sessions, with a step that is prime, so that neighbours differ.
const (
	lifetime   = 5 * time.Minute // of an access token, unless configured
	askedEvery = 2 * time.Minute // how often a homeserver asks about a token in use
	apart      = 7919 * time.Millisecond
)

// used returns how long before Now the generation of a session was used first,
// nil = never, and how long before its device was seen.
func (a Asked) used(i int) (first *time.Duration, seen time.Duration) {
	ago := time.Duration(i) * apart
	began := age
	switch a {
	case AskedNever:
		return nil, began
	case AskedForLong:
		return &began, ago % (store.SeenResolution + askedEvery)
	default:
		ago %= lifetime
		return &ago, ago
	}
}

// age is how old the stored sessions are.
const age = time.Hour

// firstGeneration is that of a session which has not been refreshed.
const firstGeneration = 1

// Sessions are live sessions, each with its device and an access token.
type Sessions struct {
	Count    int
	ClientID string
	Now      time.Time
	// Asked is AskedLately unless it is set.
	Asked Asked
	// Token is the access token of a session, by its number from 0.
	Token func(i int) string
	// Refresh is the refresh token of a session, by its number and its id. It is of
	// the first generation.
	Refresh func(i int, id string) string
}

// Scope is what a session or a code may do, without its device.
const Scope = "openid urn:matrix:client:api:* urn:matrix:client:device:"

// Localpart is the user of a session or a code, by its number.
func Localpart(i int) string { return fmt.Sprintf("user%07d", i/devicesPerUser) }

// upstreamColumns say where somebody signed in.
var upstreamColumns = []string{"provider_id", "upstream_issuer", "upstream_subject"}

func upstream(subject string) []any { return []any{"load", "https://load.example", subject} }

// table is one table, with the values of a row by its number.
type table struct {
	name    string
	columns []string
	count   int
	row     func(i int) []any
}

// AddSessions adds users, devices, sessions and access tokens. The sessions are
// an hour old and their tokens live for another day: nothing is swept.
func (d *Database) AddSessions(ctx context.Context, s Sessions) error {
	if err := d.exec(ctx, "PRAGMA synchronous = OFF", "PRAGMA cache_size = -400000"); err != nil {
		return err
	}
	now := s.Now.UnixMilli()
	ids := make([]string, s.Count)
	for i := range ids {
		ids[i] = SessionID(s.Now, i)
	}
	device := func(i int) string { return fmt.Sprintf("DEVICE%07d", i) }
	at := s.Now.Add(-age).UnixMilli()
	ago := func(d time.Duration) int64 { return s.Now.Add(-d).UnixMilli() }
	tables := []table{
		{"users", []string{"localpart", "display_name", "email", "created_at"}, (s.Count + devicesPerUser - 1) / devicesPerUser,
			func(i int) []any { return []any{Localpart(i * devicesPerUser), "User of the load program", "", at} }},
		{"devices", slices.Concat([]string{"localpart", "device_id", "display_name", "client_id", "created_at", "last_seen_at"}, upstreamColumns), s.Count,
			func(i int) []any {
				_, seen := s.Asked.used(i)
				return append([]any{Localpart(i), device(i), "Device", s.ClientID, at, ago(seen)}, upstream(Localpart(i))...)
			}},
		{"sessions", slices.Concat([]string{"id", "kind", "localpart", "device_id", "client_id", "scope", "auth_time", "created_at", "generation",
			"generation_used_at", "refresh_hash", "successor_seed", "rotated_at"}, upstreamColumns), s.Count,
			func(i int) []any {
				var used any
				if first, _ := s.Asked.used(i); first != nil {
					used = ago(*first)
				}
				return append([]any{ids[i], "oauth", Localpart(i), device(i), s.ClientID, Scope + device(i), at, at, firstGeneration, used, secret.Hash(s.Refresh(i, ids[i])), secret.Bytes(16), at},
					upstream(Localpart(i))...)
			}},
		{"access_tokens", []string{"token_hash", "session_id", "generation", "issued_at", "expires_at"}, s.Count,
			func(i int) []any {
				return []any{secret.Hash(s.Token(i)), ids[i], firstGeneration, now, s.Now.Add(24 * time.Hour).UnixMilli()}
			}},
	}
	for _, t := range tables {
		if err := d.add(ctx, t); err != nil {
			return err
		}
	}
	return d.settle(ctx)
}

// Codes are authorization codes that nobody has exchanged yet, of users that
// AddSessions has made.
type Codes struct {
	Count       int
	ClientID    string
	RedirectURI string
	Challenge   string // S256
	Now         time.Time
	// Code is a code by its number from 0, and Users how many sessions' users
	// there are.
	Code  func(i int) string
	Users int
}

// AddCodes adds codes, which can be exchanged for a day.
func (d *Database) AddCodes(ctx context.Context, c Codes) error {
	at := c.Now.UnixMilli()
	return d.add(ctx, table{
		"authorization_codes", slices.Concat([]string{"code_hash", "session_id", "client_id", "localpart", "device_id", "scope", "redirect_uri", "code_challenge",
			"code_challenge_method", "nonce", "auth_time", "created_at", "expires_at"}, upstreamColumns), c.Count,
		func(i int) []any {
			device, user := "CODE"+secret.Letters(12), Localpart(i%max(1, c.Users))
			return append([]any{secret.Hash(c.Code(i)), ulid.Make().String(), c.ClientID, user, device, Scope + device,
				c.RedirectURI, c.Challenge, "S256", "", at, at, c.Now.Add(24 * time.Hour).UnixMilli()}, upstream(user)...)
		},
	})
}

// add writes the rows of a table in a few transactions.
func (d *Database) add(ctx context.Context, t table) error {
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("fill the database: %w", err)
	}
	defer func() { _ = conn.Close() }()
	write := insertRows
	if d.postgres {
		write = copyRows
	}
	for from := 0; from < t.count; from += rowsPerTransaction {
		if err := write(ctx, conn, t, from, min(from+rowsPerTransaction, t.count)); err != nil {
			return fmt.Errorf("fill %s: %w", t.name, err)
		}
	}
	return nil
}

// copyRows writes rows by PostgreSQL's COPY, which is one transaction.
func copyRows(ctx context.Context, conn *sql.Conn, t table, from, to int) error {
	return conn.Raw(func(driver any) error {
		pg, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("not a connection of pgx: %T", driver)
		}
		_, err := pg.Conn().CopyFrom(ctx, pgx.Identifier{t.name}, t.columns,
			pgx.CopyFromSlice(to-from, func(i int) ([]any, error) { return t.row(from + i), nil }))
		return err
	})
}

// insertRows writes rows to SQLite in one transaction.
func insertRows(ctx context.Context, conn *sql.Conn, t table, from, to int) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	row := "(?" + strings.Repeat(", ?", len(t.columns)-1) + ")"
	for from < to {
		n := min(rowsPerStatement, to-from)
		statement := "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES " + row + strings.Repeat(", "+row, n-1) //nolint:gosec // all of it is written above
		var values []any
		for i := range n {
			values = append(values, t.row(from+i)...)
		}
		if _, err := tx.ExecContext(ctx, statement, values...); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		from += n
	}
	return tx.Commit()
}

// settle leaves the database as one that has been in use for long: its log
// copied, its statistics known, and all of it on the disk, which would else be
// busy with it while the server is measured, as PostgreSQL is with the cleaning.
func (d *Database) settle(ctx context.Context) error {
	if d.postgres {
		if _, err := d.db.ExecContext(ctx, "VACUUM (ANALYZE) users, devices, sessions, access_tokens"); err != nil {
			return fmt.Errorf("vacuum: %w", err)
		}
		return nil
	}
	return d.exec(ctx, "PRAGMA synchronous = FULL", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA cache_size = -16000")
}

// SessionID is the id of a stored session, which sorts by its number, where now was
// the time when it was stored.
func SessionID(now time.Time, i int) string {
	var id ulid.ULID
	_ = id.SetTime(uint64(now.Add(-age).UnixMilli() + int64(i/1000))) // years before its limit
	_ = id.SetEntropy(append([]byte{byte(i / 1000 >> 8), byte(i / 1000), byte(i % 1000 >> 8), byte(i % 1000)}, secret.Hash(strconv.Itoa(i))[:6]...))
	return id.String()
}
