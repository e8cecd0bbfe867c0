package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"keymaker/internal/provisioning"
	"keymaker/internal/secret"
)

// skew is by how much two clocks may differ: ID tokens and assertions allow for
// little more.
const skew = 30 * time.Second

// signIn asks, without signing anybody in, what only this server answers: where
// Synapse delegates, it does not know these paths.
func (d *Doctor) signIn(ctx context.Context) []Result {
	var results []Result
	for _, name := range []string{"login", "logout", "refresh"} {
		path := "/_matrix/client/v3/" + name
		s := step{"route." + name, "asked " + d.at(path)}
		method, body := http.MethodPost, "{}"
		if name == "login" {
			method, body = http.MethodGet, ""
		}
		a, err := d.ask(ctx, method, d.at(path), body)
		switch {
		case err != nil:
			results = append(results, d.unreached(s, err))
		case a.status == http.StatusNotFound || a.status >= 500 || a.field("errcode") == "M_UNRECOGNIZED" || name == "login" && a.status != http.StatusOK:
			results = append(results, s.failed(a.says(), "Send this path to Keymaker, before the rest goes to Synapse: `keymaker snippet` prints how."))
		default:
			results = append(results, s.ok(a.says()))
		}
	}
	return results
}

// ofTuwunel is why checks are skipped that are about clients of Synapse.
const ofTuwunel = "the homeserver is a Tuwunel: clients know it by an address of its own, and it issues their tokens itself"

// isTuwunel tells whether the homeserver says that it is one.
func (d *Doctor) isTuwunel(ctx context.Context) bool {
	if !d.Config.Homeserver.Remote() {
		return false
	}
	a, err := d.get(ctx, d.inside("/_tuwunel/server_version"))
	return err == nil && a.status == http.StatusOK && strings.EqualFold(a.field("name"), "tuwunel")
}

// rest asks what only the homeserver answers.
func (d *Doctor) rest(ctx context.Context) []Result {
	const path = "/_matrix/client/versions"
	s := step{"route.rest", "asked " + d.at(path)}
	if d.tuwunel {
		return []Result{s.skipped(ofTuwunel)}
	}
	a, err := d.get(ctx, d.at(path))
	if err != nil {
		return []Result{d.unreached(s, err)}
	}
	var said struct {
		Versions []string `json:"versions"`
	}
	if json.Unmarshal(a.body, &said) != nil || a.status != http.StatusOK || len(said.Versions) == 0 {
		return []Result{s.failed(a.says(), "Send what Keymaker does not answer to the homeserver: `keymaker snippet` prints how.")}
	}
	return []Result{s.ok(fmt.Sprintf("the homeserver speaks %d versions of the specification", len(said.Versions)))}
}

const embedded = "the homeserver is the embedded one"

// provisioning presents our secret to Synapse.
func (d *Doctor) provisioning(ctx context.Context) []Result {
	s := step{"secret.to_homeserver", "presented the secret to " + d.Config.Homeserver.Endpoint}
	if !d.Config.Homeserver.Remote() {
		return []Result{s.skipped(embedded)}
	}
	name, side, enable := "Synapse", "Synapse's matrix_authentication_service.secret (or secret_path)", "Enable matrix_authentication_service in homeserver.yaml and restart Synapse"
	if d.tuwunel {
		name, side, enable = "Tuwunel", "Tuwunel's mas_secret", "Update Tuwunel to 1.8 or newer"
	}
	api, err := provisioning.New(provisioning.Options{Endpoint: d.Config.Homeserver.Endpoint, Secret: d.Config.Homeserver.Secret, Clock: d.Clock, Logger: d.log})
	if err == nil {
		err = api.Check(ctx)
	}
	switch {
	case err == nil:
		return []Result{s.ok(name + " takes it")}
	case errors.Is(err, provisioning.ErrSecret):
		return []Result{s.failed(err.Error(), "Give global.homeserver.secret and "+side+" the same value, and restart both.")}
	case errors.Is(err, provisioning.ErrDisabled):
		return []Result{s.failed(err.Error(), enable+", or correct global.homeserver.endpoint.")}
	}
	return []Result{s.failed(err.Error(), "Start "+name+", or correct global.homeserver.endpoint.")}
}

