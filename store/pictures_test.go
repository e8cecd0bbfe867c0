package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"keymaker/store"
)

func newPicture(content string) store.NewPicture {
	return store.NewPicture{ContentType: "image/png", Content: []byte(content)}
}

// addPicture stores a picture that its user does not use.
func (f *fixture) addPicture(localpart, content string) (uri string) {
	f.t.Helper()
	uri, err := f.AddPicture(f.ctx, localpart, newPicture(content))
	f.must(err)
	return uri
}

// usePicture gives a user a picture.
func (f *fixture) usePicture(localpart, content string) store.Picture {
	f.t.Helper()
	n := newPicture(content)
	changed, err := f.ChangePicture(f.ctx, store.PictureChange{Localpart: localpart, Picture: &n, Actor: store.ActorUser})
	f.must(err)
	p, err := f.PictureOf(f.ctx, localpart)
	if err != nil || !changed {
		f.t.Fatalf("changed %t, error %v", changed, err)
	}
	return p
}

// expectPicture wants a user to have a picture; "" for none. Whatever they had
// before is gone.
func (f *fixture) expectPicture(localpart, content string) {
	f.t.Helper()
	user, err := f.User(f.ctx, localpart)
	f.must(err)
	p, err := f.PictureOf(f.ctx, localpart)
	if content == "" {
		f.want("the picture", err, store.ErrNotFound)
		_, err := f.PublicPictureID(f.ctx, localpart)
		f.want("its public id", err, store.ErrNotFound)
		if user.AvatarURL != "" {
			f.t.Errorf("the user has %q", user.AvatarURL)
		}
		return
	}
	public, publicErr := f.PublicPictureID(f.ctx, localpart)
	if err != nil || publicErr != nil || string(p.Content) != content || user.AvatarURL != f.MediaURI(p.ID) || public != p.PublicID {
		f.t.Errorf("the picture is %q (%v), want %q; the user has %q", p.Content, err, content, user.AvatarURL)
	}
	if n := f.number("SELECT count(*) FROM pictures WHERE localpart = ? AND used_at IS NOT NULL", localpart); n != 1 {
		f.t.Errorf("there are %d pictures of the user", n)
	}
}

func TestChangePicture(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		f.login("bob")
		bobs := f.usePicture("bob", "bob's")
		f.clock.Advance(time.Minute)
		first := f.usePicture("alice", "first")
		f.expectPicture("alice", "first")
		if first.ContentType != "image/png" || first.Localpart != "alice" || !first.CreatedAt.Equal(f.clock.Now()) || !strings.HasPrefix(f.MediaURI(first.ID), "mxc://example.org/") {
			f.t.Errorf("it is %+v", first)
		}
		if user, err := f.User(f.ctx, "alice"); err != nil || !user.ProfileChangedAt.Equal(f.clock.Now()) {
			f.t.Errorf("user %+v, error %v", user, err)
		}
		second := f.usePicture("alice", "second")
		f.expectPicture("alice", "second")
		_, err := f.Picture(f.ctx, first.ID)
		f.want("the one of before", err, store.ErrNotFound)
		_, err = f.PublicPicture(f.ctx, first.PublicID)
		f.want("the one of before, in public", err, store.ErrNotFound)
		if p, err := f.PublicPicture(f.ctx, second.PublicID); err != nil || p.ID != second.ID {
			f.t.Errorf("in public it is %+v, error %v", p, err)
		}
		_, err = f.PublicPicture(f.ctx, second.ID)
		f.want("the id is not the public one", err, store.ErrNotFound)
		_, err = f.Picture(f.ctx, second.PublicID)
		f.want("nor the other way round", err, store.ErrNotFound)
		for i, want := range []bool{true, false} {
			changed, err := f.ChangePicture(f.ctx, store.PictureChange{Localpart: "alice", Actor: store.ActorUser})
			if err != nil || changed != want {
				f.t.Errorf("removal %d: changed %t, error %v, want %t", i, changed, err, want)
			}
		}
		f.expectPicture("alice", "")
		f.expectPicture("bob", "bob's")
		if _, err := f.Picture(f.ctx, bobs.ID); err != nil {
			f.t.Error(err)
		}
		events, err := f.AuditEvents(f.ctx, "alice", 10)
		f.must(err)
		changes := 0
		for _, e := range events {
			if e.Action == store.ActionPictureChanged && e.Actor == store.ActorUser && e.Reason == "" {
				changes++
			}
		}
		if changes != 3 {
			f.t.Errorf("%d changes are in the audit log, want 3: %+v", changes, events)
		}
		_, err = f.ChangePicture(f.ctx, store.PictureChange{Localpart: "nobody"})
		f.want("a user that does not exist", err, store.ErrNotFound)
	})
}

