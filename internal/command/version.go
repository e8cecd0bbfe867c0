package command

import (
	"fmt"
	"runtime/debug"
)

// VersionCommand prints what was built.
type VersionCommand struct{}

// Run implements the command.
func (*VersionCommand) Run(streams *Streams) error {
	version, revision := "(unknown)", "(unknown)"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	_, err := fmt.Fprintf(streams.Out, "keymaker %s, commit %s\n", version, revision)
	return err
}
