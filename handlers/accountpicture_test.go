package handlers_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keymaker/internal/harness"
	"keymaker/internal/picture"
	"keymaker/store"
)

const ownPicturePath = accountPath + "/picture"

// sendPicture chooses a file on the profile page and sends it.
func sendPicture(b *harness.Browser, file []byte) harness.Page {
	at := b.Visit(profileLink)
	action, values := b.FieldsFor(at, "picture")
	values.Set("decision", "approve")
	return b.PostFile(at, action, values, "picture", file)
}

// press presses the button of a form of the profile page.
func press(b *harness.Browser, do string) harness.Page {
	at := b.Visit(profileLink)
	action, values := b.FieldsFor(at, do)
	values.Set("decision", "approve")
	return b.Post(at, action, values)
}

// offers tells whether a page has the form that does this.
func offers(p harness.Page, do string) bool { return strings.Contains(p.HTML, "do="+do+`"`) }

func TestAccountPicture(t *testing.T) {
	e := harness.Start(t)
	e.LogIn("bob", "BOBS")
	b, bob := atHome(e, "alice"), atHome(e, "bob")
	t.Run("H-02: who has no picture is told so, and can send one of the size that is taken", func(t *testing.T) {
		p := b.For(t).Visit(profileLink)
		expectPage(t, p, http.StatusOK, "You have no picture.")
		expectPage(t, p, http.StatusOK, fmt.Sprintf("at most %d MB", picture.MaxFile>>20))
		if offers(p, "remove_picture") || strings.Contains(p.HTML, "portrait") {
			t.Error("there is a picture")
		}
	})
	t.Run("H-12: a person sends a picture, sees it, and so does everybody", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		p := sendPicture(b, samplePNG(800, 400))
		expectPage(t, p, http.StatusOK, "Remove the picture")
		if !strings.Contains(p.HTML, `src="`+ownPicturePath+`"`) || avatarOf(e) == "" {
			t.Errorf("the picture is %q:\n%s", avatarOf(e), p.HTML)
		}
		own := b.Visit(ownPicturePath)
		if own.StatusCode != http.StatusOK || !bytes.HasPrefix([]byte(own.HTML), []byte("\xff\xd8\xff")) {
			t.Errorf("status %d: %.20q", own.StatusCode, own.HTML)
		}
		for name, want := range map[string]string{"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
			"Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "no-store", "Access-Control-Allow-Origin": ""} {
			if got := own.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
	t.Run("L-22: nobody else sees it there", func(t *testing.T) {
		e := e.For(t)
		if a := e.Get(ownPicturePath); a.Status != http.StatusNotFound {
			t.Errorf("without a session: status %d", a.Status)
		}
		if p := bob.For(t).Visit(ownPicturePath); p.StatusCode != http.StatusNotFound {
			t.Errorf("as somebody without a picture: status %d", p.StatusCode)
		}
	})
	t.Run("H-12: what happened tells of it", func(t *testing.T) {
		expectPage(t, b.For(t).Visit(accountPath+"?action=activity"), http.StatusOK, "Your picture changed")
	})
	before := avatarOf(e)
	for _, tt := range []struct {
		name, says string
		file       []byte
		status     int
	}{
		{"nothing", "not a picture that we can read", nil, http.StatusUnprocessableEntity},
		{"HTML", "not a picture that we can read", []byte("<!DOCTYPE html><script>alert(1)</script>"), http.StatusUnprocessableEntity},
		{"an SVG", "not a picture that we can read", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), http.StatusUnprocessableEntity},
		{"a picture that would fill the memory", "too large", hugePNG(), http.StatusRequestEntityTooLarge},
		{"a file that is too large", "too large", make([]byte, picture.MaxFile+1), http.StatusRequestEntityTooLarge},
		{"a file that is much too large", "too large", make([]byte, 3*picture.MaxFile), http.StatusRequestEntityTooLarge},
	} {
		t.Run("L-03: "+tt.name+" is no picture, and the field says why", func(t *testing.T) {
			p := sendPicture(b.For(t), tt.file)
			expectPage(t, p, tt.status, tt.says)
			if !strings.Contains(p.HTML, `aria-invalid="true" aria-describedby="problem about-picture"`) || !strings.Contains(p.HTML, `role="alert" id="problem"`) || avatarOf(e.For(t)) != before {
				t.Errorf("the field does not say it:\n%s", p.HTML)
			}
		})
	}
	t.Run("H-12: a person removes it", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		expectPage(t, press(b, "remove_picture"), http.StatusOK, "You have no picture.")
		if p := b.Visit(ownPicturePath); avatarOf(e) != "" || p.StatusCode != http.StatusNotFound {
			t.Errorf("the picture is %q, status %d", avatarOf(e), p.StatusCode)
		}
	})
	t.Run("K-04: a suspended user sees the profile and changes nothing of it", func(t *testing.T) {
		e, b := e.For(t), b.For(t)
		at := b.Visit(profileLink)
		action, values := b.FieldsFor(at, "picture")
		nameAction, name := b.FieldsFor(at, "profile")
		admin(e, "user", "suspend", "alice")
		p := b.Visit(profileLink)
		expectPage(t, p, http.StatusOK, "Your account is suspended")
		if offers(p, "picture") || offers(p, "profile") {
			t.Errorf("there is a form:\n%s", p.HTML)
		}
		values.Set("decision", "approve")
		b.PostFile(at, action, values, "picture", samplePNG(4, 4))
		name.Set("decision", "approve")
		name.Set("name", "Another")
		b.Post(at, nameAction, name)
		if avatarOf(e) != "" || nameOf(e, "alice") == "Another" {
			t.Errorf("the picture is %q, the name %q", avatarOf(e), nameOf(e, "alice"))
		}
		admin(e, "user", "unsuspend", "alice")
	})
}

