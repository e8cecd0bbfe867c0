package handlers_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

func TestHostileShapes(t *testing.T) { attackAll(t, shapeThemes()) }

func shapeThemes() []theme {
	return []theme{exchangeShapes(), authorizationShapes(), registrationShapes(), introspectionShapes(), loginShapes(), headerShapes()}
}

// as sends the form's own bytes as something else.
func as(kind string, change func(text string) string) func(*wire) {
	return func(w *wire) { body(kind, change(w.bytes()))(w) }
}

func same(text string) string { return text }

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

func utf16(text string) string {
	return "\xff\xfe" + strings.Join(strings.Split(text, ""), "\x00") + "\x00"
}

func multipart(w *wire) {
	var b strings.Builder
	for name, values := range w.form {
		b.WriteString("--x\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + values[0] + "\r\n")
	}
	body("multipart/form-data; boundary=x", b.String()+"--x--\r\n")(w)
}

// renamed gives a parameter another name.
func renamed(name, to string) func(*wire) {
	return func(w *wire) {
		values := w.query
		if w.form != nil {
			values = w.form
		}
		values[to] = values[name]
		delete(values, name)
	}
}

// twice repeats a parameter, with the same value: nothing says which one counts.
func twice(name string) func(*wire) {
	return func(w *wire) {
		values := w.query
		if w.form != nil {
			values = w.form
		}
		values.Add(name, values.Get(name))
	}
}

// exchangeShapes never get so far as to use the code up.
func exchangeShapes() theme {
	toQuery := func(names ...string) func(*wire) {
		return func(w *wire) {
			w.query = url.Values{}
			for _, name := range names {
				w.query[name] = w.form[name]
				delete(w.form, name)
			}
		}
	}
	th := theme{
		good: exchanging, succeeds: tokensCome, refused: noTokens,
		attacks: []attack{
			{name: "D-01: an exchange with everything in the query", change: toQuery("grant_type", "code", "redirect_uri", "client_id", "code_verifier")},
			{name: "D-01: an exchange with the grant in the query", change: toQuery("grant_type")},
			{name: "D-01: an exchange with the client in the query", change: toQuery("client_id")},
			{name: "D-03: an exchange with an array of codes", change: renamed("code", "code[]")},
			{name: "D-03: an exchange with a member of code", change: renamed("code", "code[0]")},
			{name: "D-03: an exchange with the code in another case", change: renamed("code", "Code")},
			{name: "D-03: an exchange with the grant in another case", change: renamed("grant_type", "GRANT_TYPE")},
			{name: "D-03: an exchange with a space in front of a name", change: renamed("code", " code")},
			{name: "D-03: an exchange with NUL behind a name", change: renamed("code", "code\x00")},
			{name: "D-03: an exchange with semicolons", change: as(form, func(s string) string { return strings.ReplaceAll(s, "&", ";") })},
			{name: "D-03: an exchange with one semicolon", change: as(form, func(s string) string { return s + ";x=y" })},
			{name: "D-03: an exchange as JSON", change: func(w *wire) {
				w.json = map[string]any{}
				for name, values := range w.form {
					w.json[name] = values[0]
				}
				w.header.Set("Content-Type", "application/json")
			}},
			{name: "D-01: a form that says it is JSON", change: as("application/json", same)},
			{name: "D-01: a form that says it is plain text", change: as("text/plain", same)},
			{name: "D-01: a form that does not say what it is", change: as("", same)},
			{name: "D-01: a form with two types", change: as(form+", application/json", same)},
			{name: "D-01: a form of another type that begins alike", change: as(form+"x", same)},
			{name: "D-01: a form in parts", change: multipart},
			{name: "D-03: a form that is compressed", change: func(w *wire) {
				as(form, gzipped)(w)
				w.header.Set("Content-Encoding", "gzip")
			}},
			{name: "D-03: a form in UTF-16", change: as(form+"; charset=utf-16", utf16)},
			{name: "D-03: a form behind a byte order mark", change: as(form, func(s string) string { return "\ufeff" + s })},
			{name: "D-03: a form behind a question mark", change: as(form, func(s string) string { return "?" + s })},
			{name: "D-03: a form with a bad escape", change: as(form, func(s string) string { return s + "&x=%zz" })},
			{name: "D-03: a form with half an escape", change: as(form, func(s string) string { return s + "&x=%4" })},
			{name: "D-03: a form with bytes that are no UTF-8", change: as(form, func(s string) string { return s + "&x=%ff" })},
			{name: "D-03: a form with an overlong slash", change: as(form, func(s string) string { return s + "&x=%c0%af" })},
			{name: "D-03: a form with half a surrogate", change: as(form, func(s string) string { return s + "&x=%ed%a0%80" })},
			{name: "D-03: a form with NUL", change: as(form, func(s string) string { return s + "&x=%00" })},
			{name: "D-03: a form of more than 64 KiB", change: field("x", strings.Repeat("x", 64<<10))},
			{name: "D-03: a form of ten thousand names", change: as(form, func(s string) string { return s + strings.Repeat("&x=", 10_000) })},
		},
	}
	for _, name := range []string{"grant_type", "code", "redirect_uri", "client_id", "code_verifier"} {
		th.attacks = append(th.attacks, attack{name: "D-03: an exchange with " + name + " twice", change: twice(name)})
	}
	return th
}

func authorizationShapes() theme {
	th := theme{
		good: func(e *harness.Env) *wire {
			id, _ := e.Register(harness.WebClient)
			return authorizing(e, e.NewRequest(id, harness.ScopeStable+"SHAPED"))
		},
		succeeds: onTheWay, refused: stranded,
		attacks: []attack{
			{name: "C-07: an authorization with a query of more than 16 KiB", change: query("x", strings.Repeat("x", 16<<10))},
			{name: "C-03: an authorization with semicolons", change: func(w *wire) { w.raw = ";x=y" }},
			{name: "C-03: an authorization with a bad escape", change: func(w *wire) { w.raw = "&x=%zz" }},
			{name: "C-03: an authorization with bytes that are no UTF-8", change: func(w *wire) { w.raw = "&x=%ff" }},
			{name: "C-03: an authorization with NUL", change: func(w *wire) { w.raw = "&x=%00" }},
			{name: "C-03: an authorization with NUL in its state", change: query("state", "a\x00b")},
			{name: "C-03: an authorization with an array of scopes", change: renamed("scope", "scope[]")},
			{name: "C-03: an authorization with the client in another case", change: renamed("client_id", "Client_ID")},
			{name: "C-03: an authorization with the redirect URI in another case", change: renamed("redirect_uri", "redirect_URI")},
			{name: "C-03: an authorization with its parameters in the body of a GET", change: func(w *wire) {
				w.form, w.query = w.query, nil
				w.header.Set("Content-Type", form)
			}},
			{name: "C-02: an authorization by POST with its parameters in the query", change: func(w *wire) {
				w.method = http.MethodPost
				w.header.Set("Content-Type", form)
			}},
			{name: "C-02: an authorization by POST as JSON", change: func(w *wire) {
				w.method = http.MethodPost
				body("application/json", `{"client_id":"x"}`)(w)
			}},
			{name: "C-03: an authorization with one scope in two spaces", change: query("scope", "openid  "+harness.ScopeStable+"SHAPED")},
			{name: "C-03: an authorization with a line break in its scope", change: query("scope", "openid\n"+harness.ScopeStable+"SHAPED")},
		},
	}
	for _, name := range []string{"client_id", "redirect_uri", "scope", "state", "response_type", "nonce"} {
		th.attacks = append(th.attacks, attack{name: "C-03: an authorization with " + name + " twice", change: func(w *wire) {
			if w.query.Get(name) == "" {
				w.query.Set(name, "x")
			}
			w.query.Add(name, "other")
		}})
	}
	return th
}

func registrationShapes() theme {
	return theme{
		good: func(e *harness.Env) *wire {
			w := posting(e, registerPath, nil)
			body("application/json", harness.WebClient)(w)
			return w
		},
		succeeds: created,
		refused: func(t *testing.T, _ *wire, a harness.Answer) {
			t.Helper()
			if a.Status != http.StatusBadRequest && a.Status != http.StatusUnsupportedMediaType || a.Text("error") == "" || a.Text("client_id") != "" {
				t.Errorf("status %d: %.300s", a.Status, a.Body)
			}
		},
		attacks: []attack{
			{name: "B-03: a registration as a form", change: body(form, "client_uri=https%3A%2F%2Fexample.com%2F")},
			{name: "B-03: a registration that says it is plain text", change: as("text/plain", same)},
			{name: "B-03: a registration that does not say what it is", change: as("", same)},
			{name: "B-03: a registration that says it is a JWT", change: as("application/jwt", same)},
			{name: "B-03: a registration that is compressed", change: func(w *wire) {
				as("application/json", gzipped)(w)
				w.header.Set("Content-Encoding", "gzip")
			}},
			{name: "B-03: a registration in UTF-16", change: as("application/json; charset=utf-16", utf16)},
			{name: "B-03: a registration behind a byte order mark", change: as("application/json", func(s string) string { return "\ufeff" + s })},
			{name: "B-03: two registrations in one", change: as("application/json", func(s string) string { return s + s })},
			{name: "B-03: a list of registrations", change: as("application/json", func(s string) string { return "[" + s + "]" })},
			{name: "B-03: a registration with a comment", change: as("application/json", func(s string) string { return "/* */" + s })},
			{name: "B-03: a registration cut short", change: as("application/json", func(s string) string { return s[:len(s)-1] })},
			{name: "B-03: a registration with NUL in its name", change: as("application/json", func(s string) string { return strings.Replace(s, "My App", `My\u0000App`, 1) })},
			{name: "B-03: a registration with bytes that are no UTF-8", change: as("application/json", func(s string) string { return strings.Replace(s, "My App", "My\xffApp", 1) })},
			{name: "B-03: a registration with an object for a name", change: as("application/json", func(s string) string { return strings.Replace(s, `"My App"`, `{"$ne":null}`, 1) })},
			{name: "B-03: a registration that is nested deeply", change: as("application/json", func(s string) string { return `{"x":` + strings.Repeat("[", 8_000) })},
			{name: "B-06: a registration of more than 16 KiB", change: as("application/json", func(s string) string {
				return strings.Replace(s, "{", `{"x":"`+strings.Repeat("x", 16<<10)+`",`, 1)
			})},
		},
	}
}

func introspectionShapes() theme {
	return theme{
		good: func(e *harness.Env) *wire {
			return posting(e, synapsePath, url.Values{"token": {e.LogIn("alice", "SHAPED").Access}}, "Authorization", "Bearer "+harness.HomeserverSecret)
		},
		succeeds: ok,
		refused: func(t *testing.T, _ *wire, a harness.Answer) {
			t.Helper()
			if a.Status < 400 || a.Status >= 500 || a.Text("error") == "" || a.JSON()["active"] != nil {
				t.Errorf("status %d: %.300s", a.Status, a.Body)
			}
		},
		attacks: []attack{
			{name: "F-02: an introspection with the token in the query", change: func(w *wire) { w.query, w.form = w.form, url.Values{} }},
			{name: "F-02: an introspection with two tokens", change: twice("token")},
			{name: "F-02: an introspection as JSON", change: body("application/json", `{"token":"x"}`)},
			{name: "F-02: an introspection by GET", change: func(w *wire) { w.method, w.query, w.form = http.MethodGet, w.form, nil }},
			{name: "F-01: an introspection without a secret", change: header("Authorization")},
			{name: "F-01: an introspection with a part of the secret", change: header("Authorization", "Bearer "+harness.HomeserverSecret[:10])},
			{name: "F-01: an introspection with a person's access token", change: func(w *wire) { asBearer(w, w.form.Get("token")) }},
			{name: "F-01: an introspection with the secret in the query", change: func(w *wire) {
				w.header.Del("Authorization")
				w.query = url.Values{"access_token": {harness.HomeserverSecret}}
			}},
			{name: "F-01: an introspection with the secret in another case", change: header("Authorization", "Bearer "+strings.ToUpper(harness.HomeserverSecret))},
		},
	}
}

func loginShapes() theme {
	return theme{
		good: func(e *harness.Env) *wire {
			return postingJSON(e, loginPath, map[string]any{"type": "m.login.token", "token": e.LoginToken(e.NewBrowser(), "alice"), "device_id": "SHAPEDLOGIN"})
		},
		succeeds: tokensCome,
		refused: func(t *testing.T, _ *wire, a harness.Answer) {
			t.Helper()
			if a.Status < 400 || a.Status >= 500 || a.Text("errcode") == "" || a.Text("access_token") != "" {
				t.Errorf("status %d: %.300s", a.Status, a.Body)
			}
		},
		attacks: []attack{
			{name: "I-09: a login with a list of tokens", change: func(w *wire) { w.json["token"] = []any{w.json["token"]} }},
			{name: "I-09: a login with an object for a token", change: func(w *wire) { w.json["token"] = map[string]any{"$ne": ""} }},
			{name: "I-09: a login with true for a token", change: func(w *wire) { w.json["token"] = true }},
			{name: "I-0A: a login of a type in another case", change: func(w *wire) { w.json["type"] = "M.LOGIN.TOKEN" }},
			{name: "I-0A: a login with a password", change: func(w *wire) {
				w.json = map[string]any{"type": "m.login.password", "user": "alice", "password": "x"}
			}},
			{name: "I-0A: a login as an application service", change: func(w *wire) {
				w.json = map[string]any{"type": "m.login.application_service", "user": "alice"}
			}},
			{name: "I-09: a login with a device id of 256 bytes", change: func(w *wire) { w.json["device_id"] = strings.Repeat("x", 256) }},
			{name: "I-09: a login with NUL in its device id", change: func(w *wire) { w.json["device_id"] = "a\x00b" }},
			{name: "I-09: a login with NUL in its device's name", change: func(w *wire) { w.json["initial_device_display_name"] = "a\x00b" }},
			{name: "I-09: a login as a form", change: func(w *wire) {
				body(form, url.Values{"type": {"m.login.token"}, "token": {w.json["token"].(string)}}.Encode())(w) //nolint:errcheck // is a string
			}},
			{name: "I-09: a login in the query", change: func(w *wire) {
				w.query = url.Values{"type": {"m.login.token"}, "token": {w.json["token"].(string)}} //nolint:errcheck // is a string
				w.json = map[string]any{}
			}},
			{name: "I-09: a login of more than 64 KiB", change: func(w *wire) { w.json["x"] = strings.Repeat("x", 64<<10) }},
			{name: "I-09: two logins in one", change: func(w *wire) { w.body = w.bytes() + w.bytes() }},
		},
	}
}

// headerShapes are too much for any endpoint.
func headerShapes() theme {
	return theme{
		good: func(e *harness.Env) *wire {
			return fetched(e, discoveryPath, "User-Agent", "a client", "Cookie", "a=b")
		},
		succeeds: ok,
		refused: func(t *testing.T, _ *wire, a harness.Answer) {
			t.Helper()
			if a.Status != http.StatusRequestHeaderFieldsTooLarge && a.Status != http.StatusBadRequest {
				t.Errorf("status %d", a.Status)
			}
		},
		attacks: []attack{
			{name: "L-21: a header of 64 KiB", change: header("X-Long", strings.Repeat("x", 64<<10))},
			{name: "L-21: cookies of 64 KiB", change: header("Cookie", "a="+strings.Repeat("x", 64<<10))},
			{name: "L-21: ten thousand headers", change: header("X-Many", strings.Split(strings.Repeat("x,", 10_000), ",")...)},
			{name: "L-21: a path of 64 KiB", change: func(w *wire) { w.path += "/" + strings.Repeat("x", 64<<10) }},
		},
	}
}
