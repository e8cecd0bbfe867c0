package templates

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
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

// catalogueFile is the text of a catalogue, and where it is from: what an error in
// it names.
type catalogueFile struct {
	tag  language.Tag
	path string
	text func() ([]byte, error)
}

// openCatalogue finds messages/LANGUAGE.toml, and in a folder of the administrator
// the files of the same kind, which change some texts of a language, or add one;
// "" has none.
func openCatalogue(folder string) (*catalogue, error) {
	files, err := catalogueFiles(messageFiles, "messages")
	if err != nil {
		return nil, err
	}
	var own []catalogueFile
	if folder != "" {
		if own, err = catalogueFiles(os.DirFS(folder), "."); err != nil {
			return nil, err
		}
	}
	c := &catalogue{byTag: map[language.Tag]func() (*i18n.Localizer, error){}}
	byTag := map[language.Tag][]catalogueFile{}
	for _, f := range append(files, own...) {
		switch {
		case byTag[f.tag] != nil:
		case f.tag == language.English:
			c.tags = slices.Insert(c.tags, 0, f.tag)
		default:
			c.tags = append(c.tags, f.tag)
		}
		byTag[f.tag] = append(byTag[f.tag], f)
	}
	for tag, all := range byTag {
		c.byTag[tag] = sync.OnceValues(func() (*i18n.Localizer, error) { return loadMessages(all) })
	}
	c.matcher = language.NewMatcher(c.tags)
	return c, c.checkOwn(files, own, folder)
}

// catalogueFiles are those of a folder. Their names are languages.
func catalogueFiles(in fs.FS, folder string) ([]catalogueFile, error) {
	names, err := fs.Glob(in, path.Join(folder, "*.toml"))
	if err != nil {
		return nil, err
	}
	var all []catalogueFile
	for _, name := range names {
		tag, err := language.Parse(strings.TrimSuffix(path.Base(name), ".toml"))
		if err != nil {
			return nil, fmt.Errorf("%s is called like no language: %w", name, err)
		}
		all = append(all, catalogueFile{tag: tag, path: name, text: func() ([]byte, error) { return fs.ReadFile(in, name) }})
	}
	return all, nil
}

// loadMessages reads the messages in one language, of which a later file replaces
// those of an earlier one. No message depends on a number, so the rules of English
// for them do for each.
func loadMessages(files []catalogueFile) (*i18n.Localizer, error) {
	bundle := i18n.NewBundle(language.English)
	for _, f := range files {
		messages, err := f.messages()
		if err == nil {
			err = bundle.AddMessages(language.English, messages...)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.path, err)
		}
	}
	return i18n.NewLocalizer(bundle, language.English.String()), nil
}

// messages are those of a file.
func (f catalogueFile) messages() ([]*i18n.Message, error) {
	text, err := f.text()
	if err != nil {
		return nil, err
	}
	return i18n.ParseMessageBytes(text, toml.Unmarshal)
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
