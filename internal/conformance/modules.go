package conformance

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// ModulesPath is where the list of modules lies, from the root of the
// repository.
const ModulesPath = "testdata/conformance/openid-modules.tsv"

const modulesHeader = "profile\tmodule\tcheck"

// How a module ends.
const (
	Passed    = "passed"
	Skipped   = "skipped"    // the module does not apply, as the profile lets it
	NotPassed = "not passed" // the module wants what this server refuses
)

// Module is a module of one of the OpenID Foundation's conformance profiles.
type Module struct {
	// Profile is the profile's name: "Basic OP".
	Profile string
	// Name is the module's: "oidcc-server".
	Name string
	// Check says what is looked at or, after "Skipped: " or "Not passed: ",
	// why it does not pass.
	Check string
}

// Result is how the module ends: Passed, Skipped or NotPassed.
func (m Module) Result() string {
	for _, r := range []string{Skipped, NotPassed} {
		if len(m.Check) > len(r)+1 && strings.EqualFold(m.Check[:len(r)], r) && m.Check[len(r)] == ':' {
			return r
		}
	}
	return Passed
}

// Modules reads the list below fsys, the root of the repository. The error names
// the first line that has not three fields, or that is there twice.
func Modules(fsys fs.FS) ([]Module, error) {
	data, err := fs.ReadFile(fsys, ModulesPath)
	if err != nil {
		return nil, fmt.Errorf("read the modules of the profiles: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if lines[0] != modulesHeader {
		return nil, fmt.Errorf("%s:1: the header is not %q", ModulesPath, modulesHeader)
	}
	var modules []Module
	for i, line := range lines[1:] {
		fields := strings.Split(line, "\t")
		if len(fields) != 3 || slices.Contains(fields, "") {
			return nil, fmt.Errorf("%s:%d: %q has not three fields", ModulesPath, i+2, line)
		}
		m := Module{Profile: fields[0], Name: fields[1], Check: fields[2]}
		if slices.ContainsFunc(modules, func(n Module) bool { return n.Profile == m.Profile && n.Name == m.Name }) {
			return nil, fmt.Errorf("%s:%d: %s of %s is there twice", ModulesPath, i+2, m.Name, m.Profile)
		}
		modules = append(modules, m)
	}
	return modules, nil
}
