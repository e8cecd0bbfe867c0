package config_test

import (
	"strings"
	"testing"
)

func TestThePrivateSocket(t *testing.T) {
	tests := []struct{ name, lines, want string }{
		{"it is beside a SQLite file", "", "keymaker.sock"},
		{"whatever that is called", "[global.database]\nurl = \"sqlite:/var/lib/keymaker/data\"", "/var/lib/keymaker/data.sock"},
		{"where the path can be that of a socket", "[global.database]\nurl = \"sqlite:/" + strings.Repeat("x", 120) + ".db\"", ""},
		{"or where it is wanted", "[global.private]\naddress = \"unix:/run/s\"", "/run/s"},
		{"or nowhere", "[global.private]\naddress = \"none\"", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parse(t, good+tt.lines)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Private.Socket(); got != tt.want {
				t.Errorf("the socket is %q, want %q", got, tt.want)
			}
			if implied := tt.lines == "" || strings.Contains(tt.lines, "database"); c.Private.Implied != (implied && tt.want != "") {
				t.Errorf("implied: %v", c.Private.Implied)
			}
		})
	}
}
