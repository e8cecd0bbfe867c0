// Keymaker is an OAuth 2.0 and OpenID Connect authorization server for Matrix.
package main

import (
	"os"

	"github.com/mattn/go-isatty"

	"keymaker/internal/command"
)

func main() {
	os.Exit(command.Main(os.Args[1:], &command.Streams{In: os.Stdin, Terminal: isatty.IsTerminal(os.Stdin.Fd()), Out: os.Stdout, Err: os.Stderr, Env: os.Environ()}))
}
