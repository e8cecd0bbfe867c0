package templates

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/language"
)

//go:embed messages/*.toml
var messageFiles embed.FS

// placeholder is the first of the private-use characters that stand for the
// values of a message while it is put together. Messages contain none of them.
const placeholder = '\uE000'

// catalogue holds the messages in every language. Those of a language are read
// when they are needed first.
type catalogue struct {
	tags    []language.Tag // English first: it is the fallback
	matcher language.Matcher
	byTag   map[language.Tag]func() (*i18n.Localizer, error)
}

// part is a piece of a message: words of the message itself, or a value that
// was put into it and that pages set apart.
type part struct {
	Text  string
	Value bool
}

// openCatalogue finds messages/<language>.toml.
func openCatalogue() (*catalogue, error) {
	names, err := fs.Glob(messageFiles, "messages/*.toml")
	if err != nil {
		return nil, err
	}
	c := &catalogue{byTag: map[language.Tag]func() (*i18n.Localizer, error){}}
	for _, name := range names {
		tag, err := language.Parse(strings.TrimSuffix(path.Base(name), ".toml"))
		if err != nil {
			return nil, fmt.Errorf("name of %s: %w", name, err)
		}
		if tag == language.English {
			c.tags = slices.Insert(c.tags, 0, tag)
		} else {
			c.tags = append(c.tags, tag)
		}
		c.byTag[tag] = sync.OnceValues(func() (*i18n.Localizer, error) { return loadMessages(tag, name) })
	}
	c.matcher = language.NewMatcher(c.tags)
	return c, nil
}

// loadMessages reads the messages in one language.
func loadMessages(tag language.Tag, name string) (*i18n.Localizer, error) {
	bundle := i18n.NewBundle(tag)
	bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	if _, err := bundle.LoadMessageFileFS(messageFiles, name); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return i18n.NewLocalizer(bundle, tag.String()), nil
}

// parts returns the message key with values, pairs of a name and a text, put
// in their places. A value is cleaned (CleanText) and stays a part of its own,
// so that a page can isolate it from the direction of the text around it. An
// empty value stays empty, so that a message can have words for its absence.
func (c *catalogue) parts(tag language.Tag, key string, values ...any) ([]part, error) {
	if len(values)%2 != 0 {
		return nil, fmt.Errorf("message %s: a value without a name", key)
	}
	texts := make([]string, 0, len(values)/2)
	data := make(map[string]string, len(values)/2)
	for pair := range slices.Chunk(values, 2) {
		name, text := fmt.Sprint(pair[0]), CleanText(fmt.Sprint(pair[1]))
		data[name] = ""
		if text != "" {
			data[name] = string(placeholder + rune(len(texts)))
		}
		texts = append(texts, text)
	}
	messages, err := c.byTag[tag]()
	if err != nil {
		return nil, err
	}
	message, err := messages.Localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: data})
	if message == "" {
		return nil, fmt.Errorf("message %s in %s: %w", key, tag, err)
	}
	return split(message, texts), nil
}

// split cuts message at its placeholders and puts the values there.
func split(message string, values []string) []part {
	var parts []part
	var words strings.Builder
	flush := func() {
		if words.Len() > 0 {
			parts = append(parts, part{Text: words.String()})
			words.Reset()
		}
	}
	for _, r := range message {
		if i := int(r - placeholder); i >= 0 && i < len(values) {
			flush()
			parts = append(parts, part{Text: values[i], Value: true})
			continue
		}
		words.WriteRune(r)
	}
	flush()
	return parts
}

// text is parts as one string, for titles and attributes.
func (c *catalogue) text(tag language.Tag, key string, values ...any) (string, error) {
	parts, err := c.parts(tag, key, values...)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, p := range parts {
		text.WriteString(p.Text)
	}
	return text.String(), nil
}
