package build

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"keymaker/internal/licences"
)

// Licence is that of the program itself.
const Licence = "Apache-2.0"

// SBOM writes what the program is made of, as the toolchain has written it into
// the program: CycloneDX 1.6, JSON.
func SBOM(w io.Writer) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("the program was built without saying of what")
	}
	third, err := licences.ThirdParty()
	if err != nil {
		return err
	}
	root := component(cdx.ComponentTypeApplication, info.Main.Path, Read().Version, Licence)
	depends := cdx.Dependency{Ref: root.BOMRef}
	components := []cdx.Component{component(cdx.ComponentTypeFramework, "std", info.GoVersion, "BSD-3-Clause")}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		components = append(components, component(cdx.ComponentTypeLibrary, m.Path, m.Version, licences.Of(third, m.Path+"@"+m.Version)))
	}
	refs := make([]string, 0, len(components))
	for _, c := range components {
		refs = append(refs, c.BOMRef)
	}
	depends.Dependencies = &refs
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &root}
	bom.Components, bom.Dependencies = &components, &[]cdx.Dependency{depends}
	if err := cdx.NewBOMEncoder(w, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return fmt.Errorf("write the bill of materials: %w", err)
	}
	return nil
}

// component is a module of that licence, an SPDX expression or "".
func component(kind cdx.ComponentType, path, version, licence string) cdx.Component {
	purl := "pkg:golang/" + path + "@" + version
	c := cdx.Component{Type: kind, BOMRef: purl, Name: path, Version: version, PackageURL: purl}
	if licence != "" {
		c.Licenses = &cdx.Licenses{{Expression: licence}}
	}
	return c
}
