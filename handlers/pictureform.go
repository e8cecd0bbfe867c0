package handlers

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"

	"keymaker/internal/picture"
	"keymaker/provider/errtext"
	"keymaker/templates"
)

// maxParts is how many fields a form with a file may have.
const maxParts = 20

// pictureForm is a form that somebody has sent with a file.
type pictureForm struct {
	decision
	file []byte
	// failed is why there is no file that can be looked at; nil where there is.
	failed error
}

// readPictureForm reads a form with a file. Whether it is authentic is to be
// asked before the file is looked at.
func (s *Server) readPictureForm(w http.ResponseWriter, r *http.Request) (pictureForm, error) {
	var f pictureForm
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return f, errContentType
	}
	r.Body = http.MaxBytesReader(w, r.Body, picture.MaxFile+maxDiscarded+maxForm)
	parts, err := r.MultipartReader()
	if err != nil {
		return f, errMalformed
	}
	fields, files := url.Values{}, 0
	for n := 0; ; n++ {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || n >= maxParts {
			return f, bodyError(err)
		}
		if part.FormName() == templates.FieldPicture {
			files++
			f.file, f.failed = readFile(part)
			err = f.failed
			if errors.Is(err, errTooLarge) {
				err = nil // it is said beside the field
			}
		} else {
			err = readField(part, fields)
		}
		if err != nil {
			return f, err
		}
	}
	for name, values := range fields {
		if len(values) > 1 {
			return f, repeatedError{errtext.Name(name)}
		}
	}
	if files != 1 || fields.Get(templates.FieldDecision) != templates.DecisionApprove {
		return f, errMalformed
	}
	f.decision = decision{browser: s.cookies.knownBrowser(r), id: fields.Get(templates.FieldRequest), token: fields.Get(templates.FieldCSRF), approved: true}
	return f, nil
}

// readField reads a field that is a text.
func readField(part *multipart.Part, into url.Values) error {
	value, err := io.ReadAll(io.LimitReader(part, maxForm+1))
	name := part.FormName()
	switch {
	case err != nil:
		return bodyError(err)
	case len(value) > maxForm:
		return errTooLarge
	case !storable(name) || !storable(string(value)):
		return errMalformed
	}
	into.Add(name, string(value))
	return nil
}
