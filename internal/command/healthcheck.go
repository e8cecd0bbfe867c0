package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"keymaker/internal/admin"
	"keymaker/internal/config"
)

// HealthcheckCommand asks the server that runs on this machine whether it can
// work.
type HealthcheckCommand struct {
	Config string `help:"The configuration file. Without it: $KEYMAKER_CONFIG, ./keymaker.toml, /etc/keymaker/keymaker.toml." placeholder:"FILE" type:"path"`
	Socket string `help:"Ask through this private socket. No configuration is read." placeholder:"SOCKET" type:"path"`
	URL    string `help:"Ask the server at this address, such as http://127.0.0.1:8080. No configuration is read." placeholder:"URL"`
	Live   bool   `help:"Ask only whether the process answers, and not whether its database does."`
}

// healthTimeout is how long the server may take to answer.
const healthTimeout = 5 * time.Second

// Run implements the command.
func (c *HealthcheckCommand) Run(ctx context.Context, streams *Streams) error {
	client, base, err := c.server(streams)
	if err != nil {
		return err
	}
	path := "/readyz"
	if c.Live {
		path = "/livez"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return &ExitError{Code: exitUsage, Err: fmt.Errorf("ask the server: %w", err)}
	}
	response, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("no server answers: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if response.StatusCode == http.StatusOK {
		_, err := fmt.Fprintln(streams.Out, "ok")
		return err
	}
	return fmt.Errorf("the server is not ready: %s", reasons(response))
}

// server is how the server can be asked: through its socket, if there is one,
// or else at the address that it listens on.
func (c *HealthcheckCommand) server(streams *Streams) (client *http.Client, base string, err error) {
	switch {
	case c.Socket != "":
		return admin.HTTPClient(c.Socket), admin.Base, nil
	case c.URL != "":
		return http.DefaultClient, strings.TrimSuffix(c.URL, "/"), nil
	}
	cfg, err := loadConfig(c.Config, streams)
	if err != nil {
		return nil, "", err
	}
	if path := cfg.Private.Socket(); path != "" {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return admin.HTTPClient(path), admin.Base, nil
		}
	}
	return http.DefaultClient, "http://" + reachable(cfg), nil
}

// reachable is an address at which the server can be reached from its own
// machine.
func reachable(cfg *config.Config) string {
	host := cfg.Address[0]
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		host = "127.0.0.1"
		if a.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(cfg.Port))
}

// maxHealth is in bytes; all checks fit in.
const maxHealth = 64 << 10

// reasons are why a server is not ready, as it says.
func reasons(response *http.Response) string {
	var said struct {
		Checks map[string]string `json:"checks"`
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	if err != nil || json.Unmarshal(body, &said) != nil {
		return "it answers with status " + strconv.Itoa(response.StatusCode)
	}
	var failed []string
	for _, name := range slices.Sorted(maps.Keys(said.Checks)) {
		if said.Checks[name] != "ok" {
			failed = append(failed, admin.Printable(name+": "+said.Checks[name]))
		}
	}
	if failed == nil {
		return "it answers with status " + strconv.Itoa(response.StatusCode)
	}
	return strings.Join(failed, "; ")
}