// introspection lets Synapse ask this server about a token that nobody has.
func (d *Doctor) introspection(ctx context.Context) []Result {
	s := step{"secret.from_homeserver", "let Synapse ask about a token that nobody has"}
	switch {
	case !d.Config.Homeserver.Remote():
		return []Result{s.skipped(embedded)}
	case d.tuwunel:
		return []Result{s.skipped(ofTuwunel)}
	}
	a, err := d.ask(ctx, http.MethodGet, d.inside("/_matrix/client/v3/account/whoami"), "", [2]string{"Authorization", "Bearer doctor_" + secret.Token()})
	switch {
	case err != nil:
		return []Result{s.failed(err.Error(), "Start Synapse, or correct global.homeserver.endpoint.")}
	case a.status == http.StatusUnauthorized && a.field("errcode") == "M_UNKNOWN_TOKEN":
		return []Result{s.ok("it asked, and was told that the token is not valid")}
	case a.status == http.StatusServiceUnavailable:
		return []Result{s.failed(a.says(), "Correct endpoint and secret of matrix_authentication_service in homeserver.yaml: Synapse cannot ask this server. Its log says why, behind \"Failed to introspect token\".")}
	}
	return []Result{s.failed(a.says(), "Enable matrix_authentication_service in homeserver.yaml and restart Synapse, or correct global.homeserver.endpoint.")}
}

// homeserverMetadata looks at the issuer that Synapse tells clients, which it
// reads from its endpoint.
func (d *Doctor) homeserverMetadata(ctx context.Context) []Result {
	s := step{"homeserver.issuer", "asked Synapse for the authorization server"}
	switch {
	case !d.Config.Homeserver.Remote():
		return []Result{s.skipped(embedded)}
	case d.tuwunel:
		return []Result{s.skipped(ofTuwunel)}
	}
	a, err := d.get(ctx, d.inside("/_matrix/client/v1/auth_metadata"))
	const change = "Let endpoint of matrix_authentication_service in homeserver.yaml be where this server listens."
	switch issuer := a.field("issuer"); {
	case err != nil:
		return []Result{s.failed(err.Error(), "Start Synapse, or correct global.homeserver.endpoint.")}
	case a.status != http.StatusOK:
		return []Result{s.failed(a.says(), change)}
	case issuer != d.Config.Issuer():
		return []Result{s.failed(fmt.Sprintf("the issuer is %.200q, and not %q", issuer, d.Config.Issuer()), change)}
	default:
		return []Result{s.ok("the issuer is " + issuer)}
	}
}

// clocks compares the clock of this machine with those of the others.
func (d *Doctor) clocks(ctx context.Context) []Result {
	var addresses []string
	if d.Config.Homeserver.Remote() {
		addresses = append(addresses, d.inside("/_matrix/client/versions"))
	}
	for _, p := range d.Config.IdentityProviders {
		if p.IssuerURL != "" {
			addresses = append(addresses, p.IssuerURL)
		}
	}
	var results []Result
	for _, address := range addresses {
		s := step{"clock", "compared the time with that of " + address}
		a, err := d.get(ctx, address)
		if err != nil {
			results = append(results, s.skipped(err.Error()))
			continue
		}
		theirs, err := http.ParseTime(a.header.Get("Date"))
		if err != nil {
			results = append(results, s.skipped("it does not say what time it is"))
			continue
		}
		apart := d.Clock.Now().Sub(theirs).Abs().Round(time.Second)
		if apart > skew {
			results = append(results, s.failed(fmt.Sprintf("the clocks are %s apart", apart), "Set both clocks by a time service: tokens are refused as too old or too new."))
			continue
		}
		results = append(results, s.ok(fmt.Sprintf("the clocks are %s apart", apart)))
	}
	return results
}
