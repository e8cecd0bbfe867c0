package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// fixture is a store with what tests need around it.
type fixture struct {
	*store.Store
	t        *testing.T
	ctx      context.Context
	clock    *clock.Manual
	options  store.Options
	postgres bool
}

// each runs a test on an empty store of every kind of database.
func each(t *testing.T, test func(*fixture)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d storetest.Database) { test(open(t, d)) })
}

func open(t *testing.T, d storetest.Database) *fixture {
	t.Helper()
	manual := clock.NewManual(storetest.Start)
	o := storetest.Options(t, d.URL(t))
	o.Clock = manual
	return &fixture{Store: storetest.Open(t, o), t: t, ctx: t.Context(), clock: manual, options: o, postgres: d.Name == "postgres"}
}

// in is the fixture with another context.
func (f *fixture) in(ctx context.Context) *fixture {
	other := *f
	other.ctx = ctx
	return &other
}

// again opens a second store on the same database, as another server would.
func (f *fixture) again() *store.Store {
	f.t.Helper()
	return storetest.Open(f.t, f.options)
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) want(doing string, err, want error) {
	f.t.Helper()
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		f.t.Errorf("%s: error %v, want %v", doing, err, want)
	}
}

// exec runs SQL that no method of the store sends.
func (f *fixture) exec(statement string, args ...any) {
	f.t.Helper()
	if err := f.Writer(f.ctx).Exec(statement, args...).Error; err != nil {
		f.t.Fatalf("%s: %v", statement, err)
	}
}

// pragma sets what SQLite refuses, or leaves as it is, within a transaction.
func (f *fixture) pragma(set string) {
	f.t.Helper()
	writer, _ := f.SQL(f.t)
	if _, err := writer.ExecContext(f.ctx, "PRAGMA "+set); err != nil {
		f.t.Fatalf("%s: %v", set, err)
	}
}

// number returns the one number that a query asks for; NULL is -1.
func (f *fixture) number(query string, args ...any) int64 {
	f.t.Helper()
	var n *int64
	if err := f.Writer(f.ctx).Raw(query, args...).Scan(&n).Error; err != nil {
		f.t.Fatalf("%s: %v", query, err)
	}
	if n == nil {
		return -1
	}
	return *n
}

// spent runs do and returns the statements and transactions that it cost.
func (f *fixture) spent(do func()) store.Counts {
	before := f.Counts()
	do()
	after := f.Counts()
	return store.Counts{Statements: after.Statements - before.Statements, Transactions: after.Transactions - before.Transactions}
}

// login makes a user, linked to an account of the same name.
func (f *fixture) login(localpart string) store.Login {
	f.t.Helper()
	l := store.Login{Localpart: localpart, ProviderID: "idp", UpstreamIssuer: "https://idp.example", UpstreamSubject: localpart, AuthTime: f.clock.Now()}
	_, err := f.Link(f.ctx, store.NewLink{ProviderID: l.ProviderID, Issuer: l.UpstreamIssuer, Subject: l.UpstreamSubject, Localpart: localpart, CreateUser: true})
	f.must(err)
	return l
}

// client registers a client whose metadata differ by its name.
func (f *fixture) client(name string) *store.Client {
	f.t.Helper()
	metadata := fmt.Sprintf(`{"client_name":%q,"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`, name)
	c, err := f.Register(f.ctx, store.NewClient{ID: store.NewID(f.clock.Now()), Metadata: []byte(metadata), MetadataHash: secret.Hash(metadata)})
	f.must(err)
	return c
}

// grant is a session with its first tokens.
type grant struct {
	ID      string
	Refresh store.RefreshKey
	Access  []byte
}

// newGrant names what start will store.
func (f *fixture) newGrant() grant {
	id := store.NewID(f.clock.Now())
	return grant{ID: id, Access: secret.Bytes(32), Refresh: store.RefreshKey{SessionID: id, Generation: 1, Hash: secret.Bytes(32)}}
}

