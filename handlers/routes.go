package handlers

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/mux"

	"keymaker/internal/probe"
)

// kind says what surrounds a route: which headers, which errors.
type kind int

const (
	// oauthAPI: JSON for OAuth clients, CORS for every origin.
	oauthAPI kind = iota
	// serverAPI: JSON for other servers, no CORS (conformance A-36).
	serverAPI
	// matrixAPI: JSON for Matrix clients, CORS for every origin.
	matrixAPI
	// etagAPI: matrixAPI whose clients send and read entity tags.
	etagAPI
	// page: HTML for a person, no CORS, protected forms.
	page
	// entry: a page that other sites send a form to; nothing it does rests on a
	// cookie that was sent along.
	entry
	// asset: a public file of the pages.
	asset
)

// route is one path and what answers it, by method.
type route struct {
	path    string
	kind    kind
	methods map[string]http.HandlerFunc
}

func get(h http.HandlerFunc) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{http.MethodGet: h}
}

func post(h http.HandlerFunc) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{http.MethodPost: h}
}

func getPost(g, p http.HandlerFunc) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{http.MethodGet: g, http.MethodPost: p}
}

func put(h http.HandlerFunc) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{http.MethodPut: h}
}

func getPut(g, p http.HandlerFunc) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{http.MethodGet: g, http.MethodPut: p}
}

// without marks a method that the client-server API has there and that nobody
// here can use: the answer is that of an endpoint that does not exist
// (conformance K-10).
func without(methods map[string]http.HandlerFunc, method string) map[string]http.HandlerFunc {
	methods[method] = nil
	return methods
}

const (
	oidc   = "/_tuwunel/oidc"
	client = "/_matrix/client/{version:r0|v[0-9]+|unstable}"

	discoveryPath       = "/.well-known/openid-configuration"
	serverMetadataPath  = "/.well-known/oauth-authorization-server"
	wellKnownClientPath = "/.well-known/matrix/client"
	tokenRoute          = oidc + "/token"
	uploadRoute         = "/_matrix/media/{version:r0|v1|v3}/upload"
	callbackRoute       = client + "/login/sso/callback/"
)

// oauthRoutes exist with an issuer and a provider: the OAuth server starts only
// with both.
func (s *Server) oauthRoutes() []route {
	metadata, issuer := get(s.metadata), get(s.authIssuer)
	return []route{
		{discoveryPath, oauthAPI, metadata},
		{serverMetadataPath, oauthAPI, metadata},
		{"/.well-known/webfinger", matrixAPI, get(s.webfinger)},
		{"/.well-known/change-password", matrixAPI, get(s.changePassword)},
		{"/_matrix/client/v1/auth_metadata", matrixAPI, metadata},
		{"/_matrix/client/unstable/org.matrix.msc2965/auth_metadata", matrixAPI, metadata},
		{"/_matrix/client/v1/auth_issuer", matrixAPI, issuer},
		{"/_matrix/client/unstable/org.matrix.msc2965/auth_issuer", matrixAPI, issuer},
		{oidc + "/registration", oauthAPI, post(s.register)},
		{oidc + "/par", oauthAPI, post(s.pushAuthorization)},
		{oidc + "/authorize", entry, getPost(s.authorize, s.authorize)},
		{oidc + "/_complete", page, getPost(s.consent, s.answerConsent)},
		{accountPath, page, getPost(s.account, s.answerAccount)},
		{resetPath, page, getPost(s.reset, s.answerReset)},
		{tokenRoute, oauthAPI, post(s.token)},
		{oidc + "/revoke", oauthAPI, post(s.revoke)},
		{oidc + "/introspect", serverAPI, post(s.introspect)},
		{"/oauth2/introspect", serverAPI, post(s.introspect)},
		{endSessionPath, entry, getPost(s.endSession, s.endSession)},
		{endSessionConfirmPath, page, post(s.answerLogout)},
		{oidc + "/jwks", oauthAPI, get(s.jwks)},
		{oidc + "/userinfo", oauthAPI, getPost(s.userinfo, s.userinfo)},
	}
}

