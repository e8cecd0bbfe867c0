package handlers_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

const html = "text/html; charset=utf-8"

// markup is a page in place of an answer.
const markup = "<html><script>alert('SECRETBODY')</script>eyJhbGciOiJub25lIn0</html>"

func userinfoLies() []lie {
	const other = "about somebody else"
	token := func(jwt func(i *impostor) string) func(*impostor) fault {
		return func(i *impostor) fault { return answering(idpUserinfo, http.StatusOK, "application/jwt", jwt(i)) }
	}
	own := func(claims map[string]any) func(*impostor) fault {
		return token(func(i *impostor) string { return i.sign(encoded(claims), jose.ES256, i.key, impostorKey) })
	}
	return []lie{
		{name: "it is about somebody else", reason: other, fault: always(setAt(idpUserinfo, "sub", "mallory"))},
		{name: "it is about nobody", reason: other, fault: always(setAt(idpUserinfo, "sub", nil))},
		{name: "sub is a list", reason: other, fault: always(setAt(idpUserinfo, "sub", []string{"mallory"}))},
		{name: "it is about somebody else at last", reason: other, fault: always(rewritten(idpUserinfo, func(body string) string {
			return strings.TrimSuffix(strings.TrimSpace(body), "}") + `,"sub":"mallory"}`
		}))},
		{name: "it answers 500", says: unreachable, reason: "500", fault: always(answering(idpUserinfo, 500, html, markup))},
		{name: "it answers 401", says: unreachable, reason: "401", fault: always(answering(idpUserinfo, 401, "application/json", `{"error":"invalid_token"}`))},
		{name: "it answers 204", says: unreachable, reason: "204", fault: always(answering(idpUserinfo, 204, "application/json", ""))},
		{name: "it is no JSON", says: unreachable, reason: "not JSON", fault: always(answeringJSON(idpUserinfo, "sub=mallory"))},
		{name: "it is HTML", says: unreachable, reason: "not JSON", fault: always(answering(idpUserinfo, 200, html, markup))},
		{name: "it is a list", says: unreachable, reason: "cannot be read", fault: always(answeringJSON(idpUserinfo, `["mallory"]`))},
		{name: "it is null", says: unreachable, reason: "cannot be read", fault: always(answeringJSON(idpUserinfo, "null"))},
		{name: "it is oversized", says: unreachable, reason: "more than 1048576 bytes", fault: always(oversized(idpUserinfo))},
		{name: "the connection breaks", says: unreachable, reason: "EOF", fault: always(cut(idpUserinfo))},
		{name: "it is nested without end", says: unreachable, reason: "JSON", fault: always(answeringJSON(idpUserinfo, `{"sub":`+strings.Repeat("[", 50_000)+strings.Repeat("]", 50_000)+`}`))},
		{name: "it redirects the access token elsewhere", says: unreachable, reason: "302", fault: func(i *impostor) fault { return redirecting(idpUserinfo, 302, i.elsewhere()+"/?mallory") }},
		{name: "it is an unsigned JWT", reason: notAccepted, fault: token(func(*impostor) string {
			return segment(map[string]any{"alg": "none"}) + "." + segment(map[string]any{"sub": "mallory"}) + "."
		})},
		{name: "it is a JWT signed by another key", reason: notByKey, fault: token(func(i *impostor) string {
			return i.sign(encoded(map[string]any{"sub": "mallory"}), jose.ES256, stranger(), impostorKey)
		})},
		{name: "it is a signed JWT about somebody else", reason: other, fault: own(map[string]any{"sub": "mallory"})},
		{name: "it is a signed JWT for another client", reason: "another client", fault: own(map[string]any{"sub": "mallory", "aud": "mallory"})},
		{name: "it is a signed JWT of another issuer", reason: "another issuer", fault: own(map[string]any{"sub": "mallory", "iss": "https://mallory.example"})},
	}
}

