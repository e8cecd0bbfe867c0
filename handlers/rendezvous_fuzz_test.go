package handlers_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"keymaker/internal/harness"
)

// FuzzRendezvous sends anything to a session of each kind. Only a write that
// names the payload's tag exactly may change it, and no answer may blame the
// server.
func FuzzRendezvous(f *testing.F) {
	e := harness.Start(f, unlimited)
	plainPath, etag := meet(e, "payload")
	jsonPath, token := begin4388(e, "payload")
	for _, seed := range [][3]string{
		{etag, `{"sequence_token":"` + token + `","data":"next"}`, "txn"}, {`"`, `{"data":"\ud800"}`, "%00"}, {"W/" + etag, "{\"data\":\"\xff\"}", ""}, {`"1","1"`, "[]", "a/b"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	send := func(ctx context.Context, method, path, body string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(ctx, method, "/", strings.NewReader(body))
		r.URL = &url.URL{Path: path, RawPath: path}
		for i := 0; i < len(headers); i += 2 {
			r.Header[headers[i]] = []string{headers[i+1]}
		}
		w := httptest.NewRecorder()
		e.Server.ServeHTTP(w, r)
		return w
	}
	f.Fuzz(func(t *testing.T, tag, body, transaction string) {
		before := send(t.Context(), http.MethodGet, plainPath, "")
		written := send(t.Context(), http.MethodPut, plainPath, body, "Content-Type", "text/plain", "If-Match", tag)
		after := send(t.Context(), http.MethodGet, plainPath, "", "If-None-Match", tag)
		current := before.Header().Get("ETag")
		if changed := written.Code == http.StatusAccepted; changed != (tag == current && len(body) <= 4096) {
			t.Errorf("If-Match %q at %s: status %d", tag, current, written.Code)
		} else if changed && after.Body.String() != body {
			t.Errorf("%q was written, %q read", body, after.Body)
		}
		for _, a := range []*httptest.ResponseRecorder{before, written, after, send(t.Context(), http.MethodPut, jsonPath, body), send(t.Context(), http.MethodPut, jsonPath+"/"+transaction, body),
			send(t.Context(), http.MethodPost, msc4388Path, body), send(t.Context(), http.MethodGet, msc4388Path+"/"+transaction, ""), send(t.Context(), http.MethodDelete, msc4108Path+"/"+tag, "")} {
			if a.Code >= http.StatusInternalServerError {
				t.Errorf("status %d: %s", a.Code, a.Body)
			}
		}
	})
}
