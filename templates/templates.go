// Package templates is everything that a person sees: the pages, one
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
	"html/template"
	"io"
	"strings"

	"golang.org/x/text/language"
)

//go:embed html/*.html
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
	byTag     map[language.Tag]map[string]*template.Template // page name -> template
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

// New reads the templates and the catalogues, and what the Branding names. It
// fails when Options are impossible, when something of the Branding cannot be
// read or used, and when the binary was built from broken files, which the tests
// of this package rule out.
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
	messages, err := loadCatalogue()
	if err != nil {
		return nil, err
	}
	from, err := openSources(opts.Branding.Templates)
	if err != nil {
		return nil, err
	}
	r := &Renderer{
		catalogue: messages,
		assets:    all,
		server:    cmp.Or(CleanName(opts.Branding.Name), CleanName(opts.ServerName), "Keymaker"),
		links:     opts.Branding.footLinks(),
		languages: languageNames(messages.tags),
		byTag:     map[language.Tag]map[string]*template.Template{},
	}
	for _, tag := range messages.tags {
		if r.byTag[tag], err = r.parse(tag, from); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// parse reads every page with the functions of one language.
func (r *Renderer) parse(tag language.Tag, from sources) (map[string]*template.Template, error) {
	path, text, err := from.read("layout.html")
	if err != nil {
		return nil, err
	}
	layout, err := template.New(path).Funcs(r.functions(tag)).Parse(text)
	if err == nil {
		err = add(layout, from, "parts.html")
	}
	if err == nil {
		err = add(layout, from, "brands.html")
	}
	if err != nil {
		return nil, err
	}
	parsed := map[string]*template.Template{}
	for _, kind := range pageKinds {
		page, err := layout.Clone()
		if err == nil {
			err = add(page, from, kind.template()+".html")
		}
		if err != nil {
			return nil, err
		}
		parsed[kind.template()] = page
	}
	return parsed, nil
}

// add reads what a file defines.
func add(to *template.Template, from sources, name string) error {
	path, text, err := from.read(name)
	if err == nil {
		_, err = to.New(path).Parse(text)
	}
	return err
}

// functions are what the templates may call.
func (r *Renderer) functions(tag language.Tag) template.FuncMap {
	return template.FuncMap{
		"asset":   r.assets.path,
		"clean":   CleanText,
		"href":    actionLink,
		"initial": initial,
		"link":    SafeLink,
		"name":    CleanName,
		"server":  func() string { return r.server },
		"explain": func(page ErrorPage, what string) ([]part, error) {
			return r.catalogue.parts(tag, "error."+string(page.Reason)+"."+what,
				"Parameter", CleanName(page.Parameter), "Provider", CleanName(page.Provider),
				"UserID", page.UserID, "Server", r.server)
		},
		"parts": func(key string, values ...any) ([]part, error) {
			return r.catalogue.parts(tag, key, values...)
		},
		"t": func(key string, values ...any) (string, error) {
			return r.catalogue.text(tag, key, values...)
		},
	}
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
	if err := r.byTag[tag][page.template()].Execute(&buf, data); err != nil {
		return fmt.Errorf("templates: render the %s page in %s: %w", page.template(), tag, err)
	}
	_, err := buf.WriteTo(w)
	return err
}
