package handlers

import (
	"errors"
	"net/http"
	"strconv"

	"keymaker/store"
)

// publicAge is how long a browser may show a picture that its user has replaced
// or removed.
const publicAge = "private, max-age=3600"

// publicPicture shows a picture to whoever has its address from userinfo
// (conformance F-25). The address is the one thing that is needed: websites have
// no Matrix token. It is not the picture's mxc URI, which everybody knows, and it
// is good for as long as the user has the picture.
func (s *Server) publicPicture(w http.ResponseWriter, r *http.Request) {
	id, err := variable(r, "id")
	if err != nil {
		s.notFound(w, r)
		return
	}
	p, err := s.Pictures.PublicPicture(r.Context(), id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.notFound(w, r)
	case err != nil:
		s.logFailure(r, http.StatusServiceUnavailable, err)
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		http.Error(w, "", http.StatusServiceUnavailable)
	default:
		w.Header().Set("Cache-Control", publicAge)
		writePicture(w, kept(p), "")
	}
}