func TestChangePictureInsteadOfAnother(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		taken := store.NewPicture{ContentType: "image/jpeg", Content: []byte("taken"), ProviderID: "idp", URL: "https://idp.example/alice"}
		change := store.PictureChange{Localpart: "alice", Picture: &taken, Actor: store.ActorServer, Reason: "idp", Instead: new("")}
		if changed, err := f.ChangePicture(f.ctx, change); err != nil || !changed {
			f.t.Errorf("instead of none: changed %t, error %v", changed, err)
		}
		p, err := f.PictureOf(f.ctx, "alice")
		f.must(err)
		for _, tt := range []struct {
			provider, url string
			want          bool
		}{{"idp", taken.URL, true}, {"idp", taken.URL + "x", false}, {"other", taken.URL, false}, {"idp", "", false}, {"", "", false}} {
			if p.IsFrom(tt.provider, tt.url) != tt.want {
				f.t.Errorf("from %q at %q: %t", tt.provider, tt.url, !tt.want)
			}
		}
		if events, err := f.AuditEvents(f.ctx, "alice", 1); err != nil || events[0].Actor != store.ActorServer || events[0].Reason != "idp" {
			f.t.Errorf("the newest event is %+v, error %v", events, err)
		}
		_, err = f.ChangePicture(f.ctx, change)
		f.want("instead of none, where there is one", err, store.ErrConflict)
		own := f.usePicture("alice", "own")
		change.Instead = new(f.MediaURI(p.ID))
		_, err = f.ChangePicture(f.ctx, change)
		f.want("instead of one that is gone", err, store.ErrConflict)
		f.expectPicture("alice", "own")
		if own.IsFrom("", "") || own.IsFrom("idp", taken.URL) {
			f.t.Error("a picture that was sent is a provider's")
		}
	})
}

func TestUsePicture(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		f.login("bob")
		old, stored := f.usePicture("alice", "old"), f.addPicture("alice", "stored")
		f.expectPicture("alice", "old")
		bobs := f.addPicture("bob", "bob's")
		for name, uri := range map[string]string{
			"somebody else's": bobs, "one that does not exist": f.MediaURI("nothing"), "one of another server": strings.Replace(stored, "example.org", "example.com", 1),
			"an id alone": strings.TrimPrefix(stored, f.MediaURI("")), "none": "", "the beginning of an id": stored[:len(stored)-1],
		} {
			_, err := f.UsePicture(f.ctx, "alice", uri, store.ActorUser)
			f.want(name, err, store.ErrNotFound)
			f.expectPicture("alice", "old")
		}
		for i, want := range []bool{true, false} {
			changed, err := f.UsePicture(f.ctx, "alice", stored, store.ActorUser)
			if err != nil || changed != want {
				f.t.Errorf("attempt %d: changed %t, error %v, want %t", i, changed, err, want)
			}
		}
		f.expectPicture("alice", "stored")
		_, err := f.UsePicture(f.ctx, "alice", f.MediaURI(old.ID), store.ActorUser)
		f.want("the one of before", err, store.ErrNotFound)
		if events, err := f.AuditEvents(f.ctx, "alice", 2); err != nil || events[0].Action != store.ActionPictureChanged || events[0].Actor != store.ActorUser {
			f.t.Errorf("the newest events are %+v, error %v", events, err)
		}
		f.expectPicture("bob", "")
	})
}

