package handlers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/internal/harness"
)

const msc4388Path = "/_matrix/client/unstable/io.element.msc4388/rendezvous"

var jsonType = map[string]string{"Content-Type": "application/json", "Origin": webOrigin}

// begin4388 begins a session of MSC4388 and returns its path and its token.
func begin4388(e *harness.Env, data string) (path, token string) {
	e.T.Helper()
	a := e.Do(http.MethodPost, msc4388Path, jsonType, `{"data":`+asJSON(data)+`}`)
	expectStatus(e, a, http.StatusOK)
	if a.Text("id") == "" || a.Text("sequence_token") == "" {
		e.T.Fatalf("the answer is %s", a.Body)
	}
	return msc4388Path + "/" + a.Text("id"), a.Text("sequence_token")
}

func asJSON(s string) string {
	b, _ := json.Marshal(s) //nolint:errchkjson // a string is always JSON
	return string(b)
}

func write4388(e *harness.Env, path, token, data string) harness.Answer {
	e.T.Helper()
	return e.Do(http.MethodPut, path, jsonType, `{"sequence_token":`+asJSON(token)+`,"data":`+asJSON(data)+`}`)
}

func expectData(e *harness.Env, path, token, data string) {
	e.T.Helper()
	a := e.Get(path)
	if got, ok := a.JSON()["data"].(string); !ok || got != data || a.Text("sequence_token") != token {
		e.T.Errorf("status %d: %s, want %q and %q", a.Status, a.Body, data, token)
	}
}

const conflict4388 = "IO_ELEMENT_MSC4388_CONCURRENT_WRITE"

