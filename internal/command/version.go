package command

import (
	"fmt"

	"keymaker/internal/build"
)

// VersionCommand prints what was built.
type VersionCommand struct{}

// Run implements the command.
func (*VersionCommand) Run(streams *Streams) error {
	b := build.Read()
	_, err := fmt.Fprintf(streams.Out, "keymaker %s, commit %s\n", b.Version, b.Revision)
	return err
}
