package fill

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"keymaker/internal/secret"
)

// Sizes of what is written at once, in rows.
const (
	rowsPerStatement   = 500
	rowsPerTransaction = 50_000
	devicesPerUser     = 2
)

// Sessions are live sessions, each with its device and an access token.
type Sessions struct {
	Count    int
	ClientID string
	Now      time.Time
	// Token is the access token of a session, by its number from 0.
	Token func(i int) string
}

// Scope is what a session or a code may do, without its device.
const Scope = "urn:matrix:client:api:* urn:matrix:client:device:"

// Localpart is the user of a session or a code, by its number.
func Localpart(i int) string { return fmt.Sprintf("user%07d", i/devicesPerUser) }

// table is one table, with the values of a row by its number.
type table struct {
	insert string // up to VALUES
	values string // of one row
	count  int
	row    func(i int) []any
}

// AddSessions adds users, devices, sessions and access tokens. The sessions are
// older than an hour and their tokens live for another day: nothing is swept.
func (d *Database) AddSessions(ctx context.Context, s Sessions) error {
	if err := d.exec(ctx, "PRAGMA synchronous = OFF", "PRAGMA cache_size = -400000"); err != nil {
		return err
	}
	now := s.Now.UnixMilli()
	began := s.Now.Add(-time.Hour)
	ids := make([]string, s.Count)
	for i := range ids {
		ids[i] = sessionID(began, i)
	}
	device := func(i int) string { return fmt.Sprintf("DEVICE%07d", i) }
	tables := []table{
		{"INSERT INTO users (localpart, display_name, email, created_at)", "(?, ?, '', ?)", (s.Count + devicesPerUser - 1) / devicesPerUser,
			func(i int) []any {
				return []any{Localpart(i * devicesPerUser), "User of the load program", began.UnixMilli()}
			}},
		{"INSERT INTO devices (localpart, device_id, display_name, client_id, provider_id, upstream_issuer, upstream_subject, created_at, last_seen_at)",
			"(?, ?, 'Device', ?, 'load', 'https://load.example', ?, ?, ?)", s.Count,
			func(i int) []any {
				return []any{Localpart(i), device(i), s.ClientID, Localpart(i), began.UnixMilli(), began.UnixMilli()}
			}},
		{`INSERT INTO sessions (id, kind, localpart, device_id, client_id, scope, provider_id, upstream_issuer, upstream_subject, auth_time, created_at,
			generation, generation_used_at, refresh_hash, successor_seed, rotated_at)`,
			"(?, 'oauth', ?, ?, ?, ?, 'load', 'https://load.example', ?, ?, ?, 0, ?, ?, ?, ?)", s.Count,
			func(i int) []any {
				at := began.UnixMilli()
				return []any{ids[i], Localpart(i), device(i), s.ClientID, Scope + device(i), Localpart(i), at, at, at, secret.Bytes(32), secret.Bytes(16), at}
			}},
		{"INSERT INTO access_tokens (token_hash, session_id, generation, issued_at, expires_at)", "(?, ?, 0, ?, ?)", s.Count,
			func(i int) []any {
				return []any{secret.Hash(s.Token(i)), ids[i], now, s.Now.Add(24 * time.Hour).UnixMilli()}
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
	// Scope is put before the scope of the device: "openid " or nothing.
	Scope string
	Now   time.Time
	// Code is a code by its number from 0, and Users how many sessions' users
	// there are.
	Code  func(i int) string
	Users int
}

// AddCodes adds codes, which can be exchanged for a day.
func (d *Database) AddCodes(ctx context.Context, c Codes) error {
	at := c.Now.UnixMilli()
	return d.add(ctx, table{
		`INSERT INTO authorization_codes (code_hash, session_id, client_id, localpart, device_id, scope, redirect_uri, code_challenge,
			code_challenge_method, nonce, provider_id, upstream_issuer, upstream_subject, auth_time, created_at, expires_at)`,
		"(?, ?, ?, ?, ?, ?, ?, ?, 'S256', '', 'load', 'https://load.example', ?, ?, ?, ?)", c.Count,
		func(i int) []any {
			device, user := "CODE"+secret.Letters(12), Localpart(i%max(1, c.Users))
			return []any{secret.Hash(c.Code(i)), ulid.Make().String(), c.ClientID, user, device, c.Scope + Scope + device,
				c.RedirectURI, c.Challenge, user, at, at, c.Now.Add(24 * time.Hour).UnixMilli()}
		},
	})
}

// add writes the rows of a table in a few transactions.
func (d *Database) add(ctx context.Context, t table) error {
	for from := 0; from < t.count; from += rowsPerTransaction {
		tx, err := d.db.BeginTx(ctx, nil)
		if err != nil {
			return fmt.Errorf("fill the database: %w", err)
		}
		if err = d.addSome(ctx, tx, t, from, min(from+rowsPerTransaction, t.count)); err != nil {
			_ = tx.Rollback()
			return fmt.Errorf("%s: %w", t.insert, err)
		}
		if err = tx.Commit(); err != nil {
			return fmt.Errorf("fill the database: %w", err)
		}
	}
	return nil
}

func (d *Database) addSome(ctx context.Context, tx *sql.Tx, t table, from, to int) error {
	for from < to {
		n := min(rowsPerStatement, to-from)
		statement := d.bind(t.insert + " VALUES " + strings.TrimSuffix(strings.Repeat(t.values+",", n), ","))
		var values []any
		for i := range n {
			values = append(values, t.row(from+i)...)
		}
		if _, err := tx.ExecContext(ctx, statement, values...); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// settle leaves the database as one that has been in use for long: its log
// copied, its statistics known, and all of it on the disk, which would else be
// busy with it while the server is measured.
func (d *Database) settle(ctx context.Context) error {
	if d.postgres {
		if _, err := d.db.ExecContext(ctx, "ANALYZE"); err != nil {
			return fmt.Errorf("analyze: %w", err)
		}
		return nil
	}
	return d.exec(ctx, "PRAGMA synchronous = FULL", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA cache_size = -16000")
}

// sessionID is the id of a session, which sorts by its number.
func sessionID(began time.Time, i int) string {
	var id ulid.ULID
	_ = id.SetTime(uint64(began.UnixMilli() + int64(i/1000))) // years before its limit
	_ = id.SetEntropy(append([]byte{byte(i / 1000 >> 8), byte(i / 1000), byte(i % 1000 >> 8), byte(i % 1000)}, secret.Bytes(6)...))
	return id.String()
}