// elsewhere is a server that nobody may be sent to; whoever comes is reported.
func (i *impostor) elsewhere() string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.e.T.Errorf("%s %s was sent elsewhere, with Authorization of %d bytes", r.Method, r.URL.Path, len(r.Header.Get("Authorization")))
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"sub":"mallory"}`)
	}))
	i.e.T.Cleanup(s.Close)
	return s.URL
}

func tokenLies() []lie {
	unread := func(name, body string) lie {
		return lie{name: name, says: unreachable, reason: "cannot be read", fault: always(answeringJSON(idpToken, body))}
	}
	status := func(name string, status int, kind, body string) lie {
		return lie{name: name, says: unreachable, reason: http.StatusText(status), fault: always(answering(idpToken, status, kind, body))}
	}
	says := func(name string, status int, body, code string) lie {
		return lie{name: name, says: refused, reason: "refused: " + code, fault: always(answering(idpToken, status, "application/json", body))}
	}
	sends := func(status int, to string) func(*impostor) fault {
		return func(i *impostor) fault { return redirecting(idpToken, status, i.elsewhere()+to) }
	}
	return []lie{
		says("400 invalid_grant", 400, `{"error":"invalid_grant","error_description":"SECRETBODY mallory"}`, "invalid_grant"),
		says("401 invalid_client", 401, `{"error":"invalid_client"}`, "invalid_client"),
		says("200 with an error", 200, `{"error":"bad_verification_code","error_description":"SECRETBODY"}`, "bad_verification_code"),
		says("an error code of line breaks and markup", 400, `{"error":"mallory\n<script>"}`, "unreadable"),
		says("an error code without end", 400, `{"error":"`+strings.Repeat("mallory", 1000)+`"}`, "unreadable"),
		status("401 without a word", 401, "", ""),
		status("403 in HTML", 403, html, markup),
		status("500 with tokens", 500, "application/json", `{"access_token":"eyJmallory","id_token":"eyJmallory"}`),
		{name: "200 in HTML", says: unreachable, reason: "cannot be read", fault: always(answering(idpToken, 200, html, markup))},
		{name: "200 as text", says: unreachable, reason: "cannot be read", fault: always(answering(idpToken, 200, "text/plain", "access_token=&id_token=eyJmallory"))},
		unread("200 and nothing", ""),
		unread("a list", `["eyJmallory"]`),
		unread("JSON that is cut", `{"access_token":"mallory","id_token":"eyJ`),
		unread("no access_token", `{"id_token":"eyJmallory"}`),
		unread("an access_token that is a number", `{"access_token":7,"id_token":"eyJmallory"}`),
		unread("JSON and something behind it", `{"access_token":"mallory"} mallory`),
		{name: "no id_token", reason: "no ID token", fault: always(setAt(idpToken, "id_token", nil))},
		{name: "an id_token that is a list", reason: "no ID token", fault: always(setAt(idpToken, "id_token", []string{"eyJmallory"}))},
		{name: "token_type is mac", reason: "no bearer token", fault: always(setAt(idpToken, "token_type", "mac"))},
		{name: "two id_tokens, and the last is forged", reason: notByKey, fault: func(i *impostor) fault {
			return rewritten(idpToken, func(body string) string {
				forged := i.sign([]byte(`{"sub":"mallory"}`), jose.ES256, stranger(), impostorKey)
				return strings.TrimSuffix(strings.TrimSpace(body), "}") + `,"id_token":"` + forged + `"}`
			})
		}},
		{name: "a redirect with 302", says: unreachable, reason: "302", fault: sends(302, "/?eyJmallory")},
		{name: "a redirect with 307 that would take the secret along", says: unreachable, reason: "307", fault: sends(307, "/")},
		{name: "a redirect with 308 that would take the secret along", says: unreachable, reason: "308", fault: sends(308, "/")},
		{name: "a redirect that cannot be read", says: unreachable, reason: "redirect that cannot be read", fault: always(redirecting(idpToken, 302, "http://[mallory/%zz"))},
		{name: "it is oversized", says: unreachable, reason: "more than 1048576 bytes", fault: always(oversized(idpToken))},
		{name: "the connection breaks in the middle", says: unreachable, reason: "EOF", fault: always(cut(idpToken))},
		{name: "the connection breaks at once", says: unreachable, reason: "EOF", fault: always(onlyAt(idpToken, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))},
		{name: "it is not HTTP", says: unreachable, reason: "is not HTTP", fault: always(onlyAt(idpToken, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 eyJmallory SECRETBODY\r\n\r\n")
			_ = conn.Close()
		}))},
	}
}
