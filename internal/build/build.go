// Package build says what was built.
package build

import "runtime/debug"

// Info is what the toolchain, or who builds what is passed on, has written into
// the program; "(unknown)" where nobody has.
type Info struct {
	Version, Revision string
}

// version and revision are set by docs/deploy/build, and otherwise empty.
var version, revision string

// Read reads it.
func Read() Info {
	if version != "" {
		return Info{Version: version, Revision: revision}
	}
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