func TestMSC4388(t *testing.T) {
	const life = 5 * time.Minute
	grammar := regexp.MustCompile(`^[A-Za-z0-9._~-]{1,255}$`)
	tests := []struct {
		name string
		do   func(t *testing.T, e *harness.Env)
	}{
		{"G-31: a client learns that it may begin a session", func(t *testing.T, e *harness.Env) {
			a := e.Get(msc4388Path)
			harness.ExpectJSON(t, a, http.StatusOK)
			if a.JSON()["create_available"] != true {
				t.Errorf("the answer is %s", a.Body)
			}
		}},
		{"G-31: a session begins with an id, a token and a time to live", func(t *testing.T, e *harness.Env) {
			a := e.Do(http.MethodPost, msc4388Path, jsonType, `{"data":"Hello from A"}`)
			harness.ExpectJSON(t, a, http.StatusOK)
			if !grammar.MatchString(a.Text("id")) || len(a.Text("id")) < 43 || !grammar.MatchString(a.Text("sequence_token")) || a.JSON()["expires_in_ms"] != float64(life.Milliseconds()) {
				t.Errorf("the answer is %s", a.Body)
			}
			e.Clock.Advance(time.Minute)
			read := e.Get(msc4388Path + "/" + a.Text("id"))
			harness.ExpectJSON(t, read, http.StatusOK)
			if read.Text("data") != "Hello from A" || read.Text("sequence_token") != a.Text("sequence_token") || read.JSON()["expires_in_ms"] != float64((life-time.Minute).Milliseconds()) {
				t.Errorf("read: %s", read.Body)
			}
		}},
		{"G-31: data is read as it was written", func(_ *testing.T, e *harness.Env) {
			for _, data := range []string{"", "\x00", "</script>", "日本 📱 \u2028", strings.Repeat("x", 4096), strings.Repeat("ü", 2048), strings.Repeat("\x01", 4096)} {
				path, token := begin4388(e, data)
				expectData(e, path, token, data)
			}
		}},
		{"G-31: a write that has seen the data replaces it", func(t *testing.T, e *harness.Env) {
			path, first := begin4388(e, "one")
			a := write4388(e, path, first, "two")
			harness.ExpectJSON(t, a, http.StatusOK)
			second := a.Text("sequence_token")
			if second == first || !grammar.MatchString(second) {
				t.Errorf("the token is %q after %q", second, first)
			}
			expectData(e, path, second, "two")
			if third := write4388(e, path, second, "two").Text("sequence_token"); third == second || third == "" {
				t.Errorf("the same data again: token %q", third)
			}
		}},
		{"G-31: a write that has not seen it is a conflict", func(t *testing.T, e *harness.Env) {
			path, first := begin4388(e, "one")
			second := write4388(e, path, first, "two").Text("sequence_token")
			for _, token := range []string{first, "", "nonsense", "0", "02", "+2", " 2", "99999999999999999999"} {
				harness.ExpectMatrixError(t, write4388(e, path, token, "three"), http.StatusConflict, conflict4388)
				harness.ExpectMatrixError(t, write4388(e, path+"/late"+fmt.Sprint(len(token)), token, "three"), http.StatusConflict, conflict4388)
			}
			expectData(e, path, second, "two")
		}},
		{"G-31: a write whose answer was lost can be sent again", func(t *testing.T, e *harness.Env) {
			path, first := begin4388(e, "one")
			second := write4388(e, path, first, "two").Text("sequence_token")
			a := write4388(e, path, first, "two")
			if a.Status != http.StatusOK || a.Text("sequence_token") != second {
				t.Errorf("again: status %d: %s", a.Status, a.Body)
			}
			expectData(e, path, second, "two")
		}},
		{"G-31: a write under a transaction id gets its answer again, even after another one", func(t *testing.T, e *harness.Env) {
			path, first := begin4388(e, "one")
			second := write4388(e, path+"/a.b_c~d-1", first, "two").Text("sequence_token")
			late := write4388(e, path+"/late", first, "two")
			harness.ExpectMatrixError(t, late, http.StatusConflict, conflict4388)
			third := write4388(e, path+"/other", second, "three").Text("sequence_token")
			if a := write4388(e, path+"/a.b_c~d-1", first, "two"); a.Status != http.StatusOK || a.Text("sequence_token") != second {
				t.Errorf("again: status %d: %s", a.Status, a.Body)
			}
			harness.ExpectMatrixError(t, write4388(e, path+"/late", third, "now"), http.StatusConflict, conflict4388)
			expectData(e, path, third, "three")
		}},
		{"G-31: one transaction a hundred times at once is one write", func(t *testing.T, e *harness.Env) {
			path, first := begin4388(e, "one")
			tokens := make([]string, 100)
			var writes sync.WaitGroup
			for i := range tokens {
				writes.Go(func() {
					a, err := e.Try(http.MethodPut, path+"/same", jsonType, `{"sequence_token":"`+first+`","data":"two"}`)
					tokens[i] = fmt.Sprint(a.Status, err, a.Text("sequence_token"))
				})
			}
			writes.Wait()
			for _, token := range tokens {
				if token != tokens[0] || !strings.HasPrefix(token, "200") {
					t.Fatalf("one answer is %s, another %s", tokens[0], token)
				}
			}
			if write4388(e, path, e.Get(path).Text("sequence_token"), "three").Status != http.StatusOK {
				t.Error("it goes no further")
			}
		}},
		{"G-31: an ended session is gone", func(t *testing.T, e *harness.Env) {
			path, token := begin4388(e, "x")
			a := e.Do(http.MethodDelete, path, nil, "")
			harness.ExpectJSON(t, a, http.StatusOK)
			if a.JSON()["errcode"] != nil {
				t.Errorf("the answer is %s", a.Body)
			}
			expectNone(t, e.Do(http.MethodDelete, path, nil, ""))
			expectNone(t, e.Get(path))
			expectNone(t, write4388(e, path, token, "y"))
			expectNone(t, write4388(e, path+"/txn", token, "y"))
		}},
		{"G-31: a session ends after five minutes", func(t *testing.T, e *harness.Env) {
			path, token := begin4388(e, "x")
			e.Clock.Advance(life - time.Millisecond)
			expectData(e, path, token, "x")
			e.Clock.Advance(time.Millisecond)
			expectNone(t, e.Get(path))
			expectNone(t, write4388(e, path, token, "y"))
		}},
		{"G-31: an access token is not needed, and a bad one is refused", func(t *testing.T, e *harness.Env) {
			tokens := e.LogIn("alice", "RENDEZVOUS")
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				expectStatus(e, e.As(tokens.Access, method, msc4388Path, `{"data":"x"}`), http.StatusOK)
				harness.ExpectMatrixError(t, e.As("nonsense", method, msc4388Path, `{"data":"x"}`), http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
			}
			e.Clock.Advance(time.Hour)
			a := e.As(tokens.Access, http.MethodGet, msc4388Path, "")
			harness.ExpectMatrixError(t, a, http.StatusUnauthorized, "M_UNKNOWN_TOKEN")
			if a.JSON()["soft_logout"] != true {
				t.Errorf("the answer is %s", a.Body)
			}
		}},
		{"G-31: every origin can read the answers", func(t *testing.T, e *harness.Env) {
			path, _ := begin4388(e, "x")
			for _, a := range []harness.Answer{e.Get(path), e.Get(msc4388Path), e.Get(path + "x"), e.Do(http.MethodPost, msc4388Path, jsonType, "{}")} {
				if a.Header.Get("Content-Type") != "application/json" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
					t.Errorf("the headers are %v", a.Header)
				}
				expectCORS(t, a)
			}
		}},
	}
	onEach(t, func(t *testing.T, e *harness.Env) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) { tt.do(t, e.For(t)) })
		}
	})
}