// parts is a form in parts, each a line of its header and its value.
func parts(list ...[2]string) string {
	var b strings.Builder
	for _, p := range list {
		b.WriteString("--x\r\nContent-Disposition: form-data; " + p[0] + "\r\n\r\n" + p[1] + "\r\n")
	}
	return b.String() + "--x--\r\n"
}

func TestHostilePictureForms(t *testing.T) {
	e := harness.Start(t)
	e.LogIn("bob", "BOBS")
	b, bob := atHome(e, "alice"), atHome(e, "bob")
	_, values := b.FieldsFor(b.Visit(profileLink), "picture")
	_, bobs := bob.FieldsFor(bob.Visit(profileLink), "picture")
	_, other := b.FieldsFor(b.Visit(profileLink), "profile")
	file := [2]string{`name="picture"; filename="x.png"`, string(samplePNG(4, 4))}
	with := func(v url.Values, more ...[2]string) string {
		list := [][2]string{{`name="csrf_token"`, v.Get("csrf_token")}, {`name="oidc_req_id"`, v.Get("oidc_req_id")}, {`name="decision"`, "approve"}}
		return parts(append(list, more...)...)
	}
	const kind = "multipart/form-data; boundary=x"
	good := with(values, file)
	many := strings.Repeat("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n", 30)
	tests := []struct {
		name, kind, body string
		header           map[string]string
		status           int
	}{
		{"L-06: the form of another user", kind, with(bobs, file), nil, 403},
		{"L-06: a form without a token", kind, parts([2]string{`name="oidc_req_id"`, values.Get("oidc_req_id")}, [2]string{`name="decision"`, "approve"}, file), nil, 403},
		{"L-06: a token of another form", kind, with(other, file), nil, 403},
		{"L-06: a form that another site sends", kind, good, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.net"}, 403},
		{"L-06: a form that an old browser sends from another site", kind, good, map[string]string{"Origin": "https://evil.net"}, 403},
		{"L-22: a browser that is not signed in", kind, good, map[string]string{"Cookie": ""}, 403},
		{"D-03: a form without a file", kind, with(values), nil, 400},
		{"D-03: two files", kind, with(values, file, file), nil, 400},
		{"D-03: a token twice", kind, with(values, file, [2]string{`name="csrf_token"`, values.Get("csrf_token")}), nil, 400},
		{"D-03: no decision", kind, parts([2]string{`name="csrf_token"`, values.Get("csrf_token")}, [2]string{`name="oidc_req_id"`, values.Get("oidc_req_id")}, file), nil, 400},
		{"D-03: a form of another type", form, good, nil, 400},
		{"D-03: a form of no type", "", good, nil, 400},
		{"D-03: a form without a boundary", "multipart/form-data", good, nil, 400},
		{"D-03: another boundary", "multipart/form-data; boundary=y", good, nil, 400},
		{"D-03: a form that ends too early", kind, good[:len(good)-40], nil, 400},
		{"D-03: mixed parts", "multipart/mixed; boundary=x", good, nil, 400},
		{"D-03: a field with a NUL", kind, with(values, file, [2]string{`name="a"`, "a\x00"}), nil, 400},
		{"D-03: a field that is no UTF-8", kind, with(values, file, [2]string{`name="a"`, "\xff"}), nil, 400},
		{"D-03: many fields", kind, many + good, nil, 400},
		{"D-03: a field of more than 64 KiB", kind, with(values, file, [2]string{`name="a"`, strings.Repeat("x", 64<<10+1)}), nil, 413},
		{"D-03: a header without end", kind, "--x\r\nContent-Disposition: form-data; name=" + strings.Repeat("x", 12<<20) + "\r\n\r\n\r\n--x--", nil, 400},
		{"D-03: a body without end", kind, with(values, [2]string{`name="picture"; filename="x"`, strings.Repeat("x", 48<<20)}), nil, 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := e.For(t)
			header := map[string]string{"Content-Type": tt.kind, "Cookie": b.Cookie()}
			for name, value := range tt.header {
				header[name] = value
			}
			a, err := e.Try(http.MethodPost, ownPicturePath, header, tt.body)
			// A server may close the connection on who sends too much.
			if err != nil && len(tt.body) < 10<<20 || err == nil && a.Status != tt.status || avatarOf(e) != "" {
				t.Errorf("status %d, error %v, want %d; the picture is %q: %.300s", a.Status, err, tt.status, avatarOf(e), a.Body)
			}
		})
	}
	t.Run("L-06: a form for a picture does nothing else", func(t *testing.T) {
		b := b.For(t)
		values.Set("decision", "approve")
		if p := b.Post(b.Visit(profileLink), accountPath, values); p.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d", p.StatusCode)
		}
	})
	t.Run("L-06: and without any of it the picture is taken", func(t *testing.T) {
		e := e.For(t)
		a := e.Do(http.MethodPost, ownPicturePath, map[string]string{"Content-Type": kind, "Cookie": b.Cookie(), "Sec-Fetch-Site": "same-origin"}, good)
		if a.Status != http.StatusSeeOther || avatarOf(e) == "" {
			t.Errorf("status %d, the picture is %q: %.300s", a.Status, avatarOf(e), a.Body)
		}
	})
}

