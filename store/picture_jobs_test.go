package store_test

import (
	"encoding/json"
	"strings"
	"testing"

	"keymaker/store"
)

const pictureURL = "https://idp.example/pictures/alice?size=256"

// pictureJobs are the jobs that are to take a picture, and the URLs from where.
func (f *fixture) pictureJobs() (jobs []store.PictureJob, urls []string) {
	f.t.Helper()
	all, err := f.Jobs(f.ctx, []store.JobState{store.JobWaiting}, 10)
	f.must(err)
	for _, j := range all {
		if j.Kind != store.JobPicture {
			continue
		}
		var p store.PictureJob
		f.must(json.Unmarshal(j.Payload, &p))
		url, err := f.JobSecret(j)
		f.must(err)
		if strings.Contains(string(j.Payload)+j.Lane, "idp.example") {
			f.t.Errorf("the URL can be seen: %s", j.Payload)
		}
		jobs, urls = append(jobs, p), append(urls, string(url))
	}
	return jobs, urls
}

func TestFirstSignInTakesThePicture(t *testing.T) {
	each(t, func(f *fixture) {
		n := store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "1", Localpart: "alice", PictureURL: pictureURL, CreateUser: true}
		for range 2 {
			_, err := f.Link(f.ctx, n)
			f.must(err)
			jobs, urls := f.pictureJobs()
			if len(jobs) != 1 || jobs[0] != (store.PictureJob{Localpart: "alice", ProviderID: "idp"}) || urls[0] != pictureURL {
				f.t.Fatalf("jobs %+v from %q", jobs, urls)
			}
		}
		links, err := f.UpstreamLinks(f.ctx, "alice")
		if err != nil || links[0].PictureURL != pictureURL {
			f.t.Errorf("links %+v, error %v", links, err)
		}
		n.Subject, n.CreateUser = "2", false
		_, err = f.Link(f.ctx, n)
		f.must(err)
		n.Subject = "3"
		f.must(f.AddLink(f.ctx, n))
		n.Subject, n.Localpart, n.PictureURL, n.CreateUser = "4", "bob", "", true
		_, err = f.Link(f.ctx, n)
		f.must(err)
		if jobs, _ := f.pictureJobs(); len(jobs) != 1 {
			f.t.Errorf("jobs %+v, want no more for a user who existed, or without a picture", jobs)
		}
	})
}

func TestSeeLinkFollowsThePicture(t *testing.T) {
	each(t, func(f *fixture) {
		l := f.login("alice")
		seen := store.SeenLink{ProviderID: "idp", Issuer: l.UpstreamIssuer, Subject: l.UpstreamSubject, Localpart: "alice", PictureURL: pictureURL}
		f.must(f.SeeLink(f.ctx, seen))
		if jobs, _ := f.pictureJobs(); len(jobs) != 0 {
			f.t.Errorf("a provider that manages no picture: jobs %+v", jobs)
		}
		if links, err := f.UpstreamLinks(f.ctx, "alice"); err != nil || links[0].PictureURL != pictureURL {
			f.t.Errorf("links %+v, error %v", links, err)
		}
		seen.TakePicture = true
		f.must(f.SeeLink(f.ctx, seen))
		jobs, urls := f.pictureJobs()
		if len(jobs) != 1 || jobs[0] != (store.PictureJob{Localpart: "alice", ProviderID: "idp", Managed: true}) || urls[0] != pictureURL {
			f.t.Fatalf("one that manages it: jobs %+v from %q", jobs, urls)
		}
		n := store.NewPicture{ContentType: "image/png", Content: []byte("theirs"), ProviderID: "idp", URL: pictureURL}
		_, err := f.ChangePicture(f.ctx, store.PictureChange{Localpart: "alice", Picture: &n, Actor: store.ActorServer})
		f.must(err)
		f.must(f.SeeLink(f.ctx, seen))
		if jobs, _ := f.pictureJobs(); len(jobs) != 1 {
			f.t.Errorf("the picture that the user has: jobs %+v", jobs)
		}
		seen.PictureURL += "&v=2"
		f.must(f.SeeLink(f.ctx, seen))
		if jobs, urls := f.pictureJobs(); len(jobs) != 2 {
			f.t.Errorf("another one: jobs %+v from %q", jobs, urls)
		}
		f.expectPicture("alice", "theirs")
		seen.PictureURL = ""
		f.must(f.SeeLink(f.ctx, seen))
		f.expectPicture("alice", "")
		events, err := f.AuditEvents(f.ctx, "alice", 1)
		if err != nil || events[0].Action != store.ActionPictureChanged || events[0].Actor != store.ActorServer || events[0].Reason != "idp" {
			f.t.Errorf("the newest event is %+v, error %v", events, err)
		}
	})
}

