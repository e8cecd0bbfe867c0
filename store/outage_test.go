package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ory/fosite"

	"keymaker/internal/secret"
	"keymaker/store"
)

type operation struct {
	name string
	call func() error
}

// operations is everything that asks the database something. The first two ask
// for no table.
func operations(ctx context.Context, f *fixture, g grant) []operation {
	only := func(_ any, err error) error { return err }
	adapter := store.Fosite{Store: f.Store}
	return []operation{
		{"Ping", func() error { return f.Ping(ctx) }},
		{"InTx", func() error { return f.InTx(ctx, func(context.Context) error { return nil }) }},
		{"SigningKeys", func() error { return only(f.SigningKeys(ctx)) }},
		{"AddSigningKey", func() error { return f.AddSigningKey(ctx, signingKey("k", "ES256", f.clock.Now())) }},
		{"ChangeSigningKeys", func() error {
			return f.ChangeSigningKeys(ctx, func(context.Context, []store.SigningKey) error { return nil })
		}},
		{"ActivateSigningKey", func() error {
			return f.ActivateSigningKey(ctx, store.SigningKey{KID: "k", Alg: "ES256"}, f.clock.Now())
		}},
		{"RemoveSigningKey", func() error { return f.RemoveSigningKey(ctx, "k") }},
		{"Reseal", func() error { return only(f.Reseal(ctx, f.options.Sealer)) }},
		{"ServerSecret", func() error { return only(f.ServerSecret(ctx, "p", []byte("x"))) }},
		{"Client", func() error { return only(f.Client(ctx, "c")) }},
		{"Register", func() error {
			return only(f.Register(ctx, store.NewClient{ID: "c", Metadata: []byte("{}"), MetadataHash: []byte("h")}))
		}},
		{"Register with a secret", func() error { return only(f.Register(ctx, store.NewClient{ID: "c", Metadata: []byte("{}")})) }},
		{"HasGrants", func() error { return only(f.HasGrants(ctx, "c")) }},
		{"Begin", func() error {
			return only(f.Begin(ctx, "b", store.AuthorizationRequest{Kind: store.RequestSSO, ExpiresAt: f.clock.Now()}))
		}},
		{"BeginAs", func() error {
			return f.BeginAs(ctx, "b", "i", store.AuthorizationRequest{Kind: store.RequestSSO, ExpiresAt: f.clock.Now()})
		}},
		{"Push", func() error { return f.Push(ctx, "u", "c", nil, f.clock.Now()) }},
		{"TakePushed", func() error { return only(f.TakePushed(ctx, "u", "c")) }},
		{"Consent", func() error { return f.Consent(ctx, "alice", "c", []string{"openid"}) }},
		{"Consented", func() error { return only(f.Consented(ctx, "alice", "c", []string{"openid"})) }},
		{"Request", func() error { return only(f.Request(ctx, "b", "r")) }},
		{"SignedIn", func() error { return f.SignedIn(ctx, "b", "r", store.Login{Localpart: "alice"}) }},
		{"Complete", func() error { return f.Complete(ctx, "b", "r") }},
		{"BeginUpstream", func() error { return f.BeginUpstream(ctx, "b", "s", store.UpstreamLogin{}, f.clock.Now()) }},
		{"TakeUpstream", func() error { return only(f.TakeUpstream(ctx, "b", "p", "s")) }},
		{"SignInBrowser", func() error { return f.SignInBrowser(ctx, "c", store.Login{Localpart: "alice"}, f.clock.Now()) }},
		{"BrowserSession", func() error { return only(f.BrowserSession(ctx, "c")) }},
		{"SignOutBrowser", func() error { return f.SignOutBrowser(ctx, "c") }},
		{"AddLoginToken", func() error { return f.AddLoginToken(ctx, "t", store.Login{Localpart: "alice"}, f.clock.Now()) }},
		{"LoginToken", func() error { return only(f.LoginToken(ctx, "t")) }},
		{"TakeLoginToken", func() error { return f.TakeLoginToken(ctx, "t") }},
		{"RedeemCode", func() error { return f.RedeemCode(ctx, []byte("c")) }},
		{"LoadCode", func() error { return f.LoadCode(ctx, []byte("c")) }},
		{"LoadRefresh", func() error { return f.LoadRefresh(ctx, g.Refresh) }},
		{"Presented", func() error { return only(f.Presented(ctx, g.Refresh, store.OAuth)) }},
		{"Rotate", func() error {
			return f.Rotate(ctx, g.Refresh, f.successor(g.Refresh, secret.Bytes(32), secret.Bytes(32)))
		}},
		{"StartSession", func() error { return f.in(ctx).startAs(f.newGrant(), store.Login{Localpart: "alice"}, "D2", "c1") }},
		{"EndSession", func() error { return f.EndSession(ctx, g.ID, logout) }},
		{"EndAllSessions", func() error { return f.EndAllSessions(ctx, "alice", logout) }},
		{"EndedSession", func() error { _, _, _, err := f.EndedSession(ctx, g.ID); return err }},
		{"AddAccessToken", func() error { return f.AddAccessToken(ctx, f.accessToken(g.ID, secret.Bytes(32), 1)) }},
		{"AccessToken", func() error { return only(f.AccessToken(ctx, g.Access)) }},
		{"FlushUsage", func() error { return f.FlushUsage(ctx) }},
		{"EnsureDevice", func() error { return f.EnsureDevice(ctx, "alice", "D", "") }},
		{"Device", func() error { return only(f.Device(ctx, "alice", "D1")) }},
		{"Devices", func() error { return only(f.Devices(ctx, "alice")) }},
		{"RenameDevice", func() error { return f.RenameDevice(ctx, "alice", "D1", "x") }},
		{"User", func() error { return only(f.User(ctx, "alice")) }},
		{"LockUser", func() error { return only(f.LockUser(ctx, "alice")) }},
		{"SuspendUser", func() error { return only(f.SuspendUser(ctx, "alice")) }},
		{"SignOutUser", func() error { return only(f.SignOutUser(ctx, "alice", logout)) }},
		{"LiveSessions", func() error { return only(f.LiveSessions(ctx, "alice")) }},
		{"DeactivateUser", func() error { return only(f.DeactivateUser(ctx, "alice")) }},
		{"ReactivateUser", func() error { return only(f.ReactivateUser(ctx, "alice")) }},
		{"UpstreamLinks", func() error { return only(f.UpstreamLinks(ctx, "alice")) }},
		{"LinkedUser", func() error { return only(f.LinkedUser(ctx, "idp", "i", "s")) }},
		{"Link", func() error { return only(f.Link(ctx, store.NewLink{Localpart: "bob", CreateUser: true})) }},
		{"SeeLink", func() error { return f.SeeLink(ctx, store.SeenLink{}) }},
		{"BeginLink", func() error { return only(f.BeginLink(ctx, "b", store.PendingLink{}, f.clock.Now())) }},
		{"PendingLink", func() error { return only(f.PendingLink(ctx, "b", "i")) }},
		{"EndLink", func() error { return f.EndLink(ctx, "b", "i") }},
		{"LinkProven", func() error { return f.LinkProven(ctx, proofOf("b"), "i", store.PendingLink{}) }},
		{"UnlinkProven", func() error { return f.UnlinkProven(ctx, proofOf("b"), store.UpstreamLink{}) }},
		{"CloseAccount", func() error { return f.CloseAccount(ctx, proofOf("b"), true) }},
		{"AddLink", func() error { return f.AddLink(ctx, store.NewLink{Localpart: "alice"}) }},
		{"Unlink", func() error { return f.Unlink(ctx, "alice", store.UpstreamLink{}, store.Unlinking{}) }},
		{"SetDisplayName", func() error { return only(f.SetDisplayName(ctx, "alice", "x", store.ActorUser)) }},
		{"AddPicture", func() error { return only(f.AddPicture(ctx, "alice", store.NewPicture{})) }},
		{"UsePicture", func() error { return only(f.UsePicture(ctx, "alice", "x", store.ActorUser)) }},
		{"ChangePicture", func() error { return only(f.ChangePicture(ctx, store.PictureChange{Localpart: "alice"})) }},
		{"Picture", func() error { return only(f.Picture(ctx, "x")) }},
		{"PublicPicture", func() error { return only(f.PublicPicture(ctx, "x")) }},
		{"PictureOf", func() error { return only(f.PictureOf(ctx, "alice")) }},
		{"PublicPictureID", func() error { return only(f.PublicPictureID(ctx, "alice")) }},
		{"IdleDevices", func() error { return only(f.IdleDevices(ctx, "alice")) }},
		{"EndPlaces", func() error { return f.EndPlaces(ctx, "alice", store.Places{}) }},
		{"SignOutElsewhere", func() error { return f.SignOutElsewhere(ctx, store.Login{Localpart: "alice"}, "c") }},
		{"KnowSignIns", func() error { return f.KnowSignIns(ctx, "alice", f.clock.Now()) }},
		{"AddProof", func() error { return f.AddProof(ctx, proofOf("b"), store.Login{}) }},
		{"Proof", func() error { return only(f.Proof(ctx, proofOf("b"))) }},
		{"TakeProof", func() error { return only(f.TakeProof(ctx, proofOf("b"))) }},
		{"BeginUIA", func() error { return only(f.BeginUIA(ctx, "alice", g.ID)) }},
		{"UIASession", func() error { return only(f.UIASession(ctx, "id")) }},
		{"ApproveReset", func() error { return f.ApproveReset(ctx, proofOf("b"), store.UIASession{}) }},
		{"AllowReset", func() error { return only(f.AllowReset(ctx, "alice", g.ID)) }},
		{"ResetApproved", func() error { return only(f.ResetApproved(ctx, "alice", g.ID)) }},
		{"TakeResetApproval", func() error { return f.TakeResetApproval(ctx, "alice", g.ID) }},
		{"Record", func() error { return f.Record(ctx, store.Event{}) }},
		{"AuditEvents", func() error { return only(f.AuditEvents(ctx, "alice", 1)) }},
		{"AddJob", func() error { return only(f.AddJob(ctx, store.NewJob{Kind: kind, Lane: "l"})) }},
		{"TakeJob", func() error { return only(f.TakeJob(ctx, []string{kind}, lease)) }},
		{"FinishJob", func() error { return f.FinishJob(ctx, store.Job{ID: "j"}) }},
		{"Jobs", func() error { return only(f.Jobs(ctx, []store.JobState{store.JobWaiting}, 1)) }},
		{"RetryJob", func() error { return f.RetryJob(ctx, "j") }},
		{"DropJob", func() error { return f.DropJob(ctx, "j") }},
		{"Sweep", func() error { return only(f.Sweep(ctx)) }},
		{"ListUsers", func() error { return only(f.ListUsers(ctx, store.UserPage{Limit: 1})) }},
		{"ListSessions", func() error { return only(f.ListSessions(ctx, store.SessionPage{Limit: 1})) }},
		{"SessionRecord", func() error { return only(f.SessionRecord(ctx, g.ID)) }},
		{"ListDevices", func() error { return only(f.ListDevices(ctx, store.DevicePage{Limit: 1})) }},
		{"ProviderUses", func() error { return only(f.ProviderUses(ctx)) }},
		{"AssociationsWith", func() error { return only(f.AssociationsWith(ctx, "idp", []string{"sub=1"})) }},
		{"ListAssociations", func() error { return only(f.ListAssociations(ctx, store.AssociationPage{Limit: 1})) }},
		{"RemoveAssociation", func() error { return only(f.RemoveAssociation(ctx, "a")) }},
		{"LinkedSubject", func() error { return only(f.LinkedSubject(ctx, "idp", "1")) }},
		{"DeleteSession", func() error { return f.DeleteSession(ctx, g.ID, store.End{}) }},
		{"DetachUser", func() error { return only(f.DetachUser(ctx, "alice", store.End{})) }},
		{"CodeRecord", func() error { return only(f.CodeRecord(ctx, g.Access)) }},
		{"DeviceGrantRecord", func() error { return only(f.DeviceGrantRecord(ctx, g.Access)) }},
		{"LoginTokenRecord", func() error { return only(f.LoginTokenRecord(ctx, g.Access)) }},
		{"fosite's GetClient", func() error { return only(adapter.GetClient(ctx, "c")) }},
		{"fosite's GetAccessTokenSession", func() error { return only(adapter.GetAccessTokenSession(ctx, string(g.Access), nil)) }},
		{"fosite's RevokeRefreshToken", func() error { return adapter.RevokeRefreshToken(ctx, g.ID) }},
	}
}

