package e2ekeys

import "testing"

// The first ones are the examples of the Matrix specification, Appendices,
// Canonical JSON.
func TestCanonical(t *testing.T) {
	tests := []struct{ name, raw, want string }{
		{"an empty object", `{}`, `{}`},
		{"an object is without spaces", "{\n    \"one\": 1,\n    \"two\": \"Two\"\n}", `{"one":1,"two":"Two"}`},
		{"names are sorted", `{"b": "2", "a": "1"}`, `{"a":"1","b":"2"}`},
		{"at every depth", `{"auth":{"success":true,"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"medium":"email","address":"john.doe@example.org"},{"medium":"msisdn","address":"123456789"}]}}}`,
			`{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}`},
		{"text is UTF-8", `{"a": "日本語"}`, `{"a":"日本語"}`},
		{"names are sorted by code point", `{"本": 2, "日": 1}`, `{"日":1,"本":2}`},
		{"nothing is escaped that need not be", `{"a": "\u65E5"}`, `{"a":"日"}`},
		{"null stays", `{"a": null}`, `{"a":null}`},
		{"minus zero is zero", `{"a": -0}`, `{"a":0}`},
		{"the largest integers", `{"a":[9007199254740991,-9007199254740991]}`, `{"a":[9007199254740991,-9007199254740991]}`},
		{"what must be escaped is, as shortly as it can", `{"a":"\u0008\u0009\u000a\u000c\u000d\u001f\"\\\/\u2028\u003c\u007f"}`, "{\"a\":\"\\b\\t\\n\\f\\r\\u001f\\\"\\\\/\u2028<\x7f\"}"},
		{"of a name that stands twice the last one counts", `{"a":1,"a":2}`, `{"a":2}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			object, err := parseObject([]byte(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(canonical(object)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestNotCanonical(t *testing.T) {
	tests := []struct{ name, raw string }{
		{"a fraction", `{"a":1.5}`},
		{"an exponent", `{"a":1e10}`},
		{"an integer that is too large", `{"a":9007199254740992}`},
		{"an integer that is too small", `{"a":-9007199254740992}`},
		{"half a character", `{"a":"\ud800"}`},
		{"half a character in a name", `{"\ud800":1}`},
		{"a NUL", `{"a":"\u0000"}`},
		{"bad UTF-8", "{\"a\":\"\xff\"}"},
		{"no object", `[]`},
		{"null", `null`},
		{"two objects", `{}{}`},
		{"half an object", `{"a":`},
		{"nothing", ``},
		{"an object that is nested too deeply", `{"a":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if object, err := parseObject([]byte(tt.raw)); err == nil {
				t.Errorf("accepted as %v", object)
			}
		})
	}
}
