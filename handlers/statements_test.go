package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
	"keymaker/internal/secret"
	"keymaker/store"
)

// spent does something once and returns what it cost the database.
func spent(e *harness.Env, do func()) store.Counts {
	before := e.Server.Store().Counts()
	do()
	after := e.Server.Store().Counts()
	return store.Counts{Statements: after.Statements - before.Statements, Transactions: after.Transactions - before.Transactions}
}

// TestStatements counts what each request costs. A statement beside the
// transactions is one read, but for the device that the homeserver port makes
// in a code exchange: a transaction of its own, of one statement.
func TestStatements(t *testing.T) {
	bearer := func(e *harness.Env, method, path string) func(harness.Tokens) harness.Answer {
		return func(tokens harness.Tokens) harness.Answer { return e.As(tokens.Access, method, path, "") }
	}
	get := func(e *harness.Env, path string) func(harness.Tokens) harness.Answer {
		return func(harness.Tokens) harness.Answer { return e.Get(path) }
	}
	onEach(t, func(t *testing.T, e *harness.Env) {
		refresh, again := store.Counts{Statements: 3, Transactions: 1}, store.Counts{Statements: 4, Transactions: 1}
		if strings.HasPrefix(e.Database, "postgres:") {
			// There the two writes are one statement, which a repeated refresh tries first.
			refresh, again = store.Counts{Statements: 2}, store.Counts{Statements: 5, Transactions: 1}
		}
		tests := []struct {
			name    string
			request func(e *harness.Env) func(harness.Tokens) harness.Answer
			status  int
			want    store.Counts
		}{
			{"A-08: metadata costs nothing", func(e *harness.Env) func(harness.Tokens) harness.Answer { return get(e, metadataPath) }, 200, store.Counts{}},
			{"A-08: OpenID discovery costs nothing", func(e *harness.Env) func(harness.Tokens) harness.Answer { return get(e, discoveryPath) }, 200, store.Counts{}},
			{"A-08: the issuer costs nothing", func(e *harness.Env) func(harness.Tokens) harness.Answer { return get(e, issuerPath) }, 200, store.Counts{}},
			{"F-33: the key set costs nothing", func(e *harness.Env) func(harness.Tokens) harness.Answer { return get(e, jwksPath) }, 200, store.Counts{}},
			{"F-09: introspection is one statement", func(e *harness.Env) func(harness.Tokens) harness.Answer {
				return func(tokens harness.Tokens) harness.Answer { return e.Introspect(tokens.Access) }
			}, 200, store.Counts{Statements: 1}},
			{"F-09: introspection of what was never a token costs nothing", func(e *harness.Env) func(harness.Tokens) harness.Answer {
				return func(tokens harness.Tokens) harness.Answer { return e.Introspect(tokens.Refresh) }
			}, 200, store.Counts{}},
			{"F-20: userinfo is two statements for the subject, of the token and of how its client wants the answer", func(e *harness.Env) func(harness.Tokens) harness.Answer {
				return bearer(e, http.MethodGet, userinfoPath)
			}, 200, store.Counts{Statements: 2}},
			{"K-12: whoami is one statement", func(e *harness.Env) func(harness.Tokens) harness.Answer {
				return bearer(e, http.MethodGet, whoamiPath)
			}, 200, store.Counts{Statements: 1}},
			{"D-20: a refresh is one read, and one transaction of two writes", func(e *harness.Env) func(harness.Tokens) harness.Answer {
				return func(tokens harness.Tokens) harness.Answer { return e.Refresh(tokens.ClientID, tokens.Refresh) }
			}, 200, refresh},
			{"D-24: a repeated refresh is one read, and one transaction of three writes", func(e *harness.Env) func(harness.Tokens) harness.Answer {
				return func(tokens harness.Tokens) harness.Answer { return e.Refresh(tokens.ClientID, tokens.Refresh) }
			}, 200, again},
			{"D-2A: a refresh with what was never a refresh token is one read, of the client", func(e *harness.Env) func(harness.Tokens) harness.Answer {
				return func(tokens harness.Tokens) harness.Answer { return e.Refresh(tokens.ClientID, tokens.Access) }
			}, 400, store.Counts{Statements: 1}},
			// The transaction reads the client too, which may want to be told.
			{"E-01: a revocation is one read, and one transaction", func(e *harness.Env) func(harness.Tokens) harness.Answer {
				return func(tokens harness.Tokens) harness.Answer {
					return e.Form(revokePath, url.Values{"token": {tokens.Access}})
				}
			}, 200, store.Counts{Statements: 5, Transactions: 1}},
			{"E-06: a revocation of what was never a token costs nothing", func(e *harness.Env) func(harness.Tokens) harness.Answer {
				return func(harness.Tokens) harness.Answer {
					return e.Form(revokePath, url.Values{"token": {secret.Token()}})
				}
			}, 200, store.Counts{}},
		}
		tokens := e.LogIn("alice", "COUNTDEVICE")
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				request := tt.request(e.For(t))
				var a harness.Answer
				got := spent(e, func() { a = request(tokens) })
				if expectStatus(e.For(t), a, tt.status); got != tt.want {
					t.Errorf("it cost %+v, want %+v", got, tt.want)
				}
			})
		}
		t.Run("D-10: a code exchange is one read, and two transactions at most", func(t *testing.T) {
			e := e.For(t)
			g := approved(e, tokens.ClientID, "openid "+harness.ScopeStable+"EXCHANGEDEVICE")
			var a harness.Answer
			got := spent(e, func() { a = e.Form(tokenPath, g.values()) })
			// The homeserver's device beside the transaction; in it the code, the
			// user's keys, the device's old session, the device, the session, its
			// audit event, and the access token.
			want := store.Counts{Statements: 1 + 1 + 7, Transactions: 1}
			if strings.HasPrefix(e.Database, "postgres:") {
				want.Statements++ // the user's row is locked against another login
			}
			if expectStatus(e, a, http.StatusOK); got != want {
				t.Errorf("it cost %+v, want %+v", got, want)
			}
		})
		t.Run("B-43: a registration is one statement", func(t *testing.T) {
			e := e.For(t)
			want := store.Counts{Statements: 1}
			if strings.HasPrefix(e.Database, "sqlite:") {
				want.Transactions++ // it shares its commit with those that register meanwhile
			}
			if got := spent(e, func() { e.Register(harness.WebClient) }); got != want {
				t.Errorf("it cost %+v, want %+v", got, want)
			}
		})
	})
}
