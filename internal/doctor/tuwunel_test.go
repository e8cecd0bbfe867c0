package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"keymaker/internal/doctor"
	"keymaker/internal/faketuwunel"
	"keymaker/internal/secret"
)

// besideTuwunel is a world in which clients know the homeserver by another
// address, and Keymaker's answers nothing of it.
func besideTuwunel(t *testing.T, masSecret string) *world {
	t.Helper()
	w := newWorld(t)
	w.config.Homeserver.Endpoint, w.config.Homeserver.Secret = faketuwunel.Start(t, "example.com", masSecret).URL(), secret.Text(shared)
	delete(w.public, "GET /_matrix/client/versions")
	delete(w.public, "GET /.well-known/matrix/client")
	return w
}

func TestWithTuwunelOnlyWhatIsBetweenThemIsLookedAt(t *testing.T) {
	var skipped []string
	for _, r := range besideTuwunel(t, shared).examine(t) {
		switch r.State {
		case doctor.OK:
		case doctor.Skipped:
			skipped = append(skipped, r.Check)
		default:
			t.Errorf("%+v", r)
		}
		if r.Check == "secret.to_homeserver" && !strings.Contains(r.Saw, "Tuwunel takes it") {
			t.Errorf("%+v", r)
		}
	}
	if want := []string{"client.wellknown", "route.rest", "secret.from_homeserver", "homeserver.issuer"}; !slices.Equal(skipped, want) {
		t.Errorf("skipped are %q, want %q", skipped, want)
	}
}

func TestWithTuwunelAWrongSecretIsNamed(t *testing.T) {
	for _, other := range []string{"another", ""} {
		besideTuwunel(t, other).fails(t, "secret.to_homeserver", "Tuwunel's mas_secret")
	}
}
