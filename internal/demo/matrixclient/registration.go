package matrixclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
)

// Registration is the metadata that a client registers (RFC 7591 §2, MSC2966).
type Registration struct {
	ClientName              string   `json:"client_name"`
	ClientURI               string   `json:"client_uri"`
	RedirectURIs            []string `json:"redirect_uris"`
	ApplicationType         string   `json:"application_type"`
	TokenEndpointAuthMethod string   `json:"token_endpoint_auth_method"`
	ResponseTypes           []string `json:"response_types"`
	GrantTypes              []string `json:"grant_types"`
}

// Native is the registration of an application on the person's own machine: a
// public client that the browser is sent back to at http://127.0.0.1, on
// whatever port it listens then (RFC 8252 §7.3, conformance B-33).
func Native(name, uri, path string) Registration {
	return Registration{
		ClientName: name, ClientURI: uri, RedirectURIs: []string{"http://127.0.0.1" + path},
		ApplicationType: "native", TokenEndpointAuthMethod: "none",
		ResponseTypes: []string{"code"}, GrantTypes: []string{"authorization_code", "refresh_token"},
	}
}

// String is the document that is sent.
func (r Registration) String() string {
	document, err := json.Marshal(r)
	if err != nil {
		return err.Error()
	}
	return string(document)
}

// Register registers the client and keeps the client_id. The server must answer
// 201 with everything it registered (conformance B-01).
func (c *Client) Register(ctx context.Context, r Registration) error {
	a, err := send(ctx, c.http, request{method: http.MethodPost, url: c.Metadata.RegistrationEndpoint, json: r})
	if err != nil {
		return err
	}
	var registered struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		Registration
	}
	if err := a.object(http.StatusCreated, &registered); err != nil {
		return err
	}
	switch {
	case registered.ClientID == "":
		return errors.New("expected a client_id in the answer, and there is none")
	case registered.ClientSecret != "":
		return errors.New("expected no client_secret for a public client, and there is one")
	case !reflect.DeepEqual(registered.Registration, r):
		return fmt.Errorf("expected %s to be registered, got %s", r, registered.Registration)
	}
	c.ID = registered.ClientID
	return nil
}