// start begins an OAuth session of a device, as the token endpoint does.
func (f *fixture) start(l store.Login, device, clientID string) grant {
	f.t.Helper()
	g := f.newGrant()
	f.must(f.startAs(g, l, device, clientID))
	return g
}

func (f *fixture) startAs(g grant, l store.Login, device, clientID string) error {
	return f.InTx(f.ctx, func(ctx context.Context) error {
		err := f.StartSession(ctx, store.NewSession{
			Session:     store.Session{ID: g.ID, DeviceID: device, ClientID: clientID, Kind: store.OAuth, Scope: "openid", Login: l},
			RefreshHash: g.Refresh.Hash, DeviceName: "App",
		})
		if err != nil {
			return err
		}
		return f.AddAccessToken(ctx, f.accessToken(g.ID, g.Access, 1))
	})
}

func (f *fixture) accessToken(sessionID string, hash []byte, generation int64) store.NewAccessToken {
	return store.NewAccessToken{Hash: hash, SessionID: sessionID, Generation: generation, IssuedAt: f.clock.Now(), ExpiresAt: f.clock.Now().Add(5 * time.Minute)}
}

// rotate exchanges a refresh token and returns its successor, with an access
// token of the new generation.
func (f *fixture) rotate(key store.RefreshKey) (next store.RefreshKey, access []byte) {
	f.t.Helper()
	next = store.RefreshKey{SessionID: key.SessionID, Generation: key.Generation + 1, Hash: secret.Bytes(32)}
	access = secret.Bytes(32)
	f.must(f.rotateTo(key, next.Hash, access))
	return next, access
}

// rotateTo exchanges a refresh token for what has these hashes.
func (f *fixture) rotateTo(key store.RefreshKey, refresh, access []byte) error {
	return f.Rotate(f.ctx, key, f.successor(key, refresh, access))
}

func (f *fixture) successor(key store.RefreshKey, refresh, access []byte) store.Successor {
	return store.Successor{RefreshHash: refresh, Access: f.accessToken(key.SessionID, access, key.Generation+1)}
}

// use accepts an access token, as introspection does.
func (f *fixture) use(access []byte) {
	f.t.Helper()
	session, err := f.AccessToken(f.ctx, access)
	f.must(err)
	f.MarkUsed(session)
}

// actions are the audit events of a user about a session, oldest first.
func (f *fixture) actions(localpart, sessionID string) []string {
	f.t.Helper()
	events, err := f.AuditEvents(f.ctx, localpart, 1000)
	f.must(err)
	var actions []string
	for _, e := range slices.Backward(events) {
		if e.SessionID == sessionID {
			actions = append(actions, e.Action+" "+e.Reason+" by "+e.Actor)
		}
	}
	return actions
}

// together calls do n times at once and returns what each call returned.
func together(n int, do func(i int) error) []error {
	errs := make([]error, n)
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			errs[i] = do(i)
		})
	}
	done.Wait()
	return errs
}

// untilWaiting starts do and returns when it waits for the transaction of ctx.
func (f *fixture) untilWaiting(ctx context.Context, do func()) error {
	before := f.Pools()["writer"].WaitCount
	go do()
	for waiting := false; !waiting; {
		if !f.postgres {
			waiting = f.Pools()["writer"].WaitCount > before
		} else if err := f.Writer(ctx).Raw("SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))").
			Scan(&waiting).Error; err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// wantOnce checks that one of many calls succeeded and the others got want.
func wantOnce(t *testing.T, errs []error, want error) {
	t.Helper()
	succeeded := 0
	for _, err := range errs {
		switch {
		case err == nil:
			succeeded++
		case !errors.Is(err, want):
			t.Errorf("a loser got %v, want %v", err, want)
		}
	}
	if succeeded != 1 {
		t.Errorf("%d of %d succeeded, want 1", succeeded, len(errs))
	}
}

// wantAll checks that every call succeeded.
func wantAll(t *testing.T, errs []error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}