func TestNoPictureIsTakenForWhoHasLeft(t *testing.T) {
	each(t, func(f *fixture) {
		l := f.login("alice")
		f.usePicture("alice", "content")
		_, err := f.DeactivateUser(f.ctx, "alice")
		f.must(err)
		f.must(f.SeeLink(f.ctx, store.SeenLink{ProviderID: "idp", Issuer: l.UpstreamIssuer, Subject: l.UpstreamSubject, Localpart: "alice", TakePicture: true}))
		if n := f.number("SELECT count(*) FROM pictures"); n != 1 {
			f.t.Errorf("%d pictures are kept", n)
		}
		f.must(f.SeeLink(f.ctx, store.SeenLink{ProviderID: "idp", Issuer: l.UpstreamIssuer, Subject: l.UpstreamSubject, Localpart: "alice", PictureURL: pictureURL}))
		if links, err := f.UpstreamLinks(f.ctx, "alice"); err != nil || links[0].PictureURL != "" {
			f.t.Errorf("links %+v, error %v", links, err)
		}
	})
}

func TestAnotherHomeserverKeepsItsPictures(t *testing.T) {
	eachWithOutbox(t, func(f *fixture) {
		n := store.NewLink{ProviderID: "idp", Issuer: "https://idp.example", Subject: "1", Localpart: "alice", PictureURL: pictureURL, CreateUser: true}
		_, err := f.Link(f.ctx, n)
		f.must(err)
		f.must(f.SeeLink(f.ctx, store.SeenLink{ProviderID: "idp", Issuer: n.Issuer, Subject: "1", Localpart: "alice", PictureURL: pictureURL, TakePicture: true}))
		if jobs, _ := f.pictureJobs(); len(jobs) != 0 {
			f.t.Errorf("jobs %+v", jobs)
		}
		f.told()
		p := newPicture("content")
		_, err = f.AddPicture(f.ctx, "alice", p)
		f.want("an upload", err, store.ErrNotFound)
		_, err = f.ChangePicture(f.ctx, store.PictureChange{Localpart: "alice", Picture: &p, Actor: store.ActorServer})
		f.want("another picture", err, store.ErrNotFound)
		_, err = f.ChangePicture(f.ctx, store.PictureChange{Localpart: "alice", Actor: store.ActorUser})
		f.want("the removal of one", err, store.ErrNotFound)
		_, err = f.UsePicture(f.ctx, "alice", f.MediaURI("of-synapse"), store.ActorUser)
		f.want("a picture of the homeserver", err, store.ErrNotFound)
		if told := f.told(); len(told) != 0 {
			f.t.Errorf("the homeserver is told %+v", told)
		}
	})
}

// A server that keeps no pictures any more may still have some, and jobs that take
// one: nothing changes them, and a homeserver is told of none.
func TestPicturesStayBehindWhenNoneAreKept(t *testing.T) {
	for name, off := range map[string]func(*store.Options){
		"another homeserver": func(o *store.Options) { o.Outbox = true },
		"no pictures":        func(o *store.Options) { o.NoPictures = true },
	} {
		t.Run(name, func(t *testing.T) { testPicturesStayBehind(t, off) })
	}
}

func testPicturesStayBehind(t *testing.T, off func(*store.Options)) {
	each(t, func(f *fixture) {
		f.login("alice")
		f.usePicture("alice", "before")
		off(&f.options)
		f.Store = f.again()
		p := newPicture("after")
		_, err := f.ChangePicture(f.ctx, store.PictureChange{Localpart: "alice", Picture: &p, Actor: store.ActorServer})
		f.want("another picture", err, store.ErrNotFound)
		f.expectPicture("alice", "before")
		if told := f.told(); len(told) != 0 {
			f.t.Errorf("the homeserver is told %+v", told)
		}
		f.must(f.CloseAccount(f.ctx, f.proof(f.login("alice"), "deactivate"), true))
		if n := f.number("SELECT count(*) FROM pictures"); n != 0 {
			f.t.Errorf("%d pictures are kept of who is forgotten", n)
		}
	})
}
