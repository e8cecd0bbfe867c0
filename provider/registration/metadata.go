package registration

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"keymaker/provider/redirect"
)

// Metadata is what is registered about a client: validated, pruned, with
// defaults filled in. As JSON it is the metadata of RFC 7591 §2, without nulls
// and empty arrays; the same JSON is stored and sent back to the client.
type Metadata struct {
	ClientName              string                   `json:"client_name,omitempty"` // at most 100 characters, none invisible
	ClientURI               string                   `json:"client_uri,omitempty"`
	LogoURI                 string                   `json:"logo_uri,omitempty"`
	TOSURI                  string                   `json:"tos_uri,omitempty"`
	PolicyURI               string                   `json:"policy_uri,omitempty"`
	RedirectURIs            []string                 `json:"redirect_uris,omitempty"` // as the client wrote them
	ApplicationType         redirect.ApplicationType `json:"application_type"`
	GrantTypes              []string                 `json:"grant_types"`
	ResponseTypes           []string                 `json:"response_types,omitempty"`
	TokenEndpointAuthMethod string                   `json:"token_endpoint_auth_method"`
	IDTokenSignedAlg        string                   `json:"id_token_signed_response_alg"`
	UserinfoSignedAlg       string                   `json:"userinfo_signed_response_alg,omitempty"` // "" = not signed
	// AuthSigningAlg is what assertions must be signed with; "" = what fits a key.
	AuthSigningAlg string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	JWKS           json.RawMessage `json:"jwks,omitempty"` // public keys alone, checked
	JWKSURI        string          `json:"jwks_uri,omitempty"`
	// Scope is what a configured client may ask for in its own name.
	Scope           string   `json:"scope,omitempty"`
	Contacts        []string `json:"contacts,omitempty"`
	SoftwareID      string   `json:"software_id,omitempty"`
	SoftwareVersion string   `json:"software_version,omitempty"`

	PostLogoutRedirectURIs     []string `json:"post_logout_redirect_uris,omitempty"` // as the client wrote them
	BackchannelLogoutURI       string   `json:"backchannel_logout_uri,omitempty"`
	BackchannelSessionRequired bool     `json:"backchannel_logout_session_required,omitempty"`

	// Localized holds members with a language tag under their whole name, as
	// "client_name#fr" (RFC 7591 §2.2, conformance B-17).
	Localized map[string]string `json:"-"`
}

// plain is Metadata without its methods, so that encoding/json uses the tags.
type plain Metadata

// MarshalJSON returns one object with the localised members among the others,
// its members in alphabetical order.
func (m Metadata) MarshalJSON() ([]byte, error) {
	members, err := m.members()
	if err != nil {
		return nil, err
	}
	return json.Marshal(members)
}

// UnmarshalJSON reads what MarshalJSON wrote. It does not validate: Parse is
// for what comes from a client.
func (m *Metadata) UnmarshalJSON(data []byte) error {
	var p plain
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	*m = Metadata(p)
	for name, raw := range members {
		if _, _, ok := splitLocalized(name); !ok {
			continue
		}
		var value string
		if err := json.Unmarshal(raw, &value); err != nil {
			return err
		}
		m.localize(name, value)
	}
	return nil
}

// members returns the JSON members by name.
func (m Metadata) members() (map[string]any, error) {
	data, err := json.Marshal(plain(m))
	if err != nil {
		return nil, err
	}
	members := map[string]any{}
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	for name, value := range m.Localized {
		members[name] = value
	}
	return members, nil
}

func (m *Metadata) localize(name, value string) {
	if m.Localized == nil {
		m.Localized = map[string]string{}
	}
	m.Localized[name] = value
}

// Canonical returns the metadata as JSON that is the same bytes for two clients
// that registered the same, in whatever order they listed it: the base of
// giving them one client_id (conformance B-41). Clients that authenticate must not
// be merged so; see Confidential.
func (m Metadata) Canonical() []byte {
	m.RedirectURIs = slices.Sorted(slices.Values(m.RedirectURIs))
	m.GrantTypes = slices.Sorted(slices.Values(m.GrantTypes))
	m.ResponseTypes = slices.Sorted(slices.Values(m.ResponseTypes))
	m.PostLogoutRedirectURIs = slices.Sorted(slices.Values(m.PostLogoutRedirectURIs))
	m.Contacts = slices.Sorted(slices.Values(m.Contacts))
	data, err := m.MarshalJSON()
	if err != nil {
		panic("registration: metadata is only strings, which always encode: " + err.Error())
	}
	return data
}

// Confidential says whether the client authenticates. Every registration of
// such a client gets a client_id of its own (conformance B-40).
func (m Metadata) Confidential() bool {
	return m.TokenEndpointAuthMethod != AuthNone
}

// HasSecret says whether the client authenticates with a client_secret.
func (m Metadata) HasSecret() bool {
	return m.TokenEndpointAuthMethod == AuthBasic || m.TokenEndpointAuthMethod == AuthPost
}

// ClientHost returns the host of client_uri in lower case, or "" when the
// client has none. It is what a person can check about a client.
func (m Metadata) ClientHost() string {
	u, err := url.Parse(m.ClientURI)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
