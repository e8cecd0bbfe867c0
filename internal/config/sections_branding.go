package config

import (
	"errors"

	"keymaker/templates"
)

// brandingOptions are the keys of [global.branding]. What they name is read here
// for the sake of the errors, and once more where the pages are made.
var brandingOptions = []option{
	{
		key: "name", sample: "Example Chat",
		takes: text(func(d *draft) *string { return &d.config.Branding.Name }, anything),
		doc:   "What heads every page. By default the server_name.",
	},
	{
		key: "logo", sample: "/etc/keymaker/logo.svg",
		takes: text(func(d *draft) *string { return &d.config.Branding.Logo }, branded(func(b *templates.Branding, v string) { b.Logo = v })),
		doc:   "The picture beside it: a file of SVG, PNG, JPEG or WebP of 8 kB at most. Browsers show it 36 pixels high, on white and on nearly black.",
	},
	{
		key: "accent", sample: "#0b5f55",
		takes: text(func(d *draft) *string { return &d.config.Branding.Accent }, branded(func(b *templates.Branding, v string) { b.Accent = v })),
		doc: "The colour of links and buttons. It must be dark enough to be read on white; " +
			"the colours of the dark scheme and of what is pointed at are made from it.",
	},
	{
		key: "privacy_url", sample: "https://example.com/privacy",
		takes: text(func(d *draft) *string { return &d.config.Branding.Privacy }, checkPageLink),
		doc:   "Where the foot of every page links to for the privacy policy.",
	},
	{
		key: "terms_url", sample: "https://example.com/terms",
		takes: text(func(d *draft) *string { return &d.config.Branding.Terms }, checkPageLink),
		doc:   "The same for the terms of service.",
	},
	{
		key: "imprint_url", sample: "https://example.com/imprint",
		takes: text(func(d *draft) *string { return &d.config.Branding.Imprint }, checkPageLink),
		doc:   "The same for who runs the server.",
	},
	{
		key: "templates", sample: "/etc/keymaker/templates",
		takes: text(func(d *draft) *string { return &d.config.Branding.Templates }, branded(func(b *templates.Branding, v string) { b.Templates = v })),
		doc: "A folder of templates and texts. A file in it, like consent.html, replaces the one of that name; one like de.toml has texts of that language. " +
			"All are read and tried at the start, and a broken one stops it. See branding.md and languages.md.",
	},
}

// branded checks a value by making the pages with it.
func branded(set func(*templates.Branding, string)) func(string) error {
	return func(v string) error {
		var b templates.Branding
		set(&b, v)
		if _, err := templates.New(templates.Options{Branding: b}); err != nil {
			return refuse("%v", errors.Unwrap(err))
		}
		return nil
	}
}

// checkPageLink is the rule for what pages link to.
func checkPageLink(s string) error {
	if templates.SafeLink(s) == "" {
		return refuse("is no address that pages may link to: write it like https://example.com/privacy")
	}
	return nil
}