// legacyRoutes are the legacy login API, with the OAuth server or without it.
func (s *Server) legacyRoutes() []route {
	return []route{
		{client + "/login", matrixAPI, getPost(s.loginFlows, s.login)},
		{client + "/login/sso/redirect", entry, get(s.ssoRedirect)},
		{client + "/login/sso/redirect/{idp}", entry, get(s.ssoRedirect)},
		{callbackRoute + "{provider}", entry, get(s.callback)},
		{restartPath, page, get(s.restart)},
		{confirmPath, page, getPost(s.confirmLogin, s.answerLogin)},
		{linkPath, page, getPost(s.showLink, s.answerLink)},
		{client + "/logout", matrixAPI, post(s.logout)},
		{client + "/logout/all", matrixAPI, post(s.logoutAll)},
		{client + "/refresh", matrixAPI, post(s.refresh)},
	}
}

// homeserverRoutes are what a homeserver would answer.
func (s *Server) homeserverRoutes() []route {
	return []route{
		{"/_matrix/client/versions", matrixAPI, get(s.versions)},
		{client + "/account/whoami", matrixAPI, get(s.whoami)},
		{client + "/account/3pid", matrixAPI, without(get(s.threepids), http.MethodPost)},
		{client + "/auth/{stage}/fallback/web", entry, get(s.uiaFallback)},
		{client + "/capabilities", matrixAPI, get(s.capabilities)},
		{client + "/devices", matrixAPI, get(s.devices)},
		{client + "/devices/{device}", matrixAPI, without(getPut(s.device, s.renameDevice), http.MethodDelete)},
		{client + "/register", matrixAPI, post(s.registerUser)},
		{client + "/profile/{user}", matrixAPI, get(s.profile)},
		{client + "/profile/{user}/{field}", matrixAPI, getPut(s.profileField, s.setProfileField)},
	}
}

// mediaRoutes are those of profile pictures, which are all the media that the
// embedded surface has. They need an access token: none is old enough for the
// endpoints without one, which the specification has frozen (CS-API "Content
// repository").
func (s *Server) mediaRoutes() []route {
	const (
		media = "/_matrix/media/{version:r0|v1|v3}"
		id    = "/{server}/{id}"
		named = id + "/{name}"
	)
	frozen := get(s.frozenMedia)
	return []route{
		{client + "/media/config", matrixAPI, get(s.mediaConfig)},
		{client + "/media/download" + id, matrixAPI, get(s.download)},
		{client + "/media/download" + named, matrixAPI, get(s.download)},
		{client + "/media/thumbnail" + id, matrixAPI, get(s.thumbnail)},
		{media + "/config", matrixAPI, get(s.mediaConfig)},
		{uploadRoute, matrixAPI, post(s.upload)},
		{media + "/download" + id, matrixAPI, frozen},
		{media + "/download" + named, matrixAPI, frozen},
		{media + "/thumbnail" + id, matrixAPI, frozen},
	}
}

// pictureRoutes show pictures where no Matrix token is at hand.
func (s *Server) pictureRoutes() []route {
	return []route{
		{accountPicturePath, page, getPost(s.ownPicture, s.sendPicture)},
		{oidc + "/picture/{id}", asset, get(s.publicPicture)},
	}
}

// keyRoutes are those of end-to-end encryption that a client needs to set up
// and reset its cross-signing (conformance J).
func (s *Server) keyRoutes() []route {
	return []route{
		{client + "/keys/upload", matrixAPI, post(s.uploadKeys)},
		{client + "/keys/query", matrixAPI, post(s.queryKeys)},
		{client + "/keys/claim", matrixAPI, post(s.claimKeys)},
		{client + "/keys/signatures/upload", matrixAPI, post(s.uploadSignatures)},
		{client + "/keys/device_signing/upload", matrixAPI, post(s.uploadCrossSigning)},
	}
}

// deviceRoutes are those of the device grant (conformance G).
func (s *Server) deviceRoutes() []route {
	return []route{
		{oidc + "/device_authorization", oauthAPI, post(s.authorizeDevice)},
		{oidc + "/device", page, getPost(s.deviceEntry, s.enterCode)},
		{deviceConsentPath, page, getPost(s.deviceConsent, s.answerDevice)},
	}
}

