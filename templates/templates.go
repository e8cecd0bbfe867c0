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
}

// A Renderer writes pages. It is immutable and safe for concurrent use.
type Renderer struct {
	catalogue *catalogue
	assets    assets
	server    string
	byTag     map[language.Tag]map[string]*template.Template // page name -> template
}

// A Page is the content of one page: AccountHome and those that it leads to, ChooseProvider, Consent,
// ConfirmLogin, DeviceEntry, DeviceConsent, ErrorPage, FormPost, Notice,
// SignOut, ResetDevices, Reset or AuthDone.
type Page interface {
	// template returns the name of the file in html/, without its ending.
	template() string
}

// pageNames lists the files of html/ that are pages. layout.html frames them, and parts.html holds what they share.
var pageNames = []string{
	AccountHome{}.template(),
	AccountSessions{}.template(),
	AccountSession{}.template(),
	EndSessions{}.template(),
	AccountProfile{}.template(),
	AccountActivity{}.template(),
	SwitchAccount{}.template(),
	ChooseProvider{}.template(),
	Consent{}.template(),
	ConfirmLogin{}.template(),
	DeviceEntry{}.template(),
	DeviceConsent{}.template(),
	ErrorPage{}.template(),
	FormPost{}.template(),
	Notice{}.template(),
	SignOut{}.template(),
	ResetDevices{}.template(),
	Reset{}.template(),
	AuthDone{}.template(),
}

// view is what layout.html is executed with.
type view struct {
	Lang, Dir string
	Page      Page
}

// New reads the templates and the catalogues. It fails only when Options are
// impossible or when the binary was built from broken files, which the tests
// of this package rule out.
func New(opts Options) (*Renderer, error) {
	if opts.AssetPrefix == "" {
		opts.AssetPrefix = DefaultAssetPrefix
	}
	if !strings.HasPrefix(opts.AssetPrefix, "/") || !strings.HasSuffix(opts.AssetPrefix, "/") {
		return nil, fmt.Errorf("templates: the asset prefix %q must begin and end with a slash", opts.AssetPrefix)
	}
	all, err := loadAssets(opts.AssetPrefix)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	messages, err := loadCatalogue()
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	r := &Renderer{
		catalogue: messages,
		assets:    all,
		server:    CleanName(opts.ServerName),
		byTag:     map[language.Tag]map[string]*template.Template{},
	}
	if r.server == "" {
		r.server = "Keymaker"
	}
	for _, tag := range messages.tags {
		if r.byTag[tag], err = r.parse(tag); err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
	}
	return r, nil
}

// parse reads every page with the functions of one language.
func (r *Renderer) parse(tag language.Tag) (map[string]*template.Template, error) {
	layout, err := template.New("layout.html").Funcs(r.functions(tag)).ParseFS(pages, "html/layout.html", "html/parts.html")
	if err != nil {
		return nil, err
	}
	parsed := map[string]*template.Template{}
	for _, name := range pageNames {
		page, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if parsed[name], err = page.ParseFS(pages, "html/"+name+".html"); err != nil {
			return nil, err
		}
	}
	return parsed, nil
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
	if page == nil {
		return errors.New("templates: no page to render")
	}
	tag := r.catalogue.nearest(lang)
	var buf bytes.Buffer
	data := view{Lang: tag.String(), Dir: direction(tag), Page: page}
	if err := r.byTag[tag][page.template()].Execute(&buf, data); err != nil {
		return fmt.Errorf("templates: render the %s page in %s: %w", page.template(), tag, err)
	}
	_, err := buf.WriteTo(w)
	return err
}
