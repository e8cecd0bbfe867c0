package handlers

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// issuerRelation is the link relation of an OpenID issuer (OpenID Connect
// Discovery §2).
const issuerRelation = "http://openid.net/specs/connect/1.0/issuer"

// maxUserID is the longest Matrix user ID in bytes (Matrix specification,
// "User Identifiers").
const maxUserID = 255

// resourceDescriptor is a JSON Resource Descriptor (RFC 7033 §4.4).
type resourceDescriptor struct {
	Subject string           `json:"subject"`
	Links   []descriptorLink `json:"links"`
}

type descriptorLink struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// webfinger tells who issues tokens for a user of this server (RFC 7033;
// conformance A-23). It looks nobody up: whoever could be a user here gets the
// same answer, so it tells nobody who is one.
func (s *Server) webfinger(w http.ResponseWriter, r *http.Request) {
	query, err := readQuery(r)
	resource := query.Get("resource")
	if err != nil || len(query["resource"]) != 1 || resource == "" {
		s.matrixFailure(w, r, mxError(http.StatusBadRequest, "M_MISSING_PARAM", "The resource must be given, once."))
		return
	}
	ours, wellFormed := s.ownResource(resource)
	switch {
	case !wellFormed:
		s.matrixFailure(w, r, mxError(http.StatusBadRequest, "M_INVALID_PARAM", "The resource is neither an acct URI, nor a Matrix user ID, nor the URL of a server."))
		return
	case !ours:
		s.matrixFailure(w, r, mxError(http.StatusNotFound, "M_NOT_FOUND", "The resource is of another server."))
		return
	}
	answer := resourceDescriptor{Subject: resource, Links: []descriptorLink{}}
	if rels, asked := query["rel"]; !asked || slices.Contains(rels, issuerRelation) {
		answer.Links = append(answer.Links, descriptorLink{issuerRelation, s.Provider.Issuer()})
	}
	doc, err := json.Marshal(answer)
	if err != nil {
		s.matrixFailure(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", discoveryCache)
	writeTyped(w, http.StatusOK, "application/jrd+json", doc)
}

// ownResource tells whether a resource is this server, or could be a user of
// it, and whether it is a resource at all.
func (s *Server) ownResource(resource string) (ours, wellFormed bool) {
	if id, ok := strings.CutPrefix(strings.TrimPrefix(resource, "mxid:"), "@"); ok {
		localpart, server, _ := strings.Cut(id, ":")
		return server == s.Config.ServerName, couldBeUser(localpart, server)
	}
	if account, ok := strings.CutPrefix(resource, "acct:"); ok {
		user, server, _ := strings.Cut(account, "@")
		localpart, err := url.PathUnescape(user)
		return strings.EqualFold(server, s.Config.ServerName), err == nil && couldBeUser(localpart, server)
	}
	u, err := url.Parse(resource)
	wellFormed = err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
	return strings.TrimSuffix(resource, "/") == strings.TrimSuffix(s.Provider.Issuer(), "/"), wellFormed
}

// couldBeUser applies the grammar of user IDs.
func couldBeUser(localpart, server string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789._=-/+"
	return localpart != "" && server != "" && len("@:")+len(localpart)+len(server) <= maxUserID &&
		strings.Trim(localpart, letters) == "" && !strings.ContainsFunc(server, misread)
}
