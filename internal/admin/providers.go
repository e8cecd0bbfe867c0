package admin

import (
	"context"
	"maps"
	"slices"
	"strings"

	"keymaker/internal/config"
	"keymaker/store"
)

// Provider is an identity provider with what came through it.
type Provider struct {
	ID string `json:"provider_id"`
	// Configured is false for one that only the database still knows.
	Configured bool   `json:"configured"`
	Brand      string `json:"brand,omitempty"`
	Name       string `json:"name,omitempty"`
	Issuer     string `json:"issuer,omitempty"`
	Default    bool   `json:"default"`
	// Users are linked there, Sessions have not ended.
	Users    int `json:"users"`
	Sessions int `json:"sessions"`
	Devices  int `json:"devices"`
}

// Providers are identity providers.
type Providers struct {
	Providers []Provider `json:"providers"`
}

// ListProviders lists the identity providers: those of the configuration in its
// order, and after them those that only the database knows.
var ListProviders = operation("list-providers", (*Service).listProviders)

func (s *Service) listProviders(ctx context.Context, _ struct{}) (Providers, error) {
	uses, err := s.Store.ProviderUses(ctx)
	if err != nil {
		return Providers{}, err
	}
	list := Providers{Providers: []Provider{}}
	for _, c := range s.Config.IdentityProviders {
		list.Providers = append(list.Providers, shownProvider(c, uses[c.ClientID]))
		delete(uses, c.ClientID)
	}
	for _, id := range slices.Sorted(maps.Keys(uses)) {
		list.Providers = append(list.Providers, Provider{ID: id, Users: uses[id].Users, Sessions: uses[id].Sessions, Devices: uses[id].Devices})
	}
	return list, nil
}

func shownProvider(c config.IdentityProvider, use store.ProviderUse) Provider {
	return Provider{ID: c.ClientID, Configured: true, Brand: c.Brand, Name: c.Name, Issuer: c.IssuerURL, Default: c.Default,
		Users: use.Users, Sessions: use.Sessions, Devices: use.Devices}
}

// ProviderDetails are the settings of a configured identity provider. Its
// secret is not among them.
type ProviderDetails struct {
	Provider

	CallbackURL       string   `json:"callback_url"`
	Scope             []string `json:"scope"`
	UserIDClaims      []string `json:"userid_claims"`
	Trusted           bool     `json:"trusted"`
	UniqueIDFallbacks bool     `json:"unique_id_fallbacks"`
	Registration      bool     `json:"registration"`
	Discovery         bool     `json:"discovery"`
	// HasSecret: there is a client secret, in the configuration or in a file.
	HasSecret bool `json:"has_client_secret"`
	// Proves: a new sign-in there can prove who somebody is, before they change
	// what matters; WithoutAuthTime, although the provider does not say when it was.
	Proves          bool `json:"proves"`
	WithoutAuthTime bool `json:"prove_without_auth_time"`
}

// ShowProvider shows an identity provider, named by its id or its brand.
var ShowProvider = operation("show-provider", (*Service).showProvider)

func (s *Service) showProvider(ctx context.Context, name string) (ProviderDetails, error) {
	c, err := s.provider(name)
	if err != nil {
		return ProviderDetails{}, err
	}
	uses, err := s.Store.ProviderUses(ctx)
	if err != nil {
		return ProviderDetails{}, err
	}
	return ProviderDetails{
		Provider: shownProvider(c, uses[c.ClientID]), CallbackURL: s.Config.CallbackURL(c), Scope: c.Scope, UserIDClaims: c.UserIDClaims, Trusted: c.Trusted,
		UniqueIDFallbacks: c.UniqueIDFallbacks, Registration: c.Registration, Discovery: c.Discovery, HasSecret: c.ClientSecret != "" || c.ClientSecretFile != "",
		Proves: c.Proves(), WithoutAuthTime: c.ProveWithoutAuthTime,
	}, nil
}

// provider is a configured identity provider by its id, or by its brand where
// one has it.
func (s *Service) provider(name string) (config.IdentityProvider, error) {
	var branded []config.IdentityProvider
	for _, c := range s.Config.IdentityProviders {
		if c.ClientID == name {
			return c, nil
		}
		if strings.EqualFold(c.Brand, name) {
			branded = append(branded, c)
		}
	}
	switch len(branded) {
	case 1:
		return branded[0], nil
	case 0:
		return config.IdentityProvider{}, refused("there is no identity provider %s in the configuration", Printable(name))
	}
	return config.IdentityProvider{}, refused("several identity providers have the brand %s: name one by its client_id", Printable(name))
}

// providerID is the id of a provider that is configured or was, or "" where
// none is named.
func (s *Service) providerID(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	c, err := s.provider(name)
	if err == nil {
		return c.ClientID, nil
	}
	uses, storeErr := s.Store.ProviderUses(ctx)
	if storeErr != nil {
		return "", storeErr
	}
	if _, known := uses[name]; known {
		return name, nil
	}
	return "", err
}
