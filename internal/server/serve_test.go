package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/clock"
	"keymaker/internal/config"
	"keymaker/internal/harness"
	"keymaker/internal/server"
)

// startAlone builds a server with nothing around it.
func startAlone(t *testing.T, lines string) *server.Server {
	t.Helper()
	if !strings.Contains(lines, "[global.database]") {
		lines += fmt.Sprintf("\n[global.database]\nurl = %q\n", "sqlite:"+filepath.Join(t.TempDir(), "k.db"))
	}
	text := fmt.Sprintf("[global]\nserver_name = \"example.org\"\n%s\n[global.well_known]\nclient = \"http://127.0.0.1:8080\"\n"+
		"[[global.identity_provider]]\nbrand = \"Nobody\"\nclient_id = \"x\"\nissuer_url = \"http://127.0.0.1:1\"\n", lines)
	cfg, err := config.Parse("keymaker.toml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), server.Options{Config: cfg, Clock: clock.System{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// inFlight sends a registration of which the server has seen the head and waits
// for the body.
func inFlight(t *testing.T, address string) (body *io.PipeWriter, answered chan int) {
	t.Helper()
	reader, body := io.Pipe()
	reading := make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/_tuwunel/oidc/registration", reader)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue")
	answered = make(chan int, 1)
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	go func() {
		response, err := (&http.Client{Transport: transport}).Do(r)
		if err != nil {
			answered <- 0
			return
		}
		_ = response.Body.Close()
		answered <- response.StatusCode
	}()
	<-reading
	return body, answered
}

func serve(t *testing.T, s *server.Server) (address string, stop context.CancelFunc, ended chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	return l.Addr().String(), stop, ended
}

func TestServeFinishesWhatIsOnItsWay(t *testing.T) {
	address, stop, ended := serve(t, startAlone(t, ""))
	body, answered := inFlight(t, address)
	stop()
	for { // the listener closes first
		c, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		_ = c.Close()
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended before the request: %v", err)
	default:
	}
	if _, err := io.WriteString(body, harness.WebClient); err != nil {
		t.Fatal(err)
	}
	_ = body.Close()
	if status := <-answered; status != http.StatusCreated {
		t.Errorf("the request on its way was answered with %d", status)
	}
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestServeCutsOffWhatDoesNotEnd(t *testing.T) {
	address, stop, ended := serve(t, startAlone(t, "shutdown_timeout = 0"))
	body, answered := inFlight(t, address)
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "requests were cut off after 0s") {
		t.Errorf("it ended with %v", err)
	}
	_ = body.Close()
	if status := <-answered; status != 0 {
		t.Errorf("the request that was cut off was answered with %d", status)
	}
}

func TestListenSaysWhichAddressIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := startAlone(t, "port = "+port)
	open, err := s.Listen(t.Context())
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:"+port) {
		t.Errorf("listening gives %v, %v", open, err)
	}
}
