package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keymaker/internal/config"
	"keymaker/internal/setup"
	"keymaker/internal/synapseconfig"
)

// InitCommand writes a first configuration and its secrets, and says what
// remains to be done elsewhere.
type InitCommand struct {
	Homeserver    string   `help:"Where Synapse answers, such as http://localhost:8008. Without it: the embedded homeserver." placeholder:"URL"`
	Issuer        string   `help:"The public address of the server, such as https://matrix.example.com. It can never be changed." placeholder:"URL" required:""`
	Provider      string   `help:"Where people sign in: the brand and the issuer, such as Keycloak=https://sso.example.com/realms/main. GitHub, GitLab and Google need no issuer." placeholder:"BRAND=ISSUER" required:""`
	ClientID      string   `name:"client-id" help:"What the identity provider knows the server by. It can never be changed." placeholder:"ID" default:"keymaker"`
	ServerName    string   `help:"The Matrix server name: what follows the colon in @alice:example.com. Without it: what the configuration of Synapse says, or Synapse itself." placeholder:"NAME"`
	SynapseConfig []string `help:"The homeserver.yaml, or a folder of such files. Give it again for further files, in Synapse's order." placeholder:"FILE" type:"existingpath" sep:"none"`
	Dir           string   `help:"Where the files go." placeholder:"DIR" type:"path" default:"."`
}

// Run implements the command.
func (c *InitCommand) Run(ctx context.Context, streams *Streams) error {
	var synapse *synapseconfig.Config
	if len(c.SynapseConfig) > 0 {
		var err error
		if synapse, err = synapseconfig.Read(c.SynapseConfig...); err != nil {
			return &ExitError{Code: exitUsage, Err: err}
		}
	}
	answers, err := c.answers(ctx, synapse)
	if err != nil {
		return &ExitError{Code: exitUsage, Err: err}
	}
	plan, err := setup.New(answers)
	var problems config.Problems
	if errors.As(err, &problems) {
		return &ExitError{Code: exitUsage, Err: flagProblems(problems)}
	}
	if err == nil {
		err = plan.Write()
	}
	if err != nil {
		return fmt.Errorf("nothing was written: %w", err)
	}
	_, err = io.WriteString(streams.Out, initText(plan, synapse))
	return err
}

// answers are what the flags and the configuration of Synapse say.
func (c *InitCommand) answers(ctx context.Context, synapse *synapseconfig.Config) (setup.Answers, error) {
	brand, issuer, _ := strings.Cut(c.Provider, "=")
	a := setup.Answers{ServerName: c.ServerName, Issuer: c.Issuer, Homeserver: c.Homeserver, Brand: brand, Provider: issuer, ClientID: c.ClientID, Folder: c.Dir}
	said := ""
	if synapse != nil {
		said = synapse.ServerName()
	}
	switch {
	case c.ServerName != "" && said != "" && said != c.ServerName:
		return a, fmt.Errorf("--server-name %q is not the server_name %q of --synapse-config", c.ServerName, said)
	case c.ServerName != "":
	case said != "":
		a.ServerName = said
	case c.Homeserver == "":
		return a, errors.New("--server-name is missing: what follows the colon in @alice:example.com. It can never be changed")
	default:
		name, err := askServerName(ctx, c.Homeserver)
		if err != nil {
			return a, fmt.Errorf("--server-name is missing, and so is --synapse-config; Synapse could not be asked: %w", err)
		}
		a.ServerName = name
	}
	return a, nil
}

// askServerName asks a homeserver for its name.
func askServerName(ctx context.Context, endpoint string) (string, error) {
	const most = 64 << 10 // bytes of an answer
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(endpoint, "/")+"/_matrix/key/v2/server", nil)
	if err != nil {
		return "", errors.New("--homeserver is not a URL")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err // without the address, which the administrator has just written
		}
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	var keys struct {
		ServerName string `json:"server_name"`
	}
	err = json.NewDecoder(io.LimitReader(response.Body, most)).Decode(&keys)
	if response.StatusCode != http.StatusOK || err != nil || keys.ServerName == "" {
		return "", fmt.Errorf("it does not say its name there (status %d)", response.StatusCode)
	}
	return keys.ServerName, nil
}

// initFlags are the flags that keys of the configuration were made of.
var initFlags = map[string]string{
	"global.server_name":                    "--server-name",
	"global.well_known.client":              "--issuer",
	"global.homeserver.endpoint":            "--homeserver",
	"global.identity_provider.0.brand":      "--provider",
	"global.identity_provider.0.issuer_url": "--provider",
	"global.identity_provider.0.client_id":  "--client-id",
}

// flagProblems says by the names of flags what is wrong with a configuration
// that nobody has seen.
func flagProblems(problems config.Problems) error {
	lines := make([]string, len(problems))
	for i, p := range problems {
		where := initFlags[p.Key]
		if where == "" {
			where = p.Key
		}
		lines[i] = (config.Problem{File: where, Message: p.Message, Suggestion: p.Suggestion}).String()
	}
	return errors.New(strings.Join(lines, "\n"))
}