func TestMSC4388Refusals(t *testing.T) {
	e := harness.Start(t, unlimited)
	path, token := begin4388(e, "mine")
	long := asJSON(strings.Repeat("x", 4097))
	tests := []struct {
		name               string
		method, path, body string
		status             int
		code               string
	}{
		{"data beyond 4 KiB to begin with", http.MethodPost, msc4388Path, `{"data":` + long + `}`, 413, "M_TOO_LARGE"},
		{"data beyond 4 KiB in two bytes each", http.MethodPost, msc4388Path, `{"data":"` + strings.Repeat("ü", 2049) + `"}`, 413, "M_TOO_LARGE"},
		{"data beyond 4 KiB", http.MethodPut, path, `{"sequence_token":"` + token + `","data":` + long + `}`, 413, "M_TOO_LARGE"},
		{"a megabyte", http.MethodPost, msc4388Path, `{"data":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "M_TOO_LARGE"},
		{"no data", http.MethodPost, msc4388Path, `{}`, 400, "M_MISSING_PARAM"},
		{"data that is null", http.MethodPost, msc4388Path, `{"data":null}`, 400, "M_MISSING_PARAM"},
		{"data that is an object", http.MethodPost, msc4388Path, `{"data":{}}`, 400, "M_BAD_JSON"},
		{"a list", http.MethodPost, msc4388Path, `[]`, 400, "M_BAD_JSON"},
		{"no JSON", http.MethodPost, msc4388Path, `data=x`, 400, "M_NOT_JSON"},
		{"JSON that is not UTF-8", http.MethodPost, msc4388Path, "{\"data\":\"\xff\"}", 400, "M_NOT_JSON"},
		{"nothing", http.MethodPost, msc4388Path, ``, 400, "M_NOT_JSON"},
		{"a write without a token", http.MethodPut, path, `{"data":"x"}`, 400, "M_MISSING_PARAM"},
		{"a write without data", http.MethodPut, path, `{"sequence_token":"` + token + `"}`, 400, "M_MISSING_PARAM"},
		{"a write with a token that is a number", http.MethodPut, path, `{"sequence_token":1,"data":"x"}`, 400, "M_BAD_JSON"},
		{"a transaction id with a colon", http.MethodPut, path + "/a:b", `{"sequence_token":"` + token + `","data":"x"}`, 400, "M_INVALID_PARAM"},
		{"a transaction id that is escaped", http.MethodPut, path + "/%00", `{"sequence_token":"` + token + `","data":"x"}`, 400, "M_INVALID_PARAM"},
		{"a transaction id of 256 letters", http.MethodPut, path + "/" + strings.Repeat("a", 256), `{"sequence_token":"` + token + `","data":"x"}`, 400, "M_INVALID_PARAM"},
		{"a read under a transaction id", http.MethodGet, path + "/a", "", 405, "M_UNRECOGNIZED"},
		{"a session that nobody began", http.MethodGet, msc4388Path + "/nothing", "", 404, "M_NOT_FOUND"},
		{"another method", http.MethodPatch, path, "", 405, "M_UNRECOGNIZED"},
		{"a session of the other proposal's", http.MethodGet, strings.Replace(path, "io.element.msc4388", "org.matrix.msc4108", 1), "", 404, "M_NOT_FOUND"},
	}
	for _, tt := range tests {
		t.Run("G-31: "+tt.name+" is refused", func(t *testing.T) {
			e := e.For(t)
			harness.ExpectMatrixError(t, e.Do(tt.method, tt.path, jsonType, tt.body), tt.status, tt.code)
			expectData(e, path, token, "mine")
		})
	}
	for _, fetch := range []map[string]string{
		{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, {"Sec-Fetch-Mode": "navigate"}, {"Sec-Fetch-Dest": "iframe"},
		{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, {"Sec-Fetch-Dest": "object"},
	} {
		t.Run(fmt.Sprintf("G-31: data is not shown as a document or a part of one: %v", fetch), func(t *testing.T) {
			harness.ExpectMatrixError(t, e.For(t).Do(http.MethodGet, path, fetch, ""), http.StatusForbidden, "M_FORBIDDEN")
		})
	}
	t.Run("G-31: a script of a web client may read it", func(t *testing.T) {
		a := e.For(t).Do(http.MethodGet, path, map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "cross-site"}, "")
		if a.Status != http.StatusOK || a.Text("data") != "mine" {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
	t.Run("G-31: a session remembers only so many transactions", func(t *testing.T) {
		e := e.For(t)
		path, _ := begin4388(e, "x")
		for i := range 200 {
			harness.ExpectMatrixError(t, write4388(e, fmt.Sprint(path, "/", i), "late", "y"), http.StatusConflict, conflict4388)
		}
		harness.ExpectMatrixError(t, write4388(e, path+"/more", "late", "y"), http.StatusTooManyRequests, "M_LIMIT_EXCEEDED")
	})
}
