package upstream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/demoidp/demoidptest"
	"keymaker/internal/secret"
	"keymaker/upstream"
)

const callbackURL = "http://127.0.0.1:1/_matrix/client/unstable/login/sso/callback/keymaker"

// bench is a real OpenID provider with a relying party in front of it, and
// between them a wire that a test can watch and spoil.
type bench struct {
	idp      *demoidptest.Server
	wire     *wire
	config   config.IdentityProvider
	clock    *clock.Manual
	log      bytes.Buffer
	provider *upstream.Provider
}

// newBench starts both. change has the last word on the configuration.
func newBench(t *testing.T, change func(*config.IdentityProvider), configure ...func(*demoidptest.Options)) *bench {
	t.Helper()
	b := &bench{wire: newWire(), clock: clock.NewManual(time.Now())}
	b.idp = demoidptest.Start(t, append([]func(*demoidptest.Options){func(o *demoidptest.Options) {
		o.RedirectURIs, o.Wrap, o.Clock = []string{callbackURL}, b.wire.wrap, b.clock
	}}, configure...)...)
	b.config = config.IdentityProvider{
		Brand: "demo", ClientID: b.idp.ClientID, ClientSecret: secret.Text(b.idp.ClientSecret),
		IssuerURL: b.idp.Issuer, Discovery: true, Scope: []string{"openid", "email", "profile"},
		UniqueIDFallbacks: true, Registration: true,
	}
	if change != nil {
		change(&b.config)
	}
	b.provider = upstream.New(b.config, callbackURL, upstream.Options{Clock: b.clock, Logger: b.logger()})
	return b
}

func (b *bench) logger() *slog.Logger { return slog.New(slog.NewTextHandler(&b.log, nil)) }

// login is one login with its secrets.
type login struct {
	request upstream.Request
	started time.Time
}

func (b *bench) newLogin() login {
	return login{started: b.clock.Now(), request: upstream.Request{State: secret.Token(), Nonce: secret.Token(), Verifier: oauth2.GenerateVerifier()}}
}

// visit sends a browser to the provider as alice, and returns the parameters
// that come back.
func (b *bench) visit(t *testing.T, l login) url.Values {
	t.Helper()
	address, err := b.provider.Start(context.Background(), l.request)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	browser := demoidptest.Browser(t, callbackURL)
	page, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	answer := page
	if page.StatusCode == http.StatusOK {
		answer = demoidptest.Login(t, browser, page, "alice")
	}
	_ = answer.Body.Close()
	location, err := answer.Location()
	if err != nil {
		t.Fatalf("no redirect back from %s (status %d)", answer.Request.URL, answer.StatusCode)
	}
	return location.Query()
}

// finish reads the parameters that came back.
func (b *bench) finish(ctx context.Context, l login, params url.Values) (*upstream.Identity, error) {
	code, err := b.provider.Callback(ctx, params)
	if err != nil {
		return nil, err
	}
	return b.provider.Finish(ctx, upstream.Response{Code: code, Verifier: l.request.Verifier, Nonce: l.request.Nonce, MaxAge: l.request.MaxAge, StartedAt: l.started})
}

// signIn is a whole login.
func (b *bench) signIn(t *testing.T) (*upstream.Identity, error) {
	t.Helper()
	l := b.newLogin()
	return b.finish(context.Background(), l, b.visit(t, l))
}

// wire is the network between the two: it counts requests by path, and has
// faults by path.
type wire struct {
	mu     sync.Mutex
	counts map[string]int
	faults map[string]fault
	seen   map[string]*http.Request // the last one by path, with its form parsed
	notify chan string              // gets the path of each answered request, if there is room
}

// fault answers in place of the provider, whose handler is next.
type fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

func newWire() *wire {
	return &wire{counts: map[string]int{}, faults: map[string]fault{}, seen: map[string]*http.Request{}, notify: make(chan string, 100)}
}

func (n *wire) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		n.mu.Lock()
		n.counts[r.URL.Path]++
		n.seen[r.URL.Path] = r
		f := n.faults[r.URL.Path]
		n.mu.Unlock()
		if f != nil {
			f(w, r, next)
		} else {
			next.ServeHTTP(w, r)
		}
		select {
		case n.notify <- r.URL.Path:
		default:
		}
	})
}

func (n *wire) spoil(path string, f fault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults[path] = f
}

func (n *wire) count(path string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts[path]
}

func (n *wire) last(path string) *http.Request {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen[path]
}

// The paths of the provider.
const (
	discoveryPath = "/.well-known/openid-configuration"
	tokenPath     = "/oauth/token"
	userinfoPath  = "/userinfo"
	keysPath      = "/keys"
)

// status answers with a status and a body.
func status(code int, contentType, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// endless answers with more than anybody wants to read.
func endless(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	chunk := bytes.Repeat([]byte(" "), 1<<16)
	for range 1 << 10 {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// changed changes the provider's JSON answer.
func changed(change func(map[string]any)) fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		recorder := httptest.NewRecorder()
		next.ServeHTTP(recorder, r)
		decoder := json.NewDecoder(recorder.Body)
		decoder.UseNumber()
		answer := map[string]any{}
		if err := decoder.Decode(&answer); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		change(answer)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(recorder.Code)
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// wantError checks the kind of an error, and that it tells nothing that it
// must not.
func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	for _, kind := range []error{upstream.ErrUnavailable, upstream.ErrRejected, upstream.ErrUnverified, upstream.ErrStale} {
		if !errors.Is(want, kind) && errors.Is(err, kind) {
			t.Errorf("error %v is %v too", err, kind)
		}
	}
	for _, private := range []string{"subject-alice", "alice@example.org", "Alice", "eyJ", "mallory"} {
		if strings.Contains(err.Error(), private) {
			t.Errorf("the error %q tells %q", err, private)
		}
	}
}

// base64 without padding of a JSON value, as in a JWT.
func segment(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a segment of a token: %v", err))
	}
	return encode(data)
}

func seconds(t time.Time) json.Number { return json.Number(strconv.FormatInt(t.Unix(), 10)) }
