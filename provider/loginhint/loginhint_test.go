package loginhint_test

import (
	"strings"
	"testing"

	"keymaker/provider/loginhint"
)

func TestParse(t *testing.T) {
	alice := loginhint.Hint{Localpart: "alice"}
	tests := []struct {
		name, raw string
		want      loginhint.Hint
	}{
		{"C-50: a user ID in the format of MSC4198", "mxid:@alice:example.org", alice},
		{"C-50: a user ID", "@alice:example.org", alice},
		{"C-50: a localpart", "alice", alice},
		{"C-50: a localpart with every character that one may have", "a-z_0.9=/+b", loginhint.Hint{Localpart: "a-z_0.9=/+b"}},
		{"C-50: an e-mail address", "Alice.Liddell+x@mail.example.com", loginhint.Hint{Email: "Alice.Liddell+x@mail.example.com"}},
		{"C-50: a user of another server", "mxid:@alice:example.com", loginhint.Hint{}},
		{"C-50: a user of a server whose name is longer", "mxid:@alice:example.org.evil.net", loginhint.Hint{}},
		{"C-50: a user of the server on a port", "mxid:@alice:example.org:8448", loginhint.Hint{}},
		{"C-51: the prefix in another case", "MXID:@alice:example.org", loginhint.Hint{}},
		{"C-51: the prefix and a localpart", "mxid:alice", loginhint.Hint{}},
		{"C-51: half a user ID", "mxid:@alice", loginhint.Hint{}},
		{"C-51: a user ID without a localpart", "mxid:@:example.org", loginhint.Hint{}},
		{"C-51: a localpart that none can be", "mxid:@Alice:example.org", loginhint.Hint{}},
		{"C-51: another scheme", "acct:alice@example.org", loginhint.Hint{}},
		{"C-51: markup", `"><script>`, loginhint.Hint{}},
		{"C-51: markup in an address", `"<b>"@example.org`, loginhint.Hint{}},
		{"C-51: two addresses", "a@example.org,b@example.org", loginhint.Hint{}},
		{"C-51: an address without a host", "alice@", loginhint.Hint{}},
		{"C-51: spaces", " alice", loginhint.Hint{}},
		{"C-51: what is no ASCII", "älice", loginhint.Hint{}},
		{"C-51: nothing", "", loginhint.Hint{}},
		{"C-51: more than anybody is called", strings.Repeat("a", 321), loginhint.Hint{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := loginhint.Parse(tt.raw, "example.org"); got != tt.want {
				t.Errorf("Parse(%q) = %+v, want %+v", tt.raw, got, tt.want)
			}
		})
	}
}
