package handlers

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keymaker/internal/picture"
	"keymaker/provider/errtext"
)

// FuzzPictureForm checks that a form with a file is read whole or refused, that
// it is one file, and that a repeated field is refused by a name which may be
// shown.
func FuzzPictureForm(f *testing.F) {
	const kind = "multipart/form-data; boundary=x"
	field := func(header, value string) string {
		return "--x\r\nContent-Disposition: form-data; " + header + "\r\n\r\n" + value + "\r\n"
	}
	file, decided := field(`name="picture"; filename="a.png"`, "\x89PNG"), field(`name="decision"`, "approve")
	whole := field(`name="csrf_token"`, "token") + field(`name="oidc_req_id"`, "do=picture") + decided + file + "--x--\r\n"
	for _, seed := range []string{
		whole, whole[:len(whole)-9], "", "--x--", "--x\r\n\r\n\r\n--x--\r\n", file + file + decided + "--x--", decided + decided + file + "--x--", decided + "--x--",
		decided + field(`name="a"`, "\x00") + file + "--x--", field("name=\"\xff\"", "b") + file + "--x--", strings.Repeat(field("name=a", ""), 30) + whole,
		"--x\r\nContent-Disposition: form-data; name=picture\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41\r\n" + decided + "--x--",
	} {
		f.Add(seed, kind)
	}
	f.Add(whole, "multipart/form-data")
	f.Add(whole, "multipart/form-data; boundary=\"x\"; boundary=y")
	f.Add(whole, "multipart/mixed; boundary=x")
	f.Add("picture=x&decision=approve", "application/x-www-form-urlencoded")
	f.Fuzz(func(t *testing.T, body, contentType string) {
		r := httptest.NewRequest(http.MethodPost, accountPicturePath+"?decision=approve", strings.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		form, err := (&Server{}).readPictureForm(httptest.NewRecorder(), r)
		var repeated repeatedError
		switch {
		case errors.As(err, &repeated):
			if !errtext.Legal(repeated.Error()) {
				t.Fatalf("the error is %q", repeated.Error())
			}
		case err != nil:
			if !errors.Is(err, errContentType) && !errors.Is(err, errMalformed) && !errors.Is(err, errTooLarge) {
				t.Fatalf("the error is %v", err)
			}
		case !form.approved || !storable(form.id) || !storable(form.token):
			t.Fatalf("read %+v", form.decision)
		case form.failed != nil && (form.file != nil || !errors.Is(form.failed, errTooLarge)), len(form.file) > picture.MaxFile, !strings.Contains(body, string(form.file)):
			t.Fatalf("read %q, and %v", form.file, form.failed)
		}
	})
}

// A page from before the homeserver kept the pictures may still have the forms.
func TestNoFormChangesAPictureThatIsNotKept(t *testing.T) {
	for do, there := range map[string]bool{doProfile: true, doRemovePicture: false, doTakePicture: false} {
		if answers := (&Server{}).accountAnswers(); (answers[do] != nil) != there {
			t.Errorf("%s is there: %t", do, !there)
		}
	}
}
