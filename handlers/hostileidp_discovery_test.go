package handlers_test

import (
	"crypto/elliptic"
	"net/http"
	"strings"
	"sync/atomic"
)

func discoveryLies() []lie {
	says := func(name string, member string, value any, reason string) lie {
		return lie{name: name, says: unreachable, reason: reason, fault: always(setAt(idpDiscovery, member, value))}
	}
	answers := func(name string, status int, kind, body, reason string) lie {
		return lie{name: name, says: unreachable, reason: reason, fault: always(answering(idpDiscovery, status, kind, body))}
	}
	return []lie{
		says("the issuer is another", "issuer", "https://other.example", "it is that of the issuer"),
		says("the issuer is missing", "issuer", nil, "it is that of the issuer"),
		says("the issuer is no text", "issuer", 7, "cannot be read"),
		{name: "the issuer has two slashes more", says: unreachable, reason: "it is that of the issuer", fault: always(changedAt(idpDiscovery, func(d map[string]any) {
			issuer, _ := d["issuer"].(string)
			d["issuer"] = issuer + "//"
		}))},
		says("there is no authorization endpoint", "authorization_endpoint", nil, "no authorization_endpoint"),
		says("there is no token endpoint", "token_endpoint", nil, "no token_endpoint"),
		says("there is no key set", "jwks_uri", nil, "no jwks_uri"),
		says("the authorization endpoint is a script", "authorization_endpoint", "javascript:alert(1)", "not a web address"),
		says("the key set is a file", "jwks_uri", "file:///etc/passwd", "not a web address"),
		says("the token endpoint has no host", "token_endpoint", "/token", "not a web address"),
		says("the token endpoint is a number", "token_endpoint", 7, "cannot be read"),
		answers("it is no JSON", 200, "application/json", "SECRETBODY", "not JSON"),
		answers("it is HTML", 200, html, markup, "not JSON"),
		answers("it is a list", 200, "application/json", "[]", "cannot be read"),
		answers("it answers 404", 404, "application/json", "{}", "404"),
		answers("it answers 500", 500, html, markup, "500"),
		{name: "it redirects for ever", says: unreachable, reason: "too many redirects", fault: always(redirecting(idpDiscovery, 302, idpDiscovery+"?eyJmallory"))},
		{name: "it redirects to nowhere", says: unreachable, reason: "redirect that cannot be read", fault: always(redirecting(idpDiscovery, 302, "http://[mallory/%zz"))},
		{name: "it is oversized", says: unreachable, reason: "more than 1048576 bytes", fault: always(oversized(idpDiscovery))},
		{name: "the connection breaks", says: unreachable, reason: "EOF", fault: always(cut(idpDiscovery))},
		{name: "nothing answers", says: unreachable, reason: "EOF", fault: always(func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) })},
		{name: "the key set moves to one without keys", remembered: true, reason: notByKey, fault: func(i *impostor) fault {
			return both(setAt(idpDiscovery, "jwks_uri", i.e.IDP.Issuer+"/moved"), answeringJSON("/moved", `{"keys":[]}`))
		}},
	}
}

func keySetLies() []lie {
	answers := func(name string, status int, kind, body, reason string) lie {
		return lie{name: name, says: unreachable, reason: reason, fault: always(answering(idpKeys, status, kind, body))}
	}
	return []lie{
		{name: "it is empty", reason: notByKey, fault: always(answeringJSON(idpKeys, `{"keys":[]}`))},
		{name: "it has no keys", reason: notByKey, fault: always(answeringJSON(idpKeys, `{}`))},
		{name: "its keys are none", reason: notByKey, fault: always(answeringJSON(idpKeys, `{"keys":["mallory",7,null,{"kty":"mallory"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))},
		{name: "it has the keys of somebody else", reason: notByKey, fault: func(*impostor) fault {
			return answeringJSON(idpKeys, string(encoded(map[string]any{"keys": []any{publicKey(ecKey(elliptic.P256()).Public(), "mallory", "sig")}})))
		}},
		answers("it answers 500", 500, html, markup, "500"),
		answers("it answers 404", 404, "application/json", "{}", "404"),
		answers("it is HTML", 200, html, markup, "not JSON"),
		answers("it is a list", 200, "application/json", `["eyJmallory"]`, "cannot be read"),
		{name: "it is oversized", says: unreachable, reason: "more than 1048576 bytes", fault: always(oversized(idpKeys))},
		{name: "it has thousands of keys", says: unreachable, reason: "more than 100 keys", fault: func(i *impostor) fault {
			key := string(encoded(publicKey(i.key.Public(), "", "sig")))
			return answeringJSON(idpKeys, `{"keys":[`+strings.TrimSuffix(strings.Repeat(key+",", 4000), ",")+`]}`)
		}},
		{name: "it redirects for ever", says: unreachable, reason: "too many redirects", fault: always(redirecting(idpKeys, 302, idpKeys+"?eyJmallory"))},
		{name: "the connection breaks", says: unreachable, reason: "EOF", fault: always(cut(idpKeys))},
		{name: "the key is changed for another without a word", reason: notByKey, fault: func(i *impostor) fault {
			var asked atomic.Bool // the set is still the old one
			return func(w http.ResponseWriter, r *http.Request, provider http.Handler) {
				if r.URL.Path == idpKeys {
					asked.Store(true)
				}
				i.resigned("ES256", stranger(), impostorKey)(w, r, provider)
				if r.URL.Path == idpToken && asked.Load() {
					i.e.T.Error("the keys were fetched before there was a token")
				}
			}
		}},
	}
}
