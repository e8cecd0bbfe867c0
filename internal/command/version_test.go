package command_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"keymaker/internal/command"
)

// version prints what the command says with a flag.
func version(t *testing.T, flags ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := command.Main(append([]string{"version"}, flags...), &command.Streams{Out: &out, Err: &errs}); status != 0 {
		t.Fatalf("exit status %d: %s", status, errs.String())
	}
	return out.String()
}

func TestVersion(t *testing.T) {
	said := version(t)
	for _, want := range []string{"keymaker ", ", commit ", "built with go", "Apache-2.0"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in\n%s", want, said)
		}
	}
}

func TestVersionLicences(t *testing.T) {
	said := version(t, "--licences")
	for _, want := range []string{"github.com/ory/fosite@", "Apache License", "gorm.io/gorm@", "The MIT License", "Redistribution and use in source and binary forms"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in it", want)
		}
	}
}

func TestVersionSBOM(t *testing.T) {
	var bom struct {
		Format     string `json:"bomFormat"`
		Components []struct {
			Name, Version, Purl string
			Licenses            []struct{ Expression string }
		}
	}
	if err := json.Unmarshal([]byte(version(t, "--sbom")), &bom); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range bom.Components {
		found[c.Name] = true
		if c.Version == "" || c.Purl != "pkg:golang/"+c.Name+"@"+c.Version {
			t.Errorf("%+v", c)
		}
	}
	// A test is built without saying of which modules: internal/packaging looks.
	if !found["std"] {
		t.Error("the standard library is not in it")
	}
	if bom.Format != "CycloneDX" {
		t.Errorf("the format is %q", bom.Format)
	}
}

func TestVersionPrintsOneThing(t *testing.T) {
	var out bytes.Buffer
	if status := command.Main([]string{"version", "--sbom", "--licences"}, &command.Streams{Out: &out, Err: &out}); status != 2 {
		t.Errorf("exit status %d: %s", status, out.String())
	}
}
