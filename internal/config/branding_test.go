package config_test

import (
	"os"
	"strings"
	"testing"
)

func TestBrandingIsCheckedAtTheStart(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "large.png", "\x89PNG\r\n\x1a\n"+strings.Repeat("x", 20_000))
	write(t, "logo.gif", "GIF89a")
	for folder, text := range map[string]string{"broken": "{{define \"main\"}}\n{{if}}{{end}}", "wrong": "{{define \"title\"}}x{{end}}\n{{define \"main\"}}\n{{.Nothing}}{{end}}"} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, folder+"/consent.html", text)
	}
	if err := os.Mkdir("misspelt", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, "misspelt/concent.html", "")
	tests := []struct{ name, line, want string }{
		{"a colour that is too light", `accent = "#ffcc00"`, "global.branding.accent: #ffcc00 is too light to be read on the pages: its contrast is 1.4:1, and text needs 4.5:1; #"},
		{"a colour in words", `accent = "green"`, `global.branding.accent: "green" is no colour like #0b5f55`},
		{"a logo that is not there", `logo = "nowhere.svg"`, "global.branding.logo: open nowhere.svg: no such file or directory"},
		{"a logo that is too large", `logo = "large.png"`, "global.branding.logo: large.png has 20008 bytes: a logo has 8000 at most"},
		{"a logo of another kind", `logo = "logo.gif"`, "global.branding.logo: logo.gif is no picture in SVG, PNG, JPEG or WebP"},
		{"an address without TLS", `privacy_url = "http://example.com/"`, "global.branding.privacy_url: is no address that pages may link to"},
		{"an address that is a script", `terms_url = "javascript:alert(1)"`, "global.branding.terms_url: is no address that pages may link to"},
		{"an address that is none", `imprint_url = "example.com"`, "global.branding.imprint_url: is no address that pages may link to"},
		{"a folder that is not there", `templates = "nowhere"`, "global.branding.templates: open nowhere: no such file or directory"},
		{"a template that cannot be parsed", `templates = "broken"`, "global.branding.templates: template: broken/consent.html:2: missing value for if"},
		{"a template that asks for what there is not", `templates = "wrong"`, "template: wrong/consent.html:3:2: executing \"main\" at <.Nothing>"},
		{"a file that is no template", `templates = "misspelt"`, "misspelt/concent.html replaces no template: there are account.html, "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseHere("[global]\nserver_name = \"example.com\"\n[global.branding]\n" + tt.line + "\n")
			if err == nil || !strings.Contains(err.Error(), "k.toml:4: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}