func TestOnePictureAtATime(t *testing.T) {
	e := harness.Start(t)
	b := atHome(e, "alice")
	slow, sending := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL+ownPicturePath, slow)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	r.Header.Set("Cookie", b.Cookie())
	r.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	ended := make(chan error, 1)
	go func() {
		a, err := client.Do(r)
		if err == nil {
			err = a.Body.Close()
		}
		ended <- err
	}()
	// The body is asked for once its sender is known, and nobody else's turn.
	if _, err := io.WriteString(sending, "--x\r\n"); err != nil {
		t.Fatal(err)
	}
	p := sendPicture(b, samplePNG(4, 4))
	expectPage(t, p, http.StatusTooManyRequests, "Too many")
	if err := sending.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if p := sendPicture(b, samplePNG(4, 4)); p.StatusCode != http.StatusOK {
		t.Errorf("afterwards: status %d", p.StatusCode)
	}
}

// audited are the newest changes of alice's picture: by whom, and for which
// provider.
func audited(e *harness.Env) []string {
	e.T.Helper()
	events, err := e.Server.Store().AuditEvents(e.T.Context(), "alice", 20)
	if err != nil {
		e.T.Fatal(err)
	}
	var all []string
	for _, ev := range events {
		if ev.Action == store.ActionPictureChanged {
			all = append(all, ev.Actor+" "+ev.Reason)
		}
	}
	return all
}
