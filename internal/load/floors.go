package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/gorilla/mux"

	"keymaker/store/fill"
)

// Names of the floors.
const (
	floorGet  = "empty handler, GET"
	floorPost = "empty handler, POST"
	floorSign = "ES256 signature"
	floorSQL  = "refresh by hand in SQL"
)

// floor is what the machine can do at best.
type floor struct {
	name    string
	measure func(r *run, ctx context.Context) (Measurement, error)
}

// floors are measured in the same run, by as many clients as all else.
var floors = []floor{
	{floorGet, func(r *run, ctx context.Context) (Measurement, error) { return r.emptyHandler(ctx, http.MethodGet) }},
	{floorPost, func(r *run, ctx context.Context) (Measurement, error) { return r.emptyHandler(ctx, http.MethodPost) }},
	{floorSign, (*run).signature},
	{floorSQL, (*run).byHand},
}

// ServeEmpty serves a route that does nothing on address, until ctx ends.
func ServeEmpty(ctx context.Context, address string) error {
	router := mux.NewRouter()
	router.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, "{}\n")
	}).Methods(http.MethodGet, http.MethodPost)
	s := &http.Server{Addr: address, Handler: router, ReadHeaderTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve nothing: %w", err)
	}
	return nil
}

func (r *run) startEmpty(ctx context.Context) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(r.Dir, "empty.log"))
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	address := net.JoinHostPort(host, fmt.Sprint(port))
	return start(ctx, "http://"+address, "/empty", log, "load", "--empty", address)
}

// emptyHandler sends what an introspection sends to the handler that does
// nothing.
func (r *run) emptyHandler(ctx context.Context, method string) (Measurement, error) {
	target := r.empty.url + "/empty"
	do := func(ctx context.Context, c *client, _, n int) error {
		q := get(target)
		if method == http.MethodPost {
			q = post(target, formType, "token="+r.token(n))
			q.bearer = homeserverSecret
		}
		_, err := c.send(ctx, q, http.StatusOK)
		return err
	}
	drive(ctx, r.Concurrency, r.For/10, do)
	before, err := r.empty.cpu()
	if err != nil {
		return Measurement{}, err
	}
	s := drive(ctx, r.Concurrency, r.For, do)
	after, err := r.empty.cpu()
	return measured(s, after-before), err
}

func (r *run) signature(ctx context.Context) (Measurement, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Measurement{}, fmt.Errorf("make a key: %w", err)
	}
	digest := sha256.Sum256([]byte(verifier))
	s := drive(ctx, r.Concurrency, r.For, func(context.Context, *client, int, int) error {
		_, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		return err
	})
	return measured(s, 0), nil
}

// byHand makes the changes of refreshes on stored sessions of the same database.
func (r *run) byHand(ctx context.Context) (Measurement, error) {
	d, err := fill.Open(ctx, r.Database)
	if err != nil {
		return Measurement{}, err
	}
	defer func() { _ = d.Close() }()
	refresher, err := d.Refresher(ctx)
	if err != nil {
		return Measurement{}, err
	}
	s := drive(ctx, r.Concurrency, r.For, func(ctx context.Context, _ *client, _, _ int) error {
		return refresher.Refresh(ctx, r.anyByHand())
	})
	return measured(s, 0), s.first
}