// rendezvousRoutes are where the two devices of a QR login meet.
func (s *Server) rendezvousRoutes() []route {
	session := func(g, p, d http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{http.MethodGet: s.notByNavigation(g), http.MethodPut: p, http.MethodDelete: d}
	}
	return []route{
		{msc4108Path, etagAPI, post(s.createMSC4108)},
		{msc4108Path + "/{id}", etagAPI, session(s.readMSC4108, s.writeMSC4108, s.endMSC4108)},
		{msc4388Path, matrixAPI, getPost(s.discoverMSC4388, s.createMSC4388)},
		{msc4388Path + "/{id}", matrixAPI, session(s.readMSC4388, s.writeMSC4388, s.endMSC4388)},
		{msc4388Path + "/{id}/{transaction}", matrixAPI, put(s.writeMSC4388)},
	}
}

// routes are those of this configuration.
func (s *Server) routes() []route {
	routes := []route{
		{"/livez", serverAPI, get(s.live)},
		{"/readyz", serverAPI, get(s.ready)},
		{probe.Path, serverAPI, post(s.answerDoctor)},
		{wellKnownClientPath, matrixAPI, get(s.wellKnownClient)},
	}
	if s.Config.OAuthEnabled() {
		routes = append(routes, s.oauthRoutes()...)
	}
	if s.Config.OAuthEnabled() && s.Config.OIDCDeviceGrant {
		routes = append(routes, s.deviceRoutes()...)
	}
	if len(s.Upstreams) > 0 {
		routes = append(routes, s.legacyRoutes()...)
	}
	if s.Matrix != nil {
		routes = append(routes, s.homeserverRoutes()...)
		routes = append(routes, s.keyRoutes()...)
	}
	if s.Pictures != nil {
		routes = append(routes, s.mediaRoutes()...)
	}
	if s.Pictures != nil && s.Config.OAuthEnabled() {
		routes = append(routes, s.pictureRoutes()...)
	}
	if s.rendezvousOn() {
		routes = append(routes, s.rendezvousRoutes()...)
	}
	for path := range s.Pages.Assets() {
		routes = append(routes, route{path, asset, get(s.asset)})
	}
	return routes
}

func (s *Server) router(routes []route) *mux.Router {
	// Paths stay as they were sent: a device id may hold an encoded slash.
	m := mux.NewRouter().UseEncodedPath().SkipClean(true)
	for _, r := range routes {
		m.Handle(r.path, s.at(r.path, s.around(r)))
	}
	m.NotFoundHandler = http.HandlerFunc(s.notFound)
	return m
}

// direct looks up a path without variables, which costs nothing, and asks the
// router for any other: it tries one route after the other. A path with
// characters that were sent in another way than they need (RawPath) is no name
// of such a route.
func direct(m *mux.Router, routes []route) http.Handler {
	exact := map[string]http.Handler{}
	for _, r := range routes {
		var found mux.RouteMatch
		if !strings.Contains(r.path, "{") && m.Match(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: r.path}}, &found) {
			exact[r.path] = found.Handler
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := exact[r.URL.Path]; h != nil && r.URL.RawPath == "" {
			h.ServeHTTP(w, r)
			return
		}
		m.ServeHTTP(w, r)
	})
}

// around puts a route's handlers behind what its kind demands.
func (s *Server) around(r route) http.Handler {
	h := s.byMethod(r)
	switch r.kind {
	case oauthAPI, matrixAPI:
		if !fromMemory[r.path] {
			h = s.noteAddress(h)
		}
		return cors(h)
	case etagAPI:
		return etagCORS(h)
	case page:
		return s.noteAddress(s.pageHeaders(sameOriginReferrer(s.protectForms(h))))
	case entry:
		return s.noteAddress(s.pageHeaders(h))
	default:
		return h
	}
}

// byMethod answers a method that a route lacks with 405 and what it has.
func (s *Server) byMethod(r route) http.Handler {
	admitted := make(map[string]http.HandlerFunc, len(r.methods))
	for method, h := range r.methods {
		if h != nil {
			admitted[method] = s.admitted(r, h)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, known := r.methods[req.Method]
		h := admitted[req.Method]
		if req.Method == http.MethodHead {
			h = admitted[http.MethodGet] // net/http leaves out the body
		}
		switch {
		case h != nil:
			h(w, req)
		case known:
			s.notFound(w, req)
		default:
			s.methodNotAllowed(w, req, r)
		}
	})
}
