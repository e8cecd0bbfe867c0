// Package templates is everything that a person sees: the pages, the mails, one
// stylesheet, one mark, and the messages in every language, all inside the
// binary. A page works without scripts, names no other host, and shows what
// others have chosen (names of applications, hosts) only after cleaning it.
//
// Every value that reaches a page goes through html/template's escaping: no
// text is ever marked as safe HTML.
package templates

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"keymaker/templates/palette"
)

//go:embed html/*.html text/*.txt
var pages embed.FS

// DefaultAssetPrefix is where the assets are served when Options name no other
// place.
const DefaultAssetPrefix = "/_tuwunel/oidc/assets/"

// Options say how the pages of one server differ from those of another.
type Options struct {
	// AssetPrefix is the URL path under which Assets are served, with a slash
	// at both ends; "" is DefaultAssetPrefix.
	AssetPrefix string
	// ServerName is what a person knows the server by: the Matrix server name,
	// e.g. example.com. It heads every page; "" shows the name of the program.
	ServerName string
	// Branding is what the administrator changes.
	Branding Branding
}

// A Renderer writes pages. It is immutable and safe for concurrent use.
type Renderer struct {
	catalogue *catalogue
	assets    assets
	server    string
	links     []footLink
	languages []languageName
	sources   sources
	// light and dark are the colours of mails that follow from the accent.
	light, dark palette.Palette
	stencils    map[string]*sync.Pool // page name -> *stencil that nobody has
}

// A Page is the content of one page: AccountHome and those that it leads to, ChooseProvider, Consent,
// ConfirmLogin, DeviceEntry, DeviceConsent, ErrorPage, FormPost, Notice,
// SignOut, ResetDevices, Reset or AuthDone.
type Page interface {
	// template returns the name of the file in html/, without its ending.
	template() string
}

// pageKinds are all pages. layout.html frames them, and parts.html and brands.html hold what they share.
var pageKinds = []Page{
	AccountHome{},
	AccountSessions{},
	AccountSession{},
	EndSessions{},
	AccountProfile{},
	AccountActivity{},
	AccountLinks{},
	LinkAccount{},
	UnlinkAccount{},
	Deactivate{},
	SwitchAccount{},
	ChooseProvider{},
	Consent{},
	ConfirmLogin{},
	DeviceEntry{},
	DeviceConsent{},
	ErrorPage{},
	FormPost{},
	Notice{},
	SignOut{},
	ResetDevices{},
	Reset{},
	AuthDone{},
}

// view is what layout.html is executed with.
type view struct {
	Lang, Dir string
	Page      Page
	Links     []footLink
	Switch    *languageSwitch // nil offers no other language
}

// New reads what the Branding names, and tries the templates of an administrator.
// It fails when Options are impossible, and when something of the Branding cannot
// be read or used. The pages and the catalogues of the binary are parsed when
// somebody needs them first; the tests of this package rule out broken ones.
func New(opts Options) (*Renderer, error) {
	if opts.AssetPrefix == "" {
		opts.AssetPrefix = DefaultAssetPrefix
	}
	if !strings.HasPrefix(opts.AssetPrefix, "/") || !strings.HasSuffix(opts.AssetPrefix, "/") {
		return nil, fmt.Errorf("make the pages: the asset prefix %q must begin and end with a slash", opts.AssetPrefix)
	}
	r, err := open(opts)
	if err == nil && opts.Branding.Templates != "" {
		opts.Branding.Templates = ""
		var own *Renderer
		if own, err = open(opts); err == nil {
			err = r.try(own)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("make the pages: %w", err)
	}
	return r, nil
}

func open(opts Options) (*Renderer, error) {
	all, err := loadAssets(opts.AssetPrefix, opts.Branding)
	if err != nil {
		return nil, err
	}
	messages, err := openCatalogue(opts.Branding.Templates)
	if err != nil {
		return nil, err
	}
	r := &Renderer{
		catalogue: messages,
		assets:    all,
		server:    cmp.Or(CleanName(opts.Branding.Name), CleanName(opts.ServerName), "Keymaker"),
		links:     opts.Branding.footLinks(),
		languages: languageNames(messages.tags),
		stencils:  map[string]*sync.Pool{},
	}
	if r.sources, err = openSources(opts.Branding.Templates); err != nil {
		return nil, err
	}
	if r.light, r.dark, err = palette.New(cmp.Or(opts.Branding.Accent, defaultAccent)); err != nil {
		return nil, err
	}
	for _, kind := range pageKinds {
		r.stencils[kind.template()] = new(sync.Pool)
	}
	return r, nil
}

// Render writes page as a complete HTML document in the language of lang, or
// in the nearest one there is. Nothing is written when a template fails, so
// that the caller can still answer otherwise.
func (r *Renderer) Render(w io.Writer, lang language.Tag, page Page) error {
	return r.RenderVisit(w, Visit{Lang: lang}, page)
}

// RenderVisit is Render for a page that can offer other languages.
func (r *Renderer) RenderVisit(w io.Writer, v Visit, page Page) error {
	if page == nil {
		return errors.New("templates: no page to render")
	}
	tag := r.catalogue.nearest(v.Lang)
	var buf bytes.Buffer
	data := view{Lang: tag.String(), Dir: direction(tag), Page: page, Links: r.links, Switch: r.switchFor(v.Here, tag)}
	if err := r.write(&buf, tag, data); err != nil {
		return fmt.Errorf("templates: render the %s page in %s: %w", page.template(), tag, err)
	}
	_, err := buf.WriteTo(w)
	return err
}
