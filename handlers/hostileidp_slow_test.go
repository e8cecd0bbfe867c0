package handlers_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	"keymaker/internal/harness"
)

// A provider that keeps us waiting is given up, and the person gets an answer.
func TestSlowProvider(t *testing.T) {
	// hanging answers nothing at all.
	hanging := func(path string) fault {
		return onlyAt(path, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then is it noticed that the caller has left
			<-r.Context().Done()
		})
	}
	// dripping never gets to the end of its answer.
	dripping := func(path string) fault {
		return onlyAt(path, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte(" "))
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
	}
	for name, f := range map[string]fault{
		"discovery hangs": hanging(idpDiscovery), "the token endpoint hangs": hanging(idpToken), "userinfo hangs": hanging(idpUserinfo), "the key set hangs": hanging(idpKeys),
		"the token endpoint drips": dripping(idpToken), "userinfo drips": dripping(idpUserinfo),
	} {
		t.Run("L-30: "+name+": nobody is signed in, the page and the log say why, and without it the login succeeds", func(t *testing.T) {
			t.Parallel()
			i := startImpostor(t, func(o *harness.Options) { o.HTTPClient = &http.Client{Timeout: 2 * time.Second} })
			i.e = i.e.For(t)
			id, _ := i.e.Register(harness.WebClient)
			newVictim(t, i, id, 1).isLiedTo(lie{says: unreachable, reason: "exceeded"}, f)
		})
	}
}
