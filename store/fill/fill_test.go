package fill_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/secret"
	"keymaker/store"
	"keymaker/store/fill"
	"keymaker/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const sessions = 5

func token(i int) string { return fmt.Sprintf("token %d", i) }

func refresh(i int, id string) string { return fmt.Sprintf("refresh %d of %s", i, id) }

func code(i int) string { return fmt.Sprintf("code %d", i) }

// fixture is a database that was filled, beside the store on it.
type fixture struct {
	*store.Store
	*fill.Database
	ctx      context.Context
	t        *testing.T
	clientID string
	clock    *clock.Manual
}

// open opens a database that is not filled, with a client.
func open(t *testing.T, d storetest.Database) *fixture {
	o, manual := storetest.Options(t, d.URL(t)), clock.NewManual(storetest.Start)
	o.Clock = manual
	f := &fixture{Store: storetest.Open(t, o), ctx: t.Context(), t: t, clientID: store.NewID(storetest.Start), clock: manual}
	f.register()
	var err error
	f.Database, err = fill.Open(t.Context(), o.URL)
	f.must(err)
	t.Cleanup(func() { _ = f.Database.Close() })
	f.must(f.Unused(f.ctx))
	return f
}

// each fills every kind of database.
func each(t *testing.T, test func(f *fixture)) {
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		f := open(t, d)
		f.must(f.AddSessions(f.ctx, fill.Sessions{Count: sessions, ClientID: f.clientID, Now: storetest.Start, Token: token, Refresh: refresh}))
		f.must(f.AddCodes(f.ctx, fill.Codes{Count: 2, ClientID: f.clientID, RedirectURI: "https://app.example/cb", Challenge: "challenge",
			Now: storetest.Start, Code: code, Users: sessions}))
		test(f)
	})
}

