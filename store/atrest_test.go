package store_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"keymaker/internal/secret"
	"keymaker/store"
)

// dump is every value of every column of every table, as text.
func (f *fixture) dump() string {
	f.t.Helper()
	tables := "SELECT name FROM sqlite_master WHERE type = 'table'"
	if f.postgres {
		tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
	}
	var names []string
	f.must(f.Writer(f.ctx).Raw(tables).Scan(&names).Error)
	var b strings.Builder
	for _, name := range names {
		f.dumpTable(&b, name)
	}
	return b.String()
}

// dumpTable writes every value of a table.
func (f *fixture) dumpTable(b *strings.Builder, name string) {
	f.t.Helper()
	rows, err := f.Writer(f.ctx).Raw("SELECT * FROM " + name).Rows()
	f.must(err)
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	f.must(err)
	for rows.Next() {
		values := make([]any, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		f.must(rows.Scan(targets...))
		for i, v := range values {
			if raw, ok := v.([]byte); ok {
				v = string(raw)
			}
			fmt.Fprintf(b, "%s.%s=%v\n", name, columns[i], v)
		}
	}
	f.must(rows.Err())
}

// Everything that would log somebody in, or sign something, goes through the
// store once; then neither a row nor a byte of the files shows any of it.
func TestSecretsAtRest(t *testing.T) {
	each(t, func(f *fixture) {
		secrets := map[string]string{}
		note := func(what string) string {
			secrets[what] = what + " " + secret.Token()
			return secrets[what]
		}
		later, alice := f.clock.Now().Add(time.Hour), f.login("alice")

		browser := note("browser cookie")
		id, err := f.Begin(f.ctx, browser, store.AuthorizationRequest{Kind: store.RequestSSO, Params: []byte(`{}`), ExpiresAt: later})
		f.must(err)
		secrets["authorization request id"] = id
		f.must(f.Push(f.ctx, note("request URI"), "c1", []byte(`{}`), later))
		f.must(f.SignedIn(f.ctx, browser, id, alice))
		secrets["pending link id"], err = f.BeginLink(f.ctx, browser, store.PendingLink{RequestID: id}, later)
		f.must(err)
		f.must(f.BeginUpstream(f.ctx, browser, note("state"), store.UpstreamLogin{ProviderID: "idp", RequestID: id, Verifier: note("verifier"), Nonce: note("nonce")}, later))
		f.must(f.SignInBrowser(f.ctx, note("session cookie"), alice, later))
		f.must(f.AddLoginToken(f.ctx, note("login token"), alice, later))
		f.must(f.AddSigningKey(f.ctx, store.SigningKey{KID: "k1", Alg: "ES256", State: store.KeyActive, NotBefore: later, PKCS8: []byte(note("signing key"))}))
		_, err = f.ServerSecret(f.ctx, "tokens", []byte(note("server secret")))
		f.must(err)
		_, err = f.Register(f.ctx, store.NewClient{ID: "confidential", Metadata: []byte(`{}`), SecretHash: secret.Hash(note("client secret"))})
		f.must(err)
		f.code(note("code"), f.client("App"), "alice")
		f.deviceGrant(note("device code"), secret.Hash("user code"))
		_, err = f.BeginDevice(f.ctx, browser, note("user code"), later)
		f.must(err)
		f.must(f.rendezvous(note("rendezvous id"), ""))
		g := grant{ID: store.NewID(f.clock.Now()), Access: secret.Hash(note("access token")), Refresh: store.RefreshKey{Generation: 1, Hash: secret.Hash(note("refresh token"))}}
		g.Refresh.SessionID = g.ID
		f.must(f.startAs(g, alice, "D1", "c1"))
		f.must(f.rotateTo(g.Refresh, secret.Hash(note("next refresh token")), secret.Hash(note("next access token"))))
		f.must(f.AddProof(f.ctx, store.ProofKey{Browser: browser, Localpart: "alice"}, alice))
		secrets["UIA session id"], err = f.BeginUIA(f.ctx, "alice", g.ID)
		f.must(err)
		f.must(f.EndAllSessions(f.ctx, "alice", logout))

		places := map[string]string{"a row": f.dump()}
		if path, ok := strings.CutPrefix(f.options.URL.Reveal(), "sqlite:"); ok {
			for _, file := range []string{path, path + "-wal"} {
				raw, err := os.ReadFile(file)
				f.must(err)
				places["a file"] += string(raw)
			}
		}
		for place, content := range places {
			if !strings.Contains(content, "alice") || !strings.Contains(content, "confidential") {
				f.t.Fatalf("%s does not show what is no secret: the search is blind", place)
			}
		}
		for what, value := range secrets {
			for _, form := range forms(value) {
				for place, content := range places {
					if strings.Contains(content, form) {
						f.t.Errorf("the %s can be read in %s", what, place)
					}
				}
			}
		}
	})
}

// forms are the ways in which a value could lie around.
func forms(value string) []string {
	return []string{value, hex.EncodeToString([]byte(value)), base64.StdEncoding.EncodeToString([]byte(value)), base64.RawURLEncoding.EncodeToString([]byte(value))}
}
