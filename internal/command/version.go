package command

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"keymaker/internal/build"
	"keymaker/internal/licences"
)

// VersionCommand prints what was built.
type VersionCommand struct {
	Licences bool `help:"Print the licences of all that the program is made of." xor:"what"`
	SBOM     bool `name:"sbom" help:"Print a software bill of materials: CycloneDX, JSON." xor:"what"`
}

// Run implements the command.
func (c *VersionCommand) Run(streams *Streams) error {
	switch {
	case c.Licences:
		return printLicences(streams.Out)
	case c.SBOM:
		return build.SBOM(streams.Out)
	}
	b := build.Read()
	_, err := fmt.Fprintf(streams.Out, "keymaker %s, commit %s\nbuilt with %s for %s/%s\nunder the %s licence, with modules of others: keymaker version --licences\n",
		b.Version, b.Revision, runtime.Version(), runtime.GOOS, runtime.GOARCH, build.Licence)
	return err
}

// printLicences prints every text once, under the modules that have it.
func printLicences(w io.Writer) error {
	all, err := licences.ThirdParty()
	if err != nil {
		return err
	}
	for _, l := range all {
		of := l.SPDX
		if of == "" {
			of = "notice"
		}
		if _, err := fmt.Fprintf(w, "%s\n\n%s\n\n%s\n\n%s\n\n", strings.Repeat("=", 72), strings.Join(l.Modules, "\n"), of, l.Text); err != nil {
			return err
		}
	}
	return nil
}
