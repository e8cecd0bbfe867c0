package store_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/storetest"
)

// tokensOfEach is how many access tokens a session has in BenchmarkSize.
const tokensOfEach = 10

// grown are the rows that BenchmarkSize makes of one that the store has written:
// for each number i, and for access tokens for each k too, with other keys of the
// same length.
var grown = []struct{ table, keys string }{
	{"users", "'localpart', 'user' || lpad(i::text, 9, '0')"},
	{"upstream_links", "'localpart', 'user' || lpad(i::text, 9, '0'), 'subject', 'subject' || lpad(i::text, 9, '0')"},
	{"devices", "'localpart', 'user' || lpad(i::text, 9, '0')"},
	{"sessions", "'localpart', 'user' || lpad(i::text, 9, '0'), 'id', '01K' || lpad(i::text, 23, '0'), 'refresh_hash', sha256(('r' || i)::bytea)"},
	{"access_tokens", "'session_id', '01K' || lpad(i::text, 23, '0'), 'token_hash', sha256(('t' || i || '.' || k)::bytea)"},
	{"audit_events", "'id', '01A' || lpad(i::text, 23, '0'), 'localpart', 'user' || lpad(i::text, 9, '0'), 'session_id', '01K' || lpad(i::text, 23, '0')"},
}

// BenchmarkSize fills a PostgreSQL with b.N users, each with a device and a session
// of ten access tokens, and reports the bytes of a row of each table, its indexes
// included, how long it takes to find any of the tokens, and how a copy to SQLite
// goes.
func BenchmarkSize(b *testing.B) {
	for _, d := range storetest.Databases() {
		if d.Name != "postgres" {
			continue
		}
		o := storetest.Options(b, d.URL(b))
		s := storetest.Open(b, o)
		grow(b, s, b.N)
		for _, g := range grown {
			var rows, size int64
			scan(b, s, &rows, "SELECT count(*) FROM "+g.table)
			scan(b, s, &size, "SELECT pg_total_relation_size('"+g.table+"')")
			b.ReportMetric(float64(size)/float64(rows), g.table+"-B/row")
		}
		b.ReportMetric(0, "ns/op")
		half, late := lookUp(b, s, b.N)
		b.ReportMetric(float64(half.Microseconds()), "µs-p50")
		b.ReportMetric(float64(late.Microseconds()), "µs-p99")
		reportCopy(b, o)
	}
}

// reportCopy copies everything to SQLite, and says how fast that was, how large
// the file is, and how much memory the process has had of the system by then.
func reportCopy(b *testing.B, o store.Options) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "copy.db")
	begun := time.Now()
	done, err := store.Copy(b.Context(), store.CopyOptions{Options: o, From: o.URL, To: secret.Text("sqlite:" + file)})
	if err != nil {
		b.Fatal(err)
	}
	took := time.Since(begun)
	var rows int64
	for _, t := range done {
		rows += t.Rows
	}
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(rows)/took.Seconds(), "copied-rows/s")
	b.ReportMetric(float64(info.Size())/float64(rows), "sqlite-B/row")
	b.ReportMetric(float64(memory.Sys)/(1<<20), "MiB-memory")
}

// scan reads one value.
func scan(b *testing.B, s *store.Store, into *int64, query string) {
	b.Helper()
	if err := s.Writer(b.Context()).Raw(query).Scan(into).Error; err != nil {
		b.Fatal(err)
	}
}

// grow makes count of everything, of one of each that the store has written.
func grow(b *testing.B, s *store.Store, count int) {
	b.Helper()
	now := storetest.Start
	l := store.Login{Localpart: "user000000000", ProviderID: "keycloak", UpstreamIssuer: "https://sso.example.com/realms/main", UpstreamSubject: "subject000000000", AuthTime: now}
	if _, err := s.Link(b.Context(), store.NewLink{ProviderID: l.ProviderID, Issuer: l.UpstreamIssuer, Subject: l.UpstreamSubject, Localpart: l.Localpart, CreateUser: true,
		DisplayName: "Alice Example", Email: "alice@example.com", AccountName: "alice@example.com"}); err != nil {
		b.Fatal(err)
	}
	hash := sha256.Sum256([]byte("first"))
	const scope = "openid urn:matrix:client:api:* urn:matrix:client:device:ABCDEFGHIJ"
	err := s.StartSession(b.Context(), store.NewSession{Session: store.Session{ID: "01K" + fmt.Sprintf("%023d", 0), DeviceID: "ABCDEFGHIJ", ClientID: "01K9Z2B4C6D8E0F1G3H5J7K9M1",
		Kind: store.OAuth, Scope: scope, Login: l}, RefreshHash: hash[:], DeviceName: "Element X on iOS"})
	if err == nil {
		err = s.AddAccessToken(b.Context(), store.NewAccessToken{Hash: hash[:], SessionID: "01K" + fmt.Sprintf("%023d", 0), Generation: 1, IssuedAt: now, ExpiresAt: now.Add(time.Hour)})
	}
	if err != nil {
		b.Fatal(err)
	}
	for _, g := range grown {
		series := fmt.Sprintf("generate_series(1, %d) i", count)
		if g.table == "access_tokens" {
			series += fmt.Sprintf(", generate_series(1, %d) k", tokensOfEach)
		}
		insert := fmt.Sprintf("INSERT INTO %s SELECT made.* FROM (SELECT t AS one FROM %s t LIMIT 1) first, %s, LATERAL jsonb_populate_record(first.one, jsonb_build_object(%s)) made",
			g.table, g.table, series, g.keys)
		if err := s.Writer(b.Context()).Exec(insert).Error; err != nil {
			b.Fatalf("%s: %v", g.table, err)
		}
	}
	if err := s.Writer(b.Context()).Exec("ANALYZE").Error; err != nil {
		b.Fatal(err)
	}
}

// lookUp asks for a thousand of the tokens, one after the other.
func lookUp(b *testing.B, s *store.Store, count int) (half, late time.Duration) {
	b.Helper()
	var took []time.Duration
	for range 1000 {
		hash := sha256.Sum256(fmt.Appendf(nil, "t%d.%d", 1+rand.IntN(count), 1+rand.IntN(tokensOfEach)))
		begun := time.Now()
		if _, err := s.AccessToken(b.Context(), hash[:]); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}
