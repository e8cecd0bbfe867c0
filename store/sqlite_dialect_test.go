package store_test

import (
	"fmt"
	"strings"
	"testing"

	"gorm.io/gorm"

	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/storetest"
)

// SQLite compiles a statement with a bare parameter again for every value.
func TestEveryParameterOnSQLiteIsAnExpression(t *testing.T) {
	f := open(t, storetest.Databases()[0])
	dry := f.Writer(f.ctx).Session(&gorm.Session{DryRun: true})
	for name, statement := range map[string]*gorm.DB{
		"a condition":  dry.Model(&store.SessionRow{}).Where("id = ?", "x").Take(&store.SessionRow{}),
		"a list":       dry.Model(&store.SessionRow{}).Where("id IN ?", []string{"x", "y"}).Find(&store.SessionRow{}),
		"a change":     dry.Model(&store.SessionRow{}).Where("id = ?", "x").Update("ended_at", 1),
		"a new row":    dry.Create(&store.SessionRow{ID: "x"}),
		"a statement":  dry.Exec("DELETE FROM sessions WHERE id = ? AND kind = ?", "x", "y"),
		"a named text": dry.Where("id = @id", map[string]any{"id": "x"}).Find(&store.SessionRow{}),
	} {
		t.Run(name, func(t *testing.T) {
			text := statement.Statement.SQL.String()
			if all, plus := strings.Count(text, "?"), strings.Count(text, "+?"); all == 0 || plus != all {
				t.Errorf("%d of %d parameters stand in an expression: %s", plus, all, text)
			}
		})
	}
}

// BenchmarkParameter reads sessions by their tokens: with the bare parameter,
// and with the expression that the store writes in its place.
func BenchmarkParameter(b *testing.B) {
	const tokens = 1000
	s := storetest.Databases()[0].Open(b)
	writer, reader := s.SQL(b)
	for _, table := range []string{
		"INSERT INTO users (localpart, display_name, email, created_at) VALUES (?1, '', '', 0)",
		`INSERT INTO sessions (id, kind, localpart, scope, provider_id, upstream_issuer, upstream_subject, auth_time, created_at, generation, rotated_at)
			VALUES (?1, 'oauth', ?1, 'openid', 'idp', 'iss', 'sub', 0, 0, 1, 0)`,
		"INSERT INTO access_tokens (token_hash, session_id, generation, issued_at) VALUES (?2, ?1, 1, 0)",
	} {
		for i := range tokens {
			id := fmt.Sprint("s", i)
			if _, err := writer.Exec(table, id, secret.Hash(id)); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, parameter := range []string{"?", "+?"} {
		b.Run(parameter, func(b *testing.B) {
			statement, err := reader.Prepare("SELECT s.id FROM access_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.token_hash = " + parameter)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = statement.Close() }()
			for i := 0; b.Loop(); i++ {
				var id string
				if err := statement.QueryRow(secret.Hash(fmt.Sprint("s", i%tokens))).Scan(&id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