// A database that does not answer knows nothing: whoever takes that for "no
// such token" logs people out (conformance D-23).
func TestOutage(t *testing.T) {
	outages := []struct {
		name string
		skip int // how many operations it leaves alone
		make func(*fixture) context.Context
	}{
		{"a closed database", 0, func(f *fixture) context.Context {
			writer, reader := f.SQL(f.t)
			f.must(errors.Join(writer.Close(), reader.Close()))
			return f.ctx
		}},
		{"a cancelled request", 0, func(f *fixture) context.Context {
			ctx, cancel := context.WithCancel(f.ctx)
			cancel()
			return ctx
		}},
		{"tables that are gone", 2, func(f *fixture) context.Context {
			for _, table := range []string{"access_tokens", "pending_links", "pictures", "uia_sessions", "reset_approvals", "proofs", "associations", "sessions", "device_keys", "one_time_keys", "fallback_keys",
				"key_signatures", "devices", "login_tokens", "browser_sessions", "authorization_codes", "authorization_requests", "device_grants", "pushed_requests",
				"consents", "upstream_logins", "upstream_links", "clients", "cross_signing_keys", "users", "server_secrets", "oidc_signingkey", "audit_events", "jobs"} {
				f.exec("DROP TABLE " + table)
			}
			return f.ctx
		}},
	}
	for _, outage := range outages {
		t.Run(outage.name, func(t *testing.T) {
			each(t, func(f *fixture) {
				g := f.start(f.login("alice"), "D1", "c1")
				f.use(g.Access)
				ctx := f.BeginExchange(outage.make(f))
				for _, op := range operations(ctx, f, g)[outage.skip:] {
					err := op.call()
					if !errors.Is(err, store.ErrUnavailable) {
						f.t.Errorf("%s: error %v, want ErrUnavailable", op.name, err)
					}
					for _, answer := range []error{store.ErrNotFound, store.ErrExists, store.ErrConflict, store.ErrReused, fosite.ErrNotFound} {
						if errors.Is(err, answer) {
							f.t.Errorf("%s: error %v also says %q", op.name, err, answer)
						}
					}
				}
			})
		})
	}
}
