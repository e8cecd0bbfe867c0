package upstream_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"keymaker/upstream"
)

func TestDiscoveryRefuses(t *testing.T) {
	set := func(name string, value any) fault {
		return changed(func(document map[string]any) { document[name] = value })
	}
	for _, c := range []struct {
		name  string
		fault fault
	}{
		{"another issuer", set("issuer", "https://other.example")},
		{"an issuer with two slashes more", changed(func(d map[string]any) { d["issuer"] = fmt.Sprint(d["issuer"], "//") })},
		{"no issuer", set("issuer", "")},
		{"no authorization endpoint", set("authorization_endpoint", "")},
		{"no token endpoint", set("token_endpoint", "")},
		{"no keys", set("jwks_uri", "")},
		{"a script as authorization endpoint", set("authorization_endpoint", "javascript:alert(1)")},
		{"a file as key set", set("jwks_uri", "file:///etc/passwd")},
		{"a relative token endpoint", set("token_endpoint", "/token")},
		{"a token endpoint of the wrong type", set("token_endpoint", 7)},
		{"HTML", status(200, "text/html", "<html>")},
		{"a list", status(200, "application/json", "[]")},
		{"404", status(404, "application/json", "{}")},
		{"500", status(500, "application/json", "{}")},
		{"an endless answer", endless},
		{"a redirect to itself", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.wire.spoil(discoveryPath, c.fault)
			_, err := b.provider.Start(context.Background(), b.newLogin().request)
			wantError(t, err, upstream.ErrUnavailable)
		})
	}
}

func TestDiscoveryAcceptsASlashAndKeepsIt(t *testing.T) {
	b := newBench(t, nil)
	b.wire.spoil(discoveryPath, changed(func(d map[string]any) { d["issuer"] = b.idp.Issuer + "/" }))
	id, err := b.signIn(t)
	if err != nil {
		t.Fatal(err)
	}
	if id.Issuer != b.idp.Issuer+"/" {
		t.Errorf("issuer %q, want the advertised one", id.Issuer)
	}
}

func TestDiscoveryFailureIsRemembered(t *testing.T) {
	b := newBench(t, nil)
	ctx := context.Background()
	down := status(http.StatusServiceUnavailable, "text/plain", "")
	b.wire.spoil(discoveryPath, down)
	for range 3 {
		_, err := b.provider.Start(ctx, b.newLogin().request)
		wantError(t, err, upstream.ErrUnavailable)
	}
	if n := b.wire.count(discoveryPath); n != 1 {
		t.Errorf("%d requests at once to a provider that is down", n)
	}
	b.wire.spoil(discoveryPath, nil)
	b.clock.Advance(6 * time.Second)
	if _, err := b.provider.Start(ctx, b.newLogin().request); err != nil {
		t.Errorf("it is not tried again: %v", err)
	}
}

func TestDiscoveryIsShared(t *testing.T) {
	b := newBench(t, nil)
	arrived, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.wire.spoil(discoveryPath, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		once.Do(func() { close(arrived) })
		<-release
		next.ServeHTTP(w, r)
	})
	var wait sync.WaitGroup
	start := func(ctx context.Context) error {
		_, err := b.provider.Start(ctx, b.newLogin().request)
		return err
	}
	// The first caller gives up; the others get what it asked for.
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error)
	go func() { first <- start(ctx) }()
	<-arrived
	for range 10 {
		wait.Go(func() {
			if err := start(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	cancel()
	wantError(t, <-first, upstream.ErrUnavailable)
	close(release)
	wait.Wait()
	if n := b.wire.count(discoveryPath); n != 1 {
		t.Errorf("%d discoveries", n)
	}
}

func TestDiscoveryIsRenewed(t *testing.T) {
	b := newBench(t, nil)
	ctx := context.Background()
	endpoint := func() string {
		t.Helper()
		e, err := b.provider.Endpoints(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return e.Token
	}
	answered := func() {
		for path := range b.wire.notify {
			if path == discoveryPath {
				return
			}
		}
	}
	old := endpoint()
	answered()
	b.wire.spoil(discoveryPath, changed(func(d map[string]any) { d["token_endpoint"] = b.idp.Issuer + "/new" }))
	b.clock.Advance(59 * time.Minute)
	endpoint()
	if n := b.wire.count(discoveryPath); n != 1 {
		t.Fatalf("%d discoveries within the hour", n)
	}

	b.clock.Advance(2 * time.Minute)
	if got := endpoint(); got != old {
		t.Errorf("the first use after an hour waits for %s", got)
	}
	answered()
	for endpoint() == old { // the answer has left the provider, and is on its way
		runtime.Gosched()
	}
	if got := endpoint(); !strings.HasSuffix(got, "/new") {
		t.Errorf("token endpoint %s", got)
	}
}

func TestDiscoveryThatCannotBeRenewedStays(t *testing.T) {
	b := newBench(t, nil)
	if _, err := b.signIn(t); err != nil {
		t.Fatal(err)
	}
	b.wire.spoil(discoveryPath, status(http.StatusBadGateway, "text/plain", ""))
	b.clock.Advance(2 * time.Hour)
	for range 2 {
		if _, err := b.signIn(t); err != nil {
			t.Fatalf("with a provider whose discovery is down: %v", err)
		}
	}
}
