package load

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/pelletier/go-toml/v2"

	"keymaker/internal/clock"
	"keymaker/internal/demoidp"
	"keymaker/internal/secret"
	"keymaker/provider"
	"keymaker/store/fill"
)

const (
	host             = "127.0.0.1"
	serverName       = "load.example"
	homeserverSecret = "what-the-homeserver-presents"
	idpClientID      = "keymaker-load"
	redirectURI      = "https://app.load.example/callback"
	registration     = `{"client_name":%q,"client_uri":"https://load.example/","redirect_uris":["https://app.load.example/callback"],` +
		`"token_endpoint_auth_method":"none","response_types":["code"],"grant_types":["authorization_code","refresh_token"],"application_type":"web"}`
	// verifier is of every stored code.
	verifier = "a-verifier-of-the-load-program-that-is-long-enough"
	// codesPerSecond are more than any machine can exchange.
	codesPerSecond = 5000
)

// identityProvider is the demonstration's, in this process.
type identityProvider struct {
	issuer, secret string
	server         *http.Server
}

// configure writes the configuration: the defaults, and logs, limits and all
// else as an administrator has them.
func (r *run) configure() error {
	port, err := freePort()
	if err != nil {
		return err
	}
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(port))
	if r.idp, err = serveIDP(url); err != nil {
		return err
	}
	r.closers = append(r.closers, r.idp.server.Close)
	if r.Database == "" {
		r.Database = secret.Text("sqlite:" + filepath.Join(r.Dir, "keymaker.db"))
	}
	if r.Again {
		if err := r.recall(); err != nil {
			return err
		}
	}
	if r.each() < 1 {
		return fmt.Errorf("%d sessions are too few for %d clients, each of which keeps some going: three for each will do", r.Stored, r.Concurrency)
	}
	secretFile := filepath.Join(r.Dir, "keymaker.secret")
	key, err := secret.ReadOrCreateKey(secretFile)
	if err == nil {
		r.sealer, err = secret.NewSealer(key)
	}
	if err != nil {
		return fmt.Errorf("make the secret file: %w", err)
	}
	text, err := toml.Marshal(map[string]any{"global": map[string]any{
		"server_name": serverName, "port": port, "log_format": "json", "secret_file": secretFile,
		"well_known":        map[string]any{"client": url},
		"database":          map[string]any{"url": r.Database.Reveal()},
		"homeserver":        map[string]any{"kind": "embedded", "secret": homeserverSecret},
		"identity_provider": []any{map[string]any{"brand": "load", "client_id": idpClientID, "client_secret": r.idp.secret, "issuer_url": r.idp.issuer, "trusted": true}},
	}})
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	r.url = url
	return os.WriteFile(r.configFile(), text, 0o600)
}

func (r *run) configFile() string { return filepath.Join(r.Dir, "keymaker.toml") }

// freePort finds a port for a server that opens it itself.
func freePort() (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	_, text, _ := net.SplitHostPort(l.Addr().String())
	port, err := strconv.Atoi(text)
	return port, errors.Join(err, l.Close())
}

func serveIDP(server string) (*identityProvider, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("listen for the identity provider: %w", err)
	}
	p := &identityProvider{issuer: "http://" + l.Addr().String(), secret: secret.Token()}
	handler, err := demoidp.New(demoidp.Options{Issuer: p.issuer, ClientID: idpClientID, ClientSecret: p.secret,
		RedirectURIs: []string{server + "/_matrix/client/unstable/login/sso/callback/" + idpClientID}, Clock: clock.System{}, Users: users()})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	p.server = &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = p.server.Serve(l) }() // ends with Close
	return p, nil
}

// startServer starts the server on what is configured.
func (r *run) startServer(ctx context.Context) (*process, error) {
	log, err := os.OpenFile(filepath.Join(r.Dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return start(ctx, r.url, "/readyz", log, "serve", "--config", r.configFile())
}

// register makes the client that all stored sessions are of.
func (r *run) register(ctx context.Context, p *process) error {
	client := newClient()
	body, err := client.send(ctx, post(p.url+"/_tuwunel/oidc/registration", jsonType, fmt.Sprintf(registration, "Load")), http.StatusCreated)
	if err != nil {
		return fmt.Errorf("register a client: %w", err)
	}
	var answer struct {
		ClientID string `json:"client_id"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("register a client: %w", err)
	}
	r.clientID = answer.ClientID
	return nil
}

// fill stores what was asked for, or what an earlier run has not left of it: the
// codes, each of which is used once.
func (r *run) fill(ctx context.Context) error {
	if err := r.readTokenSecret(ctx); err != nil {
		return err
	}
	d, err := fill.Open(ctx, r.Database)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	now := time.Now()
	if !r.Again {
		r.say("storing %d sessions", r.Stored)
		if err := r.fillSessions(ctx, d, now); err != nil {
			return err
		}
	}
	sum := sha256.Sum256([]byte(verifier))
	err = d.AddCodes(ctx, fill.Codes{Count: r.storedCodes(), ClientID: r.clientID, RedirectURI: redirectURI, Now: now,
		Challenge: base64.RawURLEncoding.EncodeToString(sum[:]), Code: r.code, Users: r.Stored})
	if err != nil {
		return err
	}
	r.say("stored in %s", time.Since(now).Round(time.Second/10))
	return r.keep()
}

func (r *run) fillSessions(ctx context.Context, d *fill.Database, now time.Time) error {
	if err := d.Unused(ctx); err != nil {
		return err
	}
	r.storedAt = now
	r.deal(nil)
	var failed error
	refresh := func(i int, id string) string {
		token, err := r.refreshToken(i, id)
		failed = cmp.Or(failed, err)
		return token
	}
	return errors.Join(d.AddSessions(ctx, fill.Sessions{Count: r.Stored, ClientID: r.clientID, Now: now, Asked: r.Asked, Token: r.token, Refresh: refresh}), failed)
}

// storedCodes are for exchanges and for the mix.
func (r *run) storedCodes() int { return int(2 * codesPerSecond * r.For.Seconds()) }

// token is the access token of a stored session. None is kept: it follows from
// its number.
func (r *run) token(i int) string {
	return provider.AccessToken(secret.MAC(r.seed, []byte("token"), []byte(strconv.Itoa(i))))
}

// code is a stored code.
func (r *run) code(i int) string {
	return "kmc_" + base64.RawURLEncoding.EncodeToString(secret.MAC(r.codeSeed, []byte("code"), []byte(strconv.Itoa(i))))
}
