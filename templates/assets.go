package templates

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"strings"
)

//go:embed assets/*
var assetFiles embed.FS

// contentTypes of the files in assets/, by their ending.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp",
}

// An Asset is a file that pages refer to.
type Asset struct {
	ContentType string
	Body        []byte
}

// assets are the files that pages refer to, with a hash of the content in
// their URL paths.
type assets struct {
	byPath map[string]Asset
	paths  map[string]string // file name -> URL path
}

// loadAssets reads assets/, and what branding changes of them.
func loadAssets(prefix string, branding Branding) (assets, error) {
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return assets{}, err
	}
	all := assets{byPath: map[string]Asset{}, paths: map[string]string{}}
	for _, entry := range entries {
		name := entry.Name()
		body, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			return assets{}, err
		}
		if contentTypes[path.Ext(name)] == "" {
			return assets{}, fmt.Errorf("assets/%s: no content type for its ending", name)
		}
		if name == "style.css" {
			if body, err = recolour(body, branding.Accent); err != nil {
				return assets{}, err
			}
		}
		all.add(prefix, name, body)
	}
	return all, all.addLogo(prefix, branding.Logo)
}

// add serves a file.
func (a assets) add(prefix, name string, body []byte) {
	ending := path.Ext(name)
	sum := sha256.Sum256(body)
	at := prefix + strings.TrimSuffix(name, ending) + "." + hex.EncodeToString(sum[:8]) + ending
	a.byPath[at] = Asset{ContentType: contentTypes[ending], Body: body}
	a.paths[name] = at
}

// path returns the URL path of a file of assets/.
func (a assets) path(name string) (string, error) {
	at, ok := a.paths[name]
	if !ok {
		return "", fmt.Errorf("there is no asset %s", name)
	}
	return at, nil
}

// Assets returns everything that pages refer to, by URL path. The path
// contains a hash of the content: an answer may be cached for ever, and any
// other path below the prefix is unknown. The bodies must not be changed.
func (r *Renderer) Assets() map[string]Asset {
	return maps.Clone(r.assets.byPath)
}

// Stylesheet returns the URL path of the one stylesheet and its content, which
// must not be changed.
func (r *Renderer) Stylesheet() (path string, body []byte) {
	path = r.assets.paths["style.css"]
	return path, r.assets.byPath[path].Body
}
