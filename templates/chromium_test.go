package templates

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/text/language"

	"keymaker/internal/chromiumtest"
)

func TestMain(m *testing.M) { os.Exit(chromiumtest.Run(m, "the pages")) }

// TestPagesInChromium opens every sample in a real browser: with scripts and
// without, at every width and in both colour schemes, and in some languages.
func TestPagesInChromium(t *testing.T) {
	if !chromiumtest.Wanted() {
		return
	}
	served := serveSamples(t, renderer(t))
	browser := chromiumtest.Start(t, nil)
	host := strings.TrimPrefix(served, "http://")
	names := slices.Sorted(maps.Keys(samples()))
	for _, m := range mailSamples() {
		names = append(names, "mail "+string(m.Kind))
	}
	var next sync.Mutex
	take := func() (name string, ok bool) {
		next.Lock()
		defer next.Unlock()
		if len(names) == 0 {
			return "", false
		}
		name, names = names[0], names[1:]
		return name, true
	}
	for range 2 { // tabs at once
		t.Run("", func(t *testing.T) {
			t.Parallel()
			v := visitor{url: served, with: browser.Person(t).Tab(t, true, host), without: browser.Person(t).Tab(t, false, host)}
			for name, ok := take(); ok; name, ok = take() {
				t.Run(name, func(t *testing.T) { v.visit(t, name) })
			}
		})
	}
}

// TestBrandedPagesInChromium opens pages with everything that an administrator
// can change.
func TestBrandedPagesInChromium(t *testing.T) {
	if !chromiumtest.Wanted() {
		return
	}
	r, _ := branded(t, Branding{
		Name: "Example Chat of a Company with a Long Name", Accent: "#7a1fa2", Privacy: "https://example.com/privacy", Terms: "https://example.com/terms", Imprint: "https://example.com/imprint",
		Logo: file(t, "logo.svg", `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30"><rect width="90" height="30" rx="6" fill="#7a1fa2"/><circle cx="15" cy="15" r="8" fill="#fff"/></svg>`),
	}, Notice{Kind: NoticeDone})
	served := serveSamples(t, r)
	tab := chromiumtest.Start(t, nil).Person(t).Tab(t, true, strings.TrimPrefix(served, "http://"))
	for _, name := range []string{"choose", "consent", "notice done"} {
		tab.Open(served + "/en/" + url.PathEscape(name))
		for _, look := range chromiumtest.Looks {
			tab.Look(look)
			tab.Check()
			tab.Accessible()
			shoot(tab, "branded "+name, look)
		}
	}
}

// serveSamples serves every sample at /LANGUAGE/NAME until the test ends.
func serveSamples(t *testing.T, r *Renderer) (address string) {
	t.Helper()
	all, mails := samples(), map[string]Mail{}
	for _, m := range mailSamples() {
		mails["mail "+string(m.Kind)] = m
	}
	mux := http.NewServeMux()
	for path, asset := range r.Assets() {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", asset.ContentType)
			if strings.Contains(path, "/formpost.") {
				return // it would leave the page at once
			}
			_, _ = w.Write(asset.Body)
		})
	}
	mux.HandleFunc("GET "+samplePicture, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_ = png.Encode(w, portrait())
	})
	mux.HandleFunc("GET /{lang}/{name}", func(w http.ResponseWriter, req *http.Request) {
		lang, name := language.MustParse(req.PathValue("lang")), req.PathValue("name")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if m, ok := mails[name]; ok {
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'") // what it may have
			_, _ = w.Write([]byte(letterOf(t, r, lang, m).Markup))
			return
		}
		page, ok := all[name]
		if !ok {
			http.NotFound(w, req)
			return
		}
		policy := Policy()
		switch page.(type) {
		case FormPost, AuthDone:
			policy += "; script-src 'self'"
		}
		w.Header().Set("Content-Security-Policy", policy)
		var buf bytes.Buffer
		if err := r.RenderVisit(&buf, Visit{Lang: lang, Here: req.URL}, page); err != nil {
			t.Error(err)
		}
		_, _ = w.Write(buf.Bytes())
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// portrait is a picture of somebody: a head, and shoulders.
func portrait() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 256, 256))
	for y := range 256 {
		for x := range 256 {
			c := color.RGBA{R: 116, G: 162, B: uint8(190 + y/8), A: 255}
			if dx, dy := x-128, y-104; dx*dx+dy*dy < 52*52 {
				c = color.RGBA{R: 238, G: 200, B: 168, A: 255}
			} else if dx, dy := x-128, y-264; dx*dx+dy*dy < 100*100 {
				c = color.RGBA{R: 60, G: 72, B: 104, A: 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

// visitor has one tab in which pages may run scripts, and one in which not.
type visitor struct {
	url           string
	with, without *chromiumtest.Tab
}

// visit looks at a sample in every way.
func (v visitor) visit(t *testing.T, name string) {
	with, without := v.with.For(t), v.without.For(t)
	v.open(t, with, language.English, name)
	v.open(t, without, language.English, name)
	for _, look := range chromiumtest.Looks {
		with.Look(look)
		with.Check()
		with.Accessible()
		without.Look(look)
		without.Check()
		shoot(with, name, look)
	}
	with.Keyboard()
	if a, b := with.Text(), without.Text(); a != b {
		t.Errorf("with scripts it says %q, without %q", a, b)
	}
	with.Look(chromiumtest.Look{Width: 768, Scheme: "light", Print: true})
	with.Check()
	if strings.HasPrefix(name, "error ") && !strings.HasSuffix(name, " in full") {
		return // the full one has all of its words
	}
	with.Look(chromiumtest.Look{Width: 320, Scheme: "light"})
	for _, lang := range narrow(t, name) {
		v.open(t, with, lang, name)
		with.Check()
	}
	with.Mirror()
	with.Check()
}

// narrow are the languages in which a sample is opened where it is narrowest:
// those of the longest words, the one from right to left, and another one for
// each sample, so that every language is opened many times.
func narrow(t *testing.T, name string) []language.Tag {
	t.Helper()
	languages := []language.Tag{language.German, language.Ukrainian, language.Arabic}
	others := slices.DeleteFunc(renderer(t).Languages(), func(tag language.Tag) bool { return slices.Contains(languages, tag) })
	return append(languages, others[len(name)%len(others)])
}

func (v visitor) open(t *testing.T, tab *chromiumtest.Tab, lang language.Tag, name string) {
	t.Helper()
	if status := tab.Open(v.url + "/" + lang.String() + "/" + url.PathEscape(name)); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
}

// shoot takes a picture of a sample, where somebody wants them all.
func shoot(tab *chromiumtest.Tab, name string, look chromiumtest.Look) {
	if folder := os.Getenv(chromiumtest.ShotsVariable); folder != "" {
		tab.Shot(filepath.Join(folder, fmt.Sprintf("%s, %d %s.png", name, look.Width, look.Scheme)))
	}
}
