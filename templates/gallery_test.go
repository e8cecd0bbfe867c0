package templates

import (
	"flag"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"keymaker/internal/chromiumtest"
)

// gallery is the document that shows every page.
const gallery = "../docs/pages.md"

// howToUpdate is the command that writes the gallery.
const howToUpdate = chromiumtest.Variable + "=1 go test ./templates -run Gallery -update"

var update = flag.Bool("update", false, "write docs/pages.md and its pictures anew, with a browser")

// picture is one of those that the gallery has of each page.
type picture struct {
	suffix string
	look   chromiumtest.Look
}

var pictures = []picture{
	{"", chromiumtest.Look{Width: 768, Scheme: "light"}},
	{"-dark", chromiumtest.Look{Width: 320, Scheme: "dark"}},
}

// path is where the picture of a template is, from docs/.
func (p picture) path(template string) string { return "screenshots/" + template + p.suffix + ".webp" }

// portraits are the samples that stand for their template in the gallery: those
// with the shortest names.
func portraits() map[string]string {
	chosen := map[string]string{}
	all := samples()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if old, ok := chosen[all[name].template()]; !ok || len(name) < len(old) {
			chosen[all[name].template()] = name
		}
	}
	return chosen
}

// galleryText is what the gallery says.
func galleryText(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `# Pages

Everything that a person sees, on a wide light window and on a narrow dark one.
The pages work without scripts, ask no other host for anything, and every change
to them passes axe-core in Chromium at three widths and in both colour schemes.

This page is written by the tests:
%s
`, "`"+howToUpdate+"`")
	chosen := portraits()
	for _, template := range slices.Sorted(maps.Keys(chosen)) {
		title := words(elements(document(t, samples()[chosen[template]]), "h1")[0])
		fmt.Fprintf(&b, "\n## %s\n\n`templates/html/%s.html`\n\n", title, template)
		show(&b, title, template)
	}
	fmt.Fprintf(&b, "\n# Mails\n\n`templates/html/mail.html` and `templates/text/mail.txt`. They load nothing.\n")
	for _, m := range mailSamples() {
		title := letterOf(t, renderer(t), language.English, m).Subject
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		show(&b, title, "mail_"+string(m.Kind))
	}
	return b.String()
}

// show has all pictures of one thing.
func show(b *strings.Builder, title, name string) {
	for _, p := range pictures {
		fmt.Fprintf(b, "![%s, %s](%s)\n", title, p.look.Scheme, p.path(name))
	}
}

func TestTheGalleryShowsEveryPage(t *testing.T) {
	want := galleryText(t)
	if *update {
		takePictures(t)
		if err := os.WriteFile(gallery, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(gallery)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the pages are (%v). Run: %s", gallery, err, howToUpdate)
	}
	shown := slices.Collect(maps.Keys(portraits()))
	for _, m := range mailSamples() {
		shown = append(shown, "mail_"+string(m.Kind))
	}
	for _, name := range shown {
		for _, p := range pictures {
			if _, err := os.Stat(filepath.Join("../docs", p.path(name))); err != nil {
				t.Errorf("%v. Run: %s", err, howToUpdate)
			}
		}
	}
}

// takePictures has a browser show every page.
func takePictures(t *testing.T) {
	t.Helper()
	served := serveSamples(t, renderer(t))
	tab := chromiumtest.Start(t, nil).Person(t).Tab(t, true, strings.TrimPrefix(served, "http://"))
	shoot := func(sample, name string) {
		tab.Open(served + "/en/" + url.PathEscape(sample))
		for _, p := range pictures {
			tab.Look(p.look)
			tab.Shot(filepath.Join("../docs", p.path(name)))
		}
	}
	for template, name := range portraits() {
		shoot(name, template)
	}
	for _, m := range mailSamples() {
		shoot("mail "+string(m.Kind), "mail_"+string(m.Kind))
	}
}

func TestEveryTemplateHasASample(t *testing.T) {
	chosen := portraits()
	files, err := pages.ReadDir("html")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".html")
		if name != "layout" && name != "parts" && name != "brands" && name != "mail" && chosen[name] == "" {
			t.Errorf("no sample shows %s, so no browser has seen it", file.Name())
		}
	}
}
