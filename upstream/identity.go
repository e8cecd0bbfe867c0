package upstream

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"keymaker/internal/secret"
)

// Identity is who signed in at a provider. Provider, issuer and subject name
// the person for ever; everything else may be different the next time.
// Printing an identity shows the provider only.
type Identity struct {
	ProviderID string
	// Issuer is the string that the provider advertises, or for a provider
	// without discovery the configured one.
	Issuer  string
	Subject string
	// Claims are those of the ID token, and those that only userinfo has.
	Claims Claims
	// AuthTime is when the person signed in at the provider; zero if it did not
	// say.
	AuthTime time.Time
	// IDToken is the ID token as it came; "" if there was none.
	IDToken secret.Text
}

// Format hides the person from fmt.
func (i Identity) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "identity at "+i.ProviderID)
}

// LogValue hides the person from slog.
func (i Identity) LogValue() slog.Value {
	return slog.GroupValue(slog.String("provider", i.ProviderID))
}
