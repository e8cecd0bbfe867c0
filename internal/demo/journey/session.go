package journey

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"keymaker/internal/demo/matrixclient"
	"keymaker/internal/secret"
)

func (j *journey) whoami(ctx context.Context) (string, error) {
	if err := j.works(ctx, j.tokens.Access); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s on device %s", j.userID, j.deviceID), nil
}

// refresh exchanges R1 for R2. The access token before it keeps working until
// its own end (conformance D-26).
func (j *journey) refresh(ctx context.Context) (string, error) {
	before, err := j.rotate(ctx)
	if err != nil {
		return "", err
	}
	j.first = before
	if err := j.works(ctx, before.Access); err != nil {
		return "", fmt.Errorf("the access token before the refresh: %w", err)
	}
	return "R1 to R2: " + describeTokens(j.tokens) + "; the access token before still works", nil
}

func (j *journey) userinfo(ctx context.Context) (string, error) {
	subject, err := j.client.UserInfo(ctx, j.tokens.Access)
	if err != nil {
		return "", err
	}
	if subject != j.userID {
		return "", fmt.Errorf("expected the subject %s, got %q", j.userID, subject)
	}
	return subject, nil
}

func (j *journey) introspection(ctx context.Context) (string, error) {
	said, err := j.client.Introspect(ctx, j.tokens.Access, j.HomeserverSecret)
	switch {
	case err != nil:
		return "", err
	case !said.Active:
		return "", errors.New("expected active true, got false")
	case said.Username != j.Username:
		return "", fmt.Errorf("expected the username %s, got %q", j.Username, said.Username)
	case said.DeviceID != j.deviceID:
		return "", fmt.Errorf("expected the device_id %s, got %q", j.deviceID, said.DeviceID)
	}
	return fmt.Sprintf("active, username %s, device_id %s", said.Username, said.DeviceID), nil
}

// secondRefresh exchanges R2 for R3, which is the end of R1.
func (j *journey) secondRefresh(ctx context.Context) (string, error) {
	if _, err := j.rotate(ctx); err != nil {
		return "", err
	}
	if err := j.works(ctx, j.tokens.Access); err != nil {
		return "", fmt.Errorf("the new access token: %w", err)
	}
	return "R2 to R3: " + describeTokens(j.tokens), nil
}

// replay presents R1, which somebody must have copied: it is refused, and the
// session ends (conformance D-23, D-25).
func (j *journey) replay(ctx context.Context) (string, error) {
	if err := j.refuses(ctx, j.first.Refresh); err != nil {
		return "", fmt.Errorf("R1 again: %w", err)
	}
	if err := j.rejects(ctx, j.tokens.Access); err != nil {
		return "", fmt.Errorf("the newest access token after R1 came again: %w", err)
	}
	return "R1 again: 400 invalid_grant; the newest access token is refused from now on", nil
}

// loginAgain is the way out of a session that was ended.
func (j *journey) loginAgain(ctx context.Context) (string, error) {
	if err := j.login(ctx); err != nil {
		return "", err
	}
	return "a new session on device " + j.deviceID, nil
}

// secondLogin signs in on the device of a session that lives: its tokens end,
// the device stays (conformance C-63).
func (j *journey) secondLogin(ctx context.Context) (string, error) {
	before := j.tokens
	if err := j.login(ctx); err != nil {
		return "", err
	}
	if err := j.rejects(ctx, before.Access); err != nil {
		return "", fmt.Errorf("the access token before the second login: %w", err)
	}
	if err := j.refuses(ctx, before.Refresh); err != nil {
		return "", fmt.Errorf("the refresh token before the second login: %w", err)
	}
	// Refusing the old tokens must not have cost the new ones.
	if err := j.works(ctx, j.tokens.Access); err != nil {
		return "", fmt.Errorf("the access token of the second login: %w", err)
	}
	devices, err := j.client.Devices(ctx, j.tokens.Access)
	if err != nil {
		return "", fmt.Errorf("list the devices: %w", err)
	}
	count := 0
	for _, d := range devices {
		if d.ID == j.deviceID {
			count++
		}
	}
	if count != 1 {
		return "", fmt.Errorf("expected device %s once in the list of devices, got it %d times", j.deviceID, count)
	}
	return "on the same device: the tokens before it are refused, the device is there once", nil
}

func (j *journey) revocation(ctx context.Context) (string, error) {
	if err := j.client.Revoke(ctx, j.tokens.Access); err != nil {
		return "", err
	}
	return "200 {}", nil
}

// whoamiAfter sees that the revocation took both tokens (conformance E-03,
// E-04).
func (j *journey) whoamiAfter(ctx context.Context) (string, error) {
	if err := j.rejects(ctx, j.tokens.Access); err != nil {
		return "", err
	}
	if err := j.refuses(ctx, j.tokens.Refresh); err != nil {
		return "", fmt.Errorf("the refresh token: %w", err)
	}
	return "401 M_UNKNOWN_TOKEN, and the refresh token is gone too", nil
}

// rotate refreshes, and returns the tokens before.
func (j *journey) rotate(ctx context.Context) (before matrixclient.Tokens, err error) {
	before = j.tokens
	next, err := j.client.Refresh(ctx, before.Refresh)
	switch {
	case err != nil:
		return before, err
	case next.Refresh == before.Refresh:
		return before, errors.New("expected a new refresh token, got the old one")
	case next.Access == before.Access:
		return before, errors.New("expected a new access token, got the old one")
	}
	j.tokens = next
	return before, nil
}

// works expects an access token to be the user's, on the device.
func (j *journey) works(ctx context.Context, access secret.Text) error {
	owner, err := j.client.WhoAmI(ctx, access)
	if err != nil {
		return err
	}
	if owner != (matrixclient.Owner{UserID: j.userID, DeviceID: j.deviceID}) {
		return fmt.Errorf("expected %s on device %s, got %s on device %s", j.userID, j.deviceID, owner.UserID, owner.DeviceID)
	}
	return nil
}

// rejects expects an access token to be refused for good.
func (j *journey) rejects(ctx context.Context, access secret.Text) error {
	_, err := j.client.WhoAmI(ctx, access)
	return expectRefusal(err, matrixclient.Error{Status: http.StatusUnauthorized, Code: "M_UNKNOWN_TOKEN"})
}

// refuses expects a refresh token to be refused.
func (j *journey) refuses(ctx context.Context, refresh secret.Text) error {
	_, err := j.client.Refresh(ctx, refresh)
	return expectRefusal(err, matrixclient.Error{Status: http.StatusBadRequest, Code: "invalid_grant"})
}

func expectRefusal(err error, want matrixclient.Error) error {
	var got *matrixclient.Error
	switch {
	case err == nil:
		return fmt.Errorf("expected %d %s, but it was accepted", want.Status, want.Code)
	case !errors.As(err, &got):
		return err
	case *got != want:
		return fmt.Errorf("expected %d %s, but %w", want.Status, want.Code, got)
	}
	return nil
}

// describeTokens shows the kinds of the tokens and not the tokens.
func describeTokens(t matrixclient.Tokens) string {
	return fmt.Sprintf("access token (%s, %.0f s) and refresh token (%s)", kind(t.Access), t.Lifetime.Seconds(), kind(t.Refresh))
}

// kind is the prefix by which a kind of token is known: "kma_…".
func kind(token secret.Text) string {
	prefix, _, found := strings.Cut(token.Reveal(), "_")
	if !found || len(prefix) > 3 {
		return "…"
	}
	return prefix + "_…"
}
