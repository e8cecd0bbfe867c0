// Package build says what was built.
package build

import "runtime/debug"

// Info is what the toolchain has written into the program; "(unknown)" where it
// has not.
type Info struct {
	Version, Revision string
}

// Read reads it.
func Read() Info {
	read := Info{Version: "(unknown)", Revision: "(unknown)"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return read
	}
	if info.Main.Version != "" {
		read.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			read.Revision = s.Value
		}
	}
	return read
}