func (f *fixture) register() {
	metadata := `{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`
	_, err := f.Register(f.ctx, store.NewClient{ID: f.clientID, Metadata: []byte(metadata), MetadataHash: secret.Hash(metadata)})
	f.must(err)
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// stored is the session of a stored token.
func (f *fixture) stored(i int) *store.Session {
	f.t.Helper()
	session, err := f.AccessToken(f.ctx, secret.Hash(token(i)))
	f.must(err)
	return session
}

func TestATokenIsThatOfALiveSession(t *testing.T) {
	each(t, func(f *fixture) {
		for i := range sessions {
			s := f.stored(i)
			if s.Ended || s.ClientGone || s.Account != (store.Account{}) || s.ClientID != f.clientID || s.Kind != store.OAuth ||
				s.UserID != "@"+fill.Localpart(i)+":"+storetest.ServerName || s.DeviceID == "" || s.Scope != fill.Scope+s.DeviceID ||
				!s.ExpiresAt.After(storetest.Start.Add(time.Hour)) {
				f.t.Errorf("session %d: %+v", i, s)
			}
			if _, err := f.Device(f.ctx, fill.Localpart(i), s.DeviceID); err != nil {
				f.t.Error(err)
			}
		}
		if _, err := f.AccessToken(f.ctx, secret.Hash(token(sessions))); !errors.Is(err, store.ErrNotFound) {
			f.t.Errorf("one more than were asked for: %v", err)
		}
	})
}

func TestWhatWasAskedBefore(t *testing.T) {
	const many = 720
	tests := []struct {
		asked         fill.Asked
		least, atMost int // of the next uses are written
	}{
		{fill.AskedLately, 0, 0},
		{fill.AskedNever, many, many},
		{fill.AskedForLong, many/6 - 10, many/6 + 10},
	}
	storetest.Each(t, func(t *testing.T, d storetest.Database) {
		for _, tt := range tests {
			t.Run(string(tt.asked), func(t *testing.T) {
				f := open(t, d)
				f.must(f.AddSessions(f.ctx, fill.Sessions{Count: many, ClientID: f.clientID, Now: storetest.Start, Asked: tt.asked, Token: token, Refresh: refresh}))
				f.clock.Advance(time.Second)
				for i := range many {
					f.MarkUsed(f.stored(i))
				}
				f.must(f.FlushUsage(f.ctx))
				if got := f.seenNow(many); got < tt.least || got > tt.atMost {
					t.Errorf("%d of %d were written, want %d to %d", got, many, tt.least, tt.atMost)
				}
			})
		}
	})
}

// seenNow is how many of the first so many devices were seen at this moment.
func (f *fixture) seenNow(many int) (seen int) {
	f.t.Helper()
	for i := range many {
		d, err := f.Device(f.ctx, fill.Localpart(i), f.stored(i).DeviceID)
		f.must(err)
		if d.LastSeenAt.Equal(f.clock.Now()) {
			seen++
		}
	}
	return seen
}

func TestARefreshTokenIsExchanged(t *testing.T) {
	each(t, func(f *fixture) {
		id := f.stored(3).ID
		key := store.RefreshKey{SessionID: id, Generation: 1, Hash: secret.Hash(refresh(3, id))}
		presented, err := f.Presented(f.ctx, key, store.OAuth)
		f.must(err)
		if len(presented.Rotation.Seed) == 0 || presented.Rotation.Generation != 2 || presented.Rotation.Replay {
			f.t.Errorf("what it is exchanged for: %+v", presented.Rotation)
		}
		next := store.RefreshKey{SessionID: id, Generation: 2, Hash: secret.Hash("next")}
		f.must(f.Rotate(f.ctx, key, store.Successor{RefreshHash: next.Hash,
			Access: store.NewAccessToken{Hash: secret.Hash("new"), SessionID: id, Generation: 2, IssuedAt: storetest.Start, ExpiresAt: storetest.Start.Add(time.Minute)}}))
		_, err = f.Presented(f.ctx, next, store.OAuth)
		f.must(err)
	})
}

func TestASessionEndsWithItsDevice(t *testing.T) {
	each(t, func(f *fixture) {
		s := f.stored(1)
		f.must(f.EndSession(f.ctx, s.ID, store.End{Reason: store.EndLogout, Actor: store.ActorUser}))
		if !f.stored(1).Ended {
			f.t.Error("its token is accepted")
		}
		if _, err := f.Device(f.ctx, fill.Localpart(1), s.DeviceID); !errors.Is(err, store.ErrNotFound) {
			f.t.Errorf("its device: %v", err)
		}
		if f.stored(0).Ended {
			f.t.Error("the other session of the user has ended, too")
		}
	})
}

func TestACodeIsExchangedOnce(t *testing.T) {
	each(t, func(f *fixture) {
		ctx := f.BeginExchange(f.ctx)
		f.must(f.LoadCode(ctx, secret.Hash(code(1))))
		request, err := store.Fosite{Store: f.Store}.GetAuthorizeCodeSession(ctx, string(secret.Hash(code(1))), nil)
		f.must(err)
		s, ok := request.GetSession().(*store.Session)
		if !ok || !strings.HasPrefix(s.Scope, "openid ") || !strings.HasSuffix(s.Scope, s.DeviceID) || request.GetRequestForm().Get("code_challenge") != "challenge" {
			f.t.Errorf("%+v", s)
		}
		f.must(f.RedeemCode(ctx, secret.Hash(code(1))))
		if err := f.RedeemCode(ctx, secret.Hash(code(1))); !errors.Is(err, store.ErrConflict) {
			f.t.Errorf("again: %v", err)
		}
	})
}

// TestRowsAreLikeTheServers compares which columns are set, and with texts of
// which length: a row that is shorter than the server's makes the database look
// faster than it is.
func TestRowsAreLikeTheServers(t *testing.T) {
	each(t, func(f *fixture) {
		l := store.Login{Localpart: "server00001", ProviderID: "load", UpstreamIssuer: "https://load.example", UpstreamSubject: "server00001", AuthTime: storetest.Start}
		_, err := f.Link(f.ctx, store.NewLink{ProviderID: l.ProviderID, Issuer: l.UpstreamIssuer, Subject: l.UpstreamSubject, Localpart: l.Localpart, CreateUser: true,
			DisplayName: "User of the server"})
		f.must(err)
		id := store.NewID(storetest.Start)
		f.must(f.InTx(f.ctx, func(ctx context.Context) error {
			return errors.Join(f.StartSession(ctx, store.NewSession{RefreshHash: secret.Bytes(32), DeviceName: "Device",
				Session: store.Session{ID: id, DeviceID: "SERVERSOWN", ClientID: f.clientID, Kind: store.OAuth, Scope: fill.Scope + "SERVERSOWN", Login: l}}),
				f.AddAccessToken(ctx, store.NewAccessToken{Hash: secret.Bytes(32), SessionID: id, Generation: 1, IssuedAt: storetest.Start, ExpiresAt: storetest.Start.Add(time.Minute)}))
		}))
		// The stored sessions were used.
		f.must(f.Exec(f.ctx, "UPDATE sessions SET generation_used_at = rotated_at WHERE id = '"+id+"'"))
		tests := []struct{ table, of string }{
			{"users", "localpart = '%s'"},
			{"devices", "localpart = '%s'"},
			{"sessions", "localpart = '%s'"},
			{"access_tokens", "session_id IN (SELECT id FROM sessions WHERE localpart = '%s')"},
		}
		for _, tt := range tests {
			want, err := f.Shape(f.ctx, tt.table, fmt.Sprintf(tt.of, "server00001"))
			f.must(err)
			got, err := f.Shape(f.ctx, tt.table, fmt.Sprintf(tt.of, fill.Localpart(0)))
			f.must(err)
			if len(want) < 4 || !slices.Equal(got, want) {
				f.t.Errorf("%s: it writes\n%v, the server\n%v", tt.table, got, want)
			}
		}
	})
}

func TestSizes(t *testing.T) {
	each(t, func(f *fixture) {
		all, err := f.Sizes(f.ctx)
		f.must(err)
		if all == nil {
			return // the SQLite of this build does not tell
		}
		found := map[string]fill.Size{}
		for _, s := range all {
			found[s.Name] = s
		}
		for _, name := range []string{"sessions", "access_tokens", "access_tokens_session_id", "devices"} {
			if s := found[name]; s.Rows != sessions || s.Bytes < 4096 || !strings.HasPrefix(name, s.Table) {
				f.t.Errorf("%s: %+v", name, s)
			}
		}
	})
}

func TestADatabaseInUse(t *testing.T) {
	each(t, func(f *fixture) {
		if err := f.Unused(f.ctx); !errors.Is(err, fill.ErrInUse) {
			f.t.Errorf("error %v", err)
		}
	})
}

// TestAllRowsAreWritten writes more than goes into one statement.
func TestAllRowsAreWritten(t *testing.T) {
	each(t, func(f *fixture) {
		const count = 1201
		f.must(f.AddCodes(f.ctx, fill.Codes{Count: count, ClientID: f.clientID, Now: storetest.Start, Users: sessions,
			Code: func(i int) string { return fmt.Sprintf("other %d", i) }}))
		for _, i := range []int{0, 499, 500, 1000, count - 1} {
			f.must(f.RedeemCode(f.ctx, secret.Hash(fmt.Sprintf("other %d", i))))
		}
	})
}

func TestARefreshByHandChangesWhatTheServersDoes(t *testing.T) {
	each(t, func(f *fixture) {
		r, err := f.Refresher(f.ctx)
		f.must(err)
		before := f.stored(0)
		f.must(r.Refresh(f.ctx, before.ID))
		_, err = f.Presented(f.ctx, store.RefreshKey{SessionID: before.ID, Generation: 1, Hash: secret.Hash(refresh(0, before.ID))}, store.OAuth)
		f.must(err) // it is the previous one now, and gets its answer again
		shape, err := f.Shape(f.ctx, "sessions", "id = '"+before.ID+"' AND generation = 2 AND previous_refresh_hash IS NOT NULL")
		f.must(err)
		if len(shape) == 0 {
			f.t.Error("the session has not been rotated")
		}
	})
}
