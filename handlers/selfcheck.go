package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/mux"
)

// discoveryMember names the discovery document itself among what it advertises:
// clients find it at the issuer.
const discoveryMember = "issuer"

// advertisedMethods are the methods that an advertised URL is used with. One
// that is not listed is used with POST.
var advertisedMethods = map[string][]string{
	discoveryMember:          {http.MethodGet},
	"authorization_endpoint": {http.MethodGet, http.MethodPost},
	"userinfo_endpoint":      {http.MethodGet, http.MethodPost},
	"end_session_endpoint":   {http.MethodGet, http.MethodPost},
	"jwks_uri":               {http.MethodGet},
	"account_management_uri": {http.MethodGet},
}

// foreign are the advertised URLs that are not of this server.
var foreign = []string{"op_policy_uri", "op_tos_uri"}

// checkAdvertised finds what the discovery document promises and this server
// does not keep: a URL that is not on the public origin, or that nothing
// answers (conformance A-07). answers tells whether there is a route for a
// method of a path.
func checkAdvertised(document []byte, answers func(method, path string) bool) error {
	advertised, issuer, err := advertisedURLs(document)
	if err != nil {
		return err
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(advertised)) {
		u, err := url.Parse(advertised[name])
		switch {
		case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
			wrong = append(wrong, fmt.Errorf("%s: %q is not a plain URL", name, advertised[name]))
			continue
		case u.Scheme != issuer.Scheme || u.Host != issuer.Host:
			wrong = append(wrong, fmt.Errorf("%s: %s is not on %s://%s, the origin of well_known.client", name, u, issuer.Scheme, issuer.Host))
			continue
		}
		methods, listed := advertisedMethods[name]
		if !listed {
			methods = []string{http.MethodPost}
		}
		for _, method := range methods {
			if !answers(method, u.EscapedPath()) {
				wrong = append(wrong, fmt.Errorf("%s: nothing answers %s %s", name, method, u))
			}
		}
	}
	return errors.Join(wrong...)
}

// advertisedURLs are the URLs of this server in the discovery document, by the
// name of their member, and the issuer.
func advertisedURLs(document []byte) (urls map[string]string, issuer *url.URL, err error) {
	var members map[string]any
	if err := json.Unmarshal(document, &members); err != nil {
		return nil, nil, fmt.Errorf("read the discovery document: %w", err)
	}
	text, _ := members[discoveryMember].(string)
	if issuer, err = url.Parse(text); err != nil {
		return nil, nil, fmt.Errorf("read the issuer: %w", err)
	}
	urls = map[string]string{discoveryMember: strings.TrimSuffix(text, "/") + discoveryPath}
	for name, value := range members {
		ours := strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri")
		if text, ok := value.(string); ok && ours && !slices.Contains(foreign, name) {
			urls[name] = text
		}
	}
	return urls, issuer, nil
}

// answering tells which methods of which paths the routes answer.
func answering(m *mux.Router, routes []route) func(method, path string) bool {
	byTemplate := map[string]route{}
	for _, r := range routes {
		byTemplate[r.path] = r
	}
	return func(method, path string) bool {
		var found mux.RouteMatch
		request := &http.Request{Method: method, URL: &url.URL{Path: path}}
		if !m.Match(request, &found) || found.Route == nil {
			return false
		}
		template, err := found.Route.GetPathTemplate()
		return err == nil && byTemplate[template].methods[method] != nil
	}
}
