package provider

import (
	"encoding/json"
	"fmt"
	"slices"

	"keymaker/provider/assertion"
	"keymaker/provider/registration"
	"keymaker/provider/scope"
)

// metadata is the discovery document (RFC 8414, OpenID Connect Discovery §3;
// conformance A-03). What this server cannot do is absent.
type metadata struct {
	Issuer                           string   `json:"issuer"`
	AuthorizationEndpoint            string   `json:"authorization_endpoint"`
	TokenEndpoint                    string   `json:"token_endpoint"`
	RevocationEndpoint               string   `json:"revocation_endpoint"`
	DeviceAuthorizationEndpoint      string   `json:"device_authorization_endpoint,omitempty"`
	PushedAuthorizationEndpoint      string   `json:"pushed_authorization_request_endpoint"`
	RegistrationEndpoint             string   `json:"registration_endpoint"`
	IntrospectionEndpoint            string   `json:"introspection_endpoint"`
	UserinfoEndpoint                 string   `json:"userinfo_endpoint"`
	JWKSURI                          string   `json:"jwks_uri"`
	AccountManagementURI             string   `json:"account_management_uri"`
	AccountManagementActions         []string `json:"account_management_actions_supported"`
	EndSessionEndpoint               string   `json:"end_session_endpoint"`
	BackchannelLogout                bool     `json:"backchannel_logout_supported"`
	BackchannelLogoutSession         bool     `json:"backchannel_logout_session_supported"`
	ResponseTypesSupported           []string `json:"response_types_supported"`
	ResponseModesSupported           []string `json:"response_modes_supported"`
	GrantTypesSupported              []string `json:"grant_types_supported"`
	CodeChallengeMethodsSupported    []string `json:"code_challenge_methods_supported"`
	TokenEndpointAuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	TokenEndpointAuthAlgs            []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevocationEndpointAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationEndpointAuthAlgs       []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectionEndpointAuthMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionEndpointAuthAlgs    []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	ScopesSupported                  []string `json:"scopes_supported"`
	SubjectTypesSupported            []string `json:"subject_types_supported"`
	IDTokenSigningAlgs               []string `json:"id_token_signing_alg_values_supported"`
	UserinfoSigningAlgs              []string `json:"userinfo_signing_alg_values_supported"`
	ClaimsSupported                  []string `json:"claims_supported"`
	ClaimTypesSupported              []string `json:"claim_types_supported"`
	UILocalesSupported               []string `json:"ui_locales_supported"`
	LoginHintTypesSupported          []string `json:"login_hint_types_supported"` // MSC4198
	AuthorizationResponseIss         bool     `json:"authorization_response_iss_parameter_supported"`
	RequestParameterSupported        bool     `json:"request_parameter_supported"`
	RequestURIParameterSupported     bool     `json:"request_uri_parameter_supported"`
	ClaimsParameterSupported         bool     `json:"claims_parameter_supported"`
}

// documents are the discovery document before and after there is an RSA key.
type documents struct {
	withoutRS256, withRS256 []byte
}

func (p *Provider) buildDocuments(languages []string) (documents, error) {
	without, err := p.buildMetadata(languages, false)
	if err != nil {
		return documents{}, err
	}
	with, err := p.buildMetadata(languages, true)
	return documents{without, with}, err
}

func (p *Provider) buildMetadata(languages []string, rs256 bool) ([]byte, error) {
	deviceAuthorization := ""
	if p.config.OIDCDeviceGrant {
		deviceAuthorization = p.endpoint("/device_authorization")
	}
	scopes := scope.Supported()
	if p.config.HasAdministrators() {
		scopes = append(scopes, scope.Administration()...)
	}
	confidential := slices.DeleteFunc(registration.AuthMethods(), func(method string) bool { return method == registration.AuthNone })
	doc, err := json.Marshal(metadata{
		Issuer:                p.issuer,
		AuthorizationEndpoint: p.endpoint("/authorize"), TokenEndpoint: p.endpoint("/token"), RevocationEndpoint: p.endpoint("/revoke"),
		DeviceAuthorizationEndpoint: deviceAuthorization, PushedAuthorizationEndpoint: p.endpoint("/par"),
		RegistrationEndpoint: p.endpoint("/registration"), IntrospectionEndpoint: p.endpoint("/introspect"),
		UserinfoEndpoint: p.endpoint("/userinfo"), JWKSURI: p.endpoint("/jwks"), AccountManagementURI: p.AccountURL(), AccountManagementActions: AccountActions(),
		EndSessionEndpoint: p.endpoint("/end_session"), BackchannelLogout: true, BackchannelLogoutSession: true,
		ResponseTypesSupported: []string{"code"}, ResponseModesSupported: responseModes(),
		GrantTypesSupported: registration.GrantTypes(p.config.OIDCDeviceGrant), CodeChallengeMethodsSupported: []string{"S256"},
		TokenEndpointAuthMethods: registration.AuthMethods(), RevocationEndpointAuthMethods: registration.AuthMethods(),
		IntrospectionEndpointAuthMethods: confidential,
		TokenEndpointAuthAlgs:            assertion.Algs(), RevocationEndpointAuthAlgs: assertion.Algs(), IntrospectionEndpointAuthAlgs: assertion.Algs(),
		ScopesSupported: scopes, SubjectTypesSupported: []string{"public"},
		IDTokenSigningAlgs: registration.SigningAlgs(rs256), UserinfoSigningAlgs: registration.SigningAlgs(rs256),
		ClaimsSupported:     []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "sid", "nonce", "at_hash", "name", "preferred_username", "picture", "mxid", "username", "updated_at", "email", "email_verified"},
		ClaimTypesSupported: []string{"normal"}, UILocalesSupported: languages, LoginHintTypesSupported: []string{"mxid"},
		AuthorizationResponseIss: true,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the metadata: %w", err)
	}
	return doc, nil
}

// Metadata is the discovery document, the same bytes at every path that serves
// it (conformance A-06).
func (p *Provider) Metadata() []byte {
	if p.signsRS256() {
		return p.metadata.withRS256
	}
	return p.metadata.withoutRS256
}
