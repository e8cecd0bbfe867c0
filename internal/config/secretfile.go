package config

import (
	"errors"
	"io"
	"os"
	"strings"

	"keymaker/internal/secret"
)

// largestSecret is the size in bytes that no file of a secret exceeds.
const largestSecret = 64 << 10

// readSecret reads a secret from a file and trims the space around it. The
// error holds neither what is in the file nor the path: by mistake that can be
// the secret itself.
func readSecret(path string) (secret.Text, error) {
	if path == "" {
		return "", errEmpty
	}
	f, err := os.Open(path)
	if err != nil {
		return "", unreadable(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, largestSecret+1))
	if err != nil {
		return "", unreadable(err)
	}
	text := strings.TrimSpace(string(data))
	switch {
	case len(data) > largestSecret:
		return "", refuse("the file is larger than %d bytes: it holds no secret", largestSecret)
	case text == "":
		return "", refuse("the file is empty")
	}
	return secret.Text(text), nil
}

// unreadable says why a file cannot be read, without the path.
func unreadable(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		err = e.Err
	}
	return refuse("the file cannot be read: %v", err)
}
