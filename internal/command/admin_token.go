package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"keymaker/internal/admin"
)

// AdminTokenInfoCommand says what a token is good for.
type AdminTokenInfoCommand struct {
	File string `help:"The file that holds the token. Without it: standard input." placeholder:"FILE" type:"path"`
	// Rest is what somebody wrote behind the command, to be told of it without
	// the token being repeated.
	Rest []string `arg:"" optional:"" hidden:""`
}

// maxToken is more than any token has, in bytes.
const maxToken = 8 << 10

// Run implements the command.
func (c *AdminTokenInfoCommand) Run(ctx context.Context, streams *Streams, parent *AdminCommand) error {
	if len(c.Rest) > 0 {
		return &ExitError{Code: exitUsage, Err: errors.New("a token is read from standard input or --file, never from the command line, where others see it: revoke one that was written there")}
	}
	token, err := c.token(streams)
	if err != nil {
		return err
	}
	return parent.run(ctx, streams, func(a *administration) error {
		info, err := admin.ShowToken.On(ctx, a.on, admin.TokenQuestion{Token: token})
		if err != nil {
			return err
		}
		var t text
		t.fields([][2]string{
			{"Kind", strings.ReplaceAll(info.Kind, "_", " ")}, {"Live", yesNo(info.Live)}, {"Why", info.Why}, {"User", info.UserID}, {"Device", info.DeviceID},
			{"Client", info.ClientID}, {"Session", info.SessionID}, {"Scope", info.Scope}, {"Issued", maybeWhen(info.IssuedAt)}, {"Expires", maybeWhen(info.ExpiresAt)},
		})
		return a.answer(info, t.String())
	})
}

func maybeWhen(t *time.Time) string {
	if t == nil {
		return ""
	}
	return when(*t)
}

// token reads the token.
func (c *AdminTokenInfoCommand) token(streams *Streams) (string, error) {
	in := streams.In
	if c.File != "" {
		file, err := os.Open(c.File)
		if err != nil {
			return "", err
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	}
	if in == nil {
		return "", errors.New("there is no token on standard input")
	}
	if c.File == "" && streams.Terminal {
		return promptToken(streams)
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return checkToken(string(raw))
}

func promptToken(streams *Streams) (string, error) {
	line, err := ask(streams, "Token: ")
	if err != nil {
		return "", err
	}
	return checkToken(line)
}

func checkToken(raw string) (string, error) {
	token := strings.TrimSpace(raw)
	switch {
	case token == "":
		return "", errors.New("there is no token to look at: give it on standard input, or name a file with --file")
	case len(raw) > maxToken:
		return "", fmt.Errorf("that is no token: it has more than %d bytes", maxToken)
	}
	return token, nil
}
