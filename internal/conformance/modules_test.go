package conformance

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheModulesAreWellFormed(t *testing.T) {
	modules, err := Modules(root)
	if err != nil {
		t.Fatal(err)
	}
	profiles := map[string]bool{}
	for _, m := range modules {
		profiles[m.Profile] = true
	}
	for _, want := range []string{"Basic OP", "Config OP", "Dynamic OP", "Form Post OP", "RP-Initiated OP"} {
		if !profiles[want] {
			t.Errorf("no module of %s", want)
		}
	}
}

func TestModules(t *testing.T) {
	tests := []struct {
		name, file, want string // part of the error; "" = none
	}{
		{"a row is read", modulesHeader + "\nBasic OP\toidcc-server\tIt works.\n", ""},
		{"another header is refused", "profile\tmodule\n", ":1: the header"},
		{"an empty file is refused", "", ":1: the header"},
		{"a missing field is refused", modulesHeader + "\nBasic OP\toidcc-server\n", ":2: "},
		{"an empty field is refused", modulesHeader + "\nBasic OP\toidcc-server\t\n", "has not three fields"},
		{"a repeated module is refused", modulesHeader + "\na\tb\tc\na\tb\td\n", ":3: b of a is there twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			modules, err := Modules(fstest.MapFS{ModulesPath: {Data: []byte(tt.file)}})
			switch {
			case tt.want == "" && (err != nil || len(modules) != 1):
				t.Errorf("read %v, %v", modules, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestResultOfAModule(t *testing.T) {
	for check, want := range map[string]string{
		"A login ends in tokens.": Passed, "Skipped: none is supported.": Skipped, "Not passed: it wants the implicit grant.": NotPassed,
		"Skipped parts are not looked at.": Passed, "Skipped": Passed,
	} {
		if got := (Module{Check: check}).Result(); got != want {
			t.Errorf("%q is %s, want %s", check, got, want)
		}
	}
}
