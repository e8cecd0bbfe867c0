package templates

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"keymaker/templates/palette"
)

// Branding is what an administrator changes of the pages. What is "" stays as
// it is.
type Branding struct {
	Name   string // heads every page, instead of the server name
	Logo   string // path of the picture beside it: SVG, PNG, JPEG or WebP
	Accent string // colour of links and buttons, #rrggbb

	// What the foot of every page links to, https.
	Privacy, Terms, Imprint string

	// Templates is a folder. A file in it replaces the one of the same name in
	// html/ or text/; one called LANGUAGE.toml has texts of that language.
	Templates string
}

// maxLogo is the size of the largest logo in bytes: what a page may weigh in
// all (maxPage), without the rest of it.
const maxLogo = 8_000

// logo is the name under which templates know the picture in the header.
const logo = "logo"

// logoTypes are the endings of the files that a logo may be in, by what is in
// them.
var logoTypes = map[string]string{"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}

// readLogo reads a picture and returns it with the ending of its kind.
func readLogo(path string) (ending string, body []byte, err error) {
	body, err = os.ReadFile(filepath.Clean(path))
	if err != nil {
		return "", nil, err
	}
	if len(body) > maxLogo {
		return "", nil, fmt.Errorf("%s has %d bytes: a logo has %d at most, so that pages stay quick", path, len(body), maxLogo)
	}
	if ending = logoTypes[http.DetectContentType(body)]; ending != "" {
		return ending, body, nil
	}
	if strings.EqualFold(filepath.Ext(path), ".svg") && bytes.Contains(body, []byte("<svg")) {
		return ".svg", body, nil
	}
	return "", nil, fmt.Errorf("%s is no picture in SVG, PNG, JPEG or WebP", path)
}

// addLogo makes a picture an asset, and the one that headers show.
func (a assets) addLogo(prefix, path string) error {
	a.paths[logo] = a.paths["mark.svg"]
	if path == "" {
		return nil
	}
	ending, body, err := readLogo(path)
	if err != nil {
		return err
	}
	a.add(prefix, logo+ending, body)
	a.paths[logo] = a.paths[logo+ending]
	return nil
}

// defaultAccent is the accent colour of the stylesheet as it is.
const defaultAccent = "#0b5f55"

// recolour returns the stylesheet with another accent colour.
func recolour(css []byte, accent string) ([]byte, error) {
	if accent == "" {
		return css, nil
	}
	light, dark, err := palette.New(accent)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(css, "\n:root {%s}\n@media (prefers-color-scheme: dark) {\n  :root {%s}\n}\n", properties(light), properties(dark)), nil
}

// properties are colours as custom properties of the stylesheet.
func properties(p palette.Palette) string {
	var b strings.Builder
	for _, name := range []string{"accent", "accent-strong", "on-accent", "tint"} {
		fmt.Fprintf(&b, " --%s: %s;", name, p[name])
	}
	return b.String() + " "
}

// footLink is a link at the foot of every page.
type footLink struct {
	Key, URL string // the message is footer.KEY
}

// footLinks are those that are configured.
func (b Branding) footLinks() []footLink {
	var links []footLink
	for _, l := range []footLink{{"privacy", b.Privacy}, {"terms", b.Terms}, {"imprint", b.Imprint}} {
		if l.URL != "" {
			links = append(links, l)
		}
	}
	return links
}
