package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
)

func callbackLies() []lie {
	sends := func(change func(q url.Values)) func(*impostor) fault {
		return func(i *impostor) fault { return sentBack(i.e, change) }
	}
	only := func(values url.Values) func(*impostor) fault {
		return sends(func(q url.Values) {
			for name := range q {
				if name != "state" {
					delete(q, name)
				}
			}
			for name, v := range values {
				q[name] = v
			}
		})
	}
	add := func(name, value string) func(*impostor) fault {
		return sends(func(q url.Values) { q.Add(name, value) })
	}
	const expired = "This sign-in has expired"
	return []lie{
		{name: "state is missing", item: "L-06", status: http.StatusBadRequest, says: expired, reason: "not found", fault: sends(func(q url.Values) { q.Del("state") })},
		{name: "state is another", item: "L-06", status: http.StatusBadRequest, says: expired, reason: "not found", fault: sends(func(q url.Values) { q.Set("state", "mallory") })},
		{name: "state is without end", item: "L-06", status: http.StatusBadRequest, says: expired, reason: "not found", fault: sends(func(q url.Values) { q.Set("state", strings.Repeat("mallory", 1000)) })},
		{name: "state is there twice", item: "L-06", reason: "has state twice", fault: add("state", "mallory")},
		{name: "code is missing", item: "L-06", reason: "neither code nor error", fault: only(nil)},
		{name: "code is empty", item: "L-06", reason: "neither code nor error", fault: only(url.Values{"code": {""}})},
		{name: "code is there twice", item: "L-06", reason: "has code twice", fault: add("code", "mallory")},
		{name: "code is unknown to the provider", item: "L-06", says: refused, reason: "refused: invalid_grant", fault: only(url.Values{"code": {"mallory"}})},
		{name: "iss is that of another provider", item: "L-04", reason: "that of another issuer", fault: sends(func(q url.Values) { q.Set("iss", "https://mallory.example") })},
		{name: "iss is there twice", item: "L-04", reason: "has iss twice", fault: sends(func(q url.Values) { q["iss"] = []string{"https://a.example", "https://b.example"} })},
		{name: "iss is missing where the provider always sends it", item: "L-04", remembered: true, reason: "lacks the issuer", fault: func(i *impostor) fault {
			return both(sentBack(i.e, func(q url.Values) { q.Del("iss") }), setAt(idpDiscovery, "authorization_response_iss_parameter_supported", true))
		}},
		{name: "the provider says access_denied", item: "C-21", status: http.StatusForbidden, says: "You are not signed in", reason: "refused: access_denied", fault: only(url.Values{"error": {"access_denied"}})},
		{name: "the provider says access_denied beside a code", status: http.StatusForbidden, says: "You are not signed in", reason: "refused: access_denied", fault: add("error", "access_denied")},
		{name: "the provider says login_required", says: refused, reason: "refused: login_required", fault: only(url.Values{"error": {"login_required"}})},
		{name: "the provider says server_error", says: refused, reason: "refused: server_error", fault: only(url.Values{"error": {"server_error"}, "error_description": {"SECRETBODY"}})},
		{name: "the provider says what nobody knows, with markup", says: refused, reason: "refused: unreadable",
			fault: only(url.Values{"error": {"<mallory>\r\n"}, "error_description": {"<script>SECRETBODY</script>\u202e" + strings.Repeat("mallory", 500)}, "error_uri": {"javascript:alert('mallory')"}})},
		{name: "the description has a NUL", reason: "not a well-formed form", fault: only(url.Values{"error": {"server_error"}, "error_description": {"SECRETBODY\x00"}})},
		{name: "the answer is without end", reason: "longer than 16384 bytes", fault: only(url.Values{"error": {"server_error"}, "error_description": {strings.Repeat("mallory", 5000)}})},
		{name: "an error of another provider", item: "L-04", reason: "that of another issuer", fault: only(url.Values{"error": {"access_denied"}, "iss": {"https://mallory.example"}})},
	}
}
