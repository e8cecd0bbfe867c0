package handlers

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"keymaker/internal/picture"
	"keymaker/provider"
	"keymaker/store"
)

const (
	// maxFileName is the longest name of an upload in characters.
	maxFileName = 255
	// mediaAge is how long a browser may keep a picture: what an id means never
	// changes.
	mediaAge = "private, max-age=86400, immutable"
	// mediaPolicy lets a picture do nothing where it is opened by itself.
	mediaPolicy = "sandbox; default-src 'none'"
)

// Pictures is where the pictures of users are kept.
type Pictures interface {
	Picture(ctx context.Context, id string) (store.Picture, error)
	PictureOf(ctx context.Context, localpart string) (store.Picture, error)
	PublicPicture(ctx context.Context, publicID string) (store.Picture, error)
	AddPicture(ctx context.Context, localpart string, n store.NewPicture) (uri string, err error)
	UsePicture(ctx context.Context, localpart, uri, actor string) (changed bool, err error)
	ChangePicture(ctx context.Context, c store.PictureChange) (changed bool, err error)
}

// PictureTaker makes a change with the picture that is at an address which an
// identity provider has said.
type PictureTaker interface {
	Take(ctx context.Context, providerID, address string, c store.PictureChange) error
}

// mediaConfig says how large an upload may be.
func (s *Server) mediaConfig(w http.ResponseWriter, r *http.Request) {
	s.asMember(w, r, func(*provider.Caller) (any, error) {
		return map[string]int{"m.upload.size": picture.MaxFile}, nil
	})
}

// frozenMedia answers the endpoints that need no access token. There is nothing
// that was uploaded before they were frozen.
func (s *Server) frozenMedia(w http.ResponseWriter, r *http.Request) {
	s.matrixFailure(w, r, mxError(http.StatusNotFound, "M_NOT_FOUND", "There is nothing here without an access token."))
}

// upload stores a picture, which is the caller's once they say so in their
// profile. Nothing else can be uploaded: there are no rooms.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	s.asMember(w, r, func(c *provider.Caller) (any, error) {
		name, err := uploadName(r, c)
		if err != nil {
			return nil, err
		}
		localpart := c.Session.Login.Localpart
		if err := s.limitAccount(localpart); err != nil {
			return nil, err
		}
		end, err := s.uploads.begin(localpart)
		if err != nil {
			return nil, err
		}
		defer end()
		file, err := readFile(r.Body)
		var n store.NewPicture
		if err == nil {
			n, err = readPicture(r.Context(), file)
		}
		switch {
		case errors.Is(err, picture.ErrNoPicture):
			return nil, mxError(http.StatusForbidden, "M_FORBIDDEN", "Only pictures are kept here: PNG, JPEG, GIF and WebP.")
		case errors.Is(err, errMalformed):
			return nil, mxError(http.StatusBadRequest, "M_UNKNOWN", "The body ended too early.")
		case err != nil:
			return nil, err
		}
		n.FileName = name
		uri, err := s.Pictures.AddPicture(r.Context(), localpart, n)
		return map[string]string{"content_uri": uri}, err
	})
}

// uploadName is what a caller who may upload calls the file; "" for nothing.
func uploadName(r *http.Request, c *provider.Caller) (string, error) {
	if err := mayChangeProfile(c); err != nil {
		return "", err
	}
	query, err := singleQuery(r)
	if err != nil {
		return "", err
	}
	name := query.Get("filename")
	if len([]rune(name)) > maxFileName {
		return "", mxError(http.StatusBadRequest, "M_INVALID_PARAM", "A file name has at most 255 characters.")
	}
	return name, nil
}

// singleQuery is the query of a request in which no parameter is repeated.
func singleQuery(r *http.Request) (url.Values, error) {
	query, err := readQuery(r)
	for _, values := range query {
		if len(values) > 1 {
			err = errMalformed
		}
	}
	if err != nil {
		err = mxError(http.StatusBadRequest, "M_INVALID_PARAM", "The query is malformed.")
	}
	return query, err
}

// download shows a picture to a member.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	p, err := s.media(r)
	if err == nil {
		name, bad := variable(r, "name")
		if name == "" {
			name = p.FileName
		}
		if err = bad; err == nil {
			writePicture(w, kept(p), name)
			return
		}
	}
	s.matrixFailure(w, r, err)
}

// thumbnail shows a picture to a member in the size that they need.
func (s *Server) thumbnail(w http.ResponseWriter, r *http.Request) {
	p, err := s.media(r)
	var small picture.Picture
	if err == nil {
		small, err = s.shrink(r, kept(p))
	}
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	writePicture(w, small, map[string]string{picture.TypeJPEG: "thumbnail.jpg", picture.TypePNG: "thumbnail.png"}[small.ContentType])
}

func kept(p store.Picture) picture.Picture {
	return picture.Picture{ContentType: p.ContentType, Content: p.Content}
}

// media is the picture that a member asks for. That of another server is not
// here, and is not fetched.
func (s *Server) media(r *http.Request) (store.Picture, error) {
	if _, err := s.member(r); err != nil {
		return store.Picture{}, err
	}
	server, err := variable(r, "server")
	if err != nil {
		return store.Picture{}, err
	}
	id, err := variable(r, "id")
	if err != nil {
		return store.Picture{}, err
	}
	if server != s.Config.ServerName {
		return store.Picture{}, store.ErrNotFound
	}
	return s.Pictures.Picture(r.Context(), id)
}

// shrink makes a thumbnail as the query says.
func (s *Server) shrink(r *http.Request, p picture.Picture) (picture.Picture, error) {
	query, err := singleQuery(r)
	if err != nil {
		return p, err
	}
	width, badWidth := strconv.ParseUint(query.Get("width"), 10, 31)
	height, badHeight := strconv.ParseUint(query.Get("height"), 10, 31)
	method := query.Get("method")
	switch {
	case query.Get("width") == "", query.Get("height") == "":
		return p, mxError(http.StatusBadRequest, "M_MISSING_PARAM", "A thumbnail has a width and a height.")
	case badWidth != nil, badHeight != nil, width == 0, height == 0:
		return p, mxError(http.StatusBadRequest, "M_INVALID_PARAM", "Width and height are whole numbers above 0.")
	case method != "" && method != "crop" && method != "scale":
		return p, mxError(http.StatusBadRequest, "M_INVALID_PARAM", "The method is crop or scale.")
	}
	return picture.Thumbnail(r.Context(), p, int(width), int(height), method == "crop")
}

// writePicture answers with a picture of this name; "" for none. Whatever becomes
// of it, it is an image to every browser, and may be shown by the page of any
// client (CS-API "Content repository").
func writePicture(w http.ResponseWriter, p picture.Picture, name string) {
	h := w.Header()
	parameters := map[string]string{}
	if name != "" {
		parameters["filename"] = name
	}
	h.Set("Content-Disposition", mime.FormatMediaType("inline", parameters))
	h.Set("Content-Security-Policy", mediaPolicy)
	h.Set("Content-Length", strconv.Itoa(len(p.Content)))
	setUnlessSet(h, "Cross-Origin-Resource-Policy", "cross-origin")
	setUnlessSet(h, "Cache-Control", mediaAge)
	writeTyped(w, http.StatusOK, p.ContentType, p.Content)
}

// setUnlessSet is for a header of which the endpoint may have its own.
func setUnlessSet(h http.Header, name, value string) {
	if h.Get(name) == "" {
		h.Set(name, value)
	}
}
