package outbound_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keymaker/internal/outbound"
)

func fetch(t *testing.T, c *http.Client, url string) (status int, text string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

func TestReach(t *testing.T) {
	local := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "reached") }))
	t.Cleanup(local.Close)
	byName := strings.Replace(local.URL, "127.0.0.1", "localhost", 1)
	tests := []struct {
		name    string
		reach   outbound.Reach
		url     string
		refused bool
	}{
		{"a public client does not reach the loopback address", outbound.Public, local.URL, true},
		{"nor by a name that resolves to it", outbound.Public, byName, true},
		{"nor a private address", outbound.Public, "http://10.0.0.1:9/", true},
		{"nor a link-local one, where clouds keep credentials", outbound.Public, "http://169.254.169.254/latest/", true},
		{"nor an IPv4 address written as IPv6", outbound.Public, "http://[::ffff:127.0.0.1]:9/", true},
		{"nor a unique local one", outbound.Public, "http://[fd00::1]:9/", true},
		{"one on loopback reaches loopback", outbound.PublicAndLoopback, local.URL, false},
		{"but no private address", outbound.PublicAndLoopback, "http://192.168.0.1:9/", true},
		{"what the administrator named is reached", outbound.Anywhere, local.URL, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, text, err := fetch(t, outbound.New(tt.reach), tt.url)
			if outbound.Refused(err) != tt.refused || !tt.refused && text != "reached" {
				t.Errorf("answer %q, error %v", text, err)
			}
		})
	}
}

func TestAnswersAreBounded(t *testing.T) {
	long := strings.Repeat("x", outbound.MaxBody)
	local := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/longer":
			_, _ = io.WriteString(w, long+"x")
		default:
			_, _ = io.WriteString(w, long)
		}
	}))
	t.Cleanup(local.Close)
	c := outbound.New(outbound.PublicAndLoopback)
	t.Run("an answer of the largest size is whole", func(t *testing.T) {
		if _, text, err := fetch(t, c, local.URL); err != nil || text != long {
			t.Errorf("%d bytes, error %v", len(text), err)
		}
	})
	t.Run("a longer one is an error", func(t *testing.T) {
		if _, text, err := fetch(t, c, local.URL+"/longer"); !errors.Is(err, outbound.ErrTooLarge) || len(text) > len(long) {
			t.Errorf("%d bytes, error %v", len(text), err)
		}
	})
	t.Run("where more may be read, more is", func(t *testing.T) {
		if _, text, err := fetch(t, outbound.NewFor(outbound.PublicAndLoopback, len(long)+1), local.URL+"/longer"); err != nil || text != long+"x" {
			t.Errorf("%d bytes, error %v", len(text), err)
		}
	})
	t.Run("a redirect is not followed", func(t *testing.T) {
		if status, _, err := fetch(t, c, local.URL+"/redirect"); err != nil || status != http.StatusFound {
			t.Errorf("status %d, error %v", status, err)
		}
	})
}