func TestUnusedPicturesAreFew(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		f.login("bob")
		f.usePicture("alice", "used")
		bobs := f.addPicture("bob", "bob's")
		var uris []string
		for i := range 7 {
			uris = append(uris, f.addPicture("alice", fmt.Sprint(i)))
			f.clock.Advance(time.Second)
		}
		for i, uri := range append(uris, bobs) {
			_, err := f.Picture(f.ctx, strings.TrimPrefix(uri, f.MediaURI("")))
			var want error
			if i < 3 {
				want = store.ErrNotFound
			}
			f.want(fmt.Sprintf("picture %d", i), err, want)
		}
		f.expectPicture("alice", "used")
		wantAll(t, together(8, func(i int) error {
			_, err := f.AddPicture(f.ctx, "alice", newPicture(fmt.Sprint(i)))
			return err
		}))
		if n := f.number("SELECT count(*) FROM pictures WHERE localpart = 'alice'"); n != 5 {
			f.t.Errorf("there are %d pictures, want 5", n)
		}
	})
}

func TestPicturesAtOnce(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		uri := f.addPicture("alice", "stored")
		wantAll(t, together(12, func(i int) error {
			var err error
			switch n := newPicture("sent"); i % 3 {
			case 0:
				_, err = f.ChangePicture(f.ctx, store.PictureChange{Localpart: "alice", Picture: &n, Actor: store.ActorUser})
			case 1:
				_, err = f.ChangePicture(f.ctx, store.PictureChange{Localpart: "alice", Actor: store.ActorUser})
			default:
				_, err = f.UsePicture(f.ctx, "alice", uri, store.ActorUser)
			}
			if errors.Is(err, store.ErrNotFound) {
				err = nil // it may be gone by now
			}
			return err
		}))
		user, err := f.User(f.ctx, "alice")
		f.must(err)
		used := f.number("SELECT count(*) FROM pictures WHERE used_at IS NOT NULL")
		if p, err := f.PictureOf(f.ctx, "alice"); (user.AvatarURL == "") != (used == 0) || used > 1 || used == 1 && (err != nil || f.MediaURI(p.ID) != user.AvatarURL) {
			f.t.Errorf("the user has %q, of %d pictures: %v", user.AvatarURL, used, err)
		}
		first := make(chan bool, 4)
		_, err = f.ChangePicture(f.ctx, store.PictureChange{Localpart: "alice"})
		f.must(err)
		wantAll(t, together(4, func(int) error {
			n := newPicture("taken")
			changed, err := f.ChangePicture(f.ctx, store.PictureChange{Localpart: "alice", Picture: &n, Instead: new("")})
			first <- changed && err == nil
			return nil
		}))
		won := 0
		for range 4 {
			if <-first {
				won++
			}
		}
		if won != 1 {
			f.t.Errorf("%d of four changed it, want one", won)
		}
	})
}

func TestPicturesOfAUserWhoHasLeft(t *testing.T) {
	each(t, func(f *fixture) {
		f.login("alice")
		p, stored := f.usePicture("alice", "content"), f.addPicture("alice", "stored")
		_, err := f.DeactivateUser(f.ctx, "alice")
		f.must(err)
		n := newPicture("later")
		_, err = f.AddPicture(f.ctx, "alice", n)
		f.want("store one", err, store.ErrNotFound)
		_, err = f.UsePicture(f.ctx, "alice", stored, store.ActorUser)
		f.want("use one", err, store.ErrNotFound)
		_, err = f.ChangePicture(f.ctx, store.PictureChange{Localpart: "alice", Picture: &n, Actor: store.ActorUser})
		f.want("change it", err, store.ErrNotFound)
		_, err = f.PublicPicture(f.ctx, p.PublicID)
		f.want("see it in public", err, store.ErrNotFound)
		_, err = f.ReactivateUser(f.ctx, "alice")
		f.must(err)
		f.expectPicture("alice", "content")
	})
}
