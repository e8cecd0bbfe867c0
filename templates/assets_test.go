package templates

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"regexp"
	"strings"
	"testing"
)

func TestAssetsAreServedBelowThePrefixByTheHashOfTheirContent(t *testing.T) {
	for _, prefix := range []string{"", "/login-assets/"} {
		r, err := New(Options{AssetPrefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		want := prefix
		if want == "" {
			want = "/_tuwunel/oidc/assets/"
		}
		if len(r.Assets()) != 4 {
			t.Errorf("there are %d assets, want stylesheet, mark and two scripts", len(r.Assets()))
		}
		for path, asset := range r.Assets() {
			sum := sha256.Sum256(asset.Body)
			if !strings.HasPrefix(path, want) || !strings.Contains(path, "."+hex.EncodeToString(sum[:8])+".") {
				t.Errorf("%s is not below %q with its hash", path, want)
			}
			if asset.ContentType != "text/css; charset=utf-8" && asset.ContentType != "image/svg+xml" &&
				asset.ContentType != "text/javascript; charset=utf-8" {
				t.Errorf("%s is %q", path, asset.ContentType)
			}
		}
	}
}

func TestTheStylesheetIsAnAsset(t *testing.T) {
	r := renderer(t)
	path, body := r.Stylesheet()
	if asset, ok := r.Assets()[path]; !ok || !bytes.Equal(asset.Body, body) || asset.ContentType != "text/css; charset=utf-8" {
		t.Errorf("%s is not served as it is", path)
	}
}

func TestTheMapOfAssetsIsTheCallersOwn(t *testing.T) {
	r := renderer(t)
	clear(r.Assets())
	if len(r.Assets()) == 0 {
		t.Error("the assets are gone")
	}
}

func TestTheMarkIsAPlainDrawing(t *testing.T) {
	decoder := xml.NewDecoder(bytes.NewReader(mark(t)))
	for {
		token, err := decoder.Token()
		if token == nil {
			if err.Error() != "EOF" {
				t.Fatal(err)
			}
			return
		}
		if start, ok := token.(xml.StartElement); ok {
			if start.Name.Local == "script" || start.Name.Local == "style" {
				t.Errorf("it has a %s element", start.Name.Local)
			}
			for _, a := range start.Attr {
				if a.Name.Local == "style" || a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("%s has the attribute %s", start.Name.Local, a.Name.Local)
				}
			}
		}
	}
}

func mark(t *testing.T) []byte {
	t.Helper()
	body, err := assetFiles.ReadFile("assets/mark.svg")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestTheStylesheetKeepsItsRules(t *testing.T) {
	_, body := renderer(t).Stylesheet()
	css := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(string(body), "")
	forbidden := map[string]string{
		`(?i)url\(|@import|//`:                                 "it asks for nothing else",
		`(?:^|[\s;{-])(?:left|right|top|bottom)\b`:             "distances follow the writing direction",
		`(?:^|[\s;{])(?:min-|max-)?(?:width|height)\s*:[^)]*;`: "sizes follow the writing direction",
		`outline\s*:\s*(?:none|0)`:                             "focus stays visible",
	}
	for pattern, rule := range forbidden {
		if found := regexp.MustCompile(pattern).FindString(css); found != "" {
			t.Errorf("%s, but there is %q", rule, found)
		}
	}
	for _, feature := range []string{"prefers-color-scheme: dark", "prefers-reduced-motion", "@media print", ":focus-visible"} {
		if !strings.Contains(css, feature) {
			t.Errorf("nothing is said for %s", feature)
		}
	}
	_, rules, _ := strings.Cut(css, "html {")
	if found := regexp.MustCompile(`#[0-9a-fA-F]{3,8}\b`).FindString(rules); found != "" {
		t.Errorf("the colour %s is not one of the custom properties, so it is the same in the dark", found)
	}
}
