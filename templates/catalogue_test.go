package templates

import (
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/pelletier/go-toml/v2"
)

// asInEnglish is the description of a message that reads as in English and is
// translated all the same: {description = "as in English", other = "Code"}.
const asInEnglish = "as in English"

// keyInTemplate finds the messages that a template names.
var keyInTemplate = regexp.MustCompile(`\b(?:t|parts) "([a-z_.]+)"`)

// badSpace finds a space too many.
var badSpace = regexp.MustCompile(`^ | $|  | [.,]`)

// messages returns the catalogues: language -> key -> message.
func messages(t *testing.T) map[string]map[string]*i18n.Message {
	t.Helper()
	files, err := fs.Glob(messageFiles, "messages/*")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]*i18n.Message{}
	for _, name := range files {
		source, err := fs.ReadFile(messageFiles, name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := i18n.ParseMessageFileBytes(source, name, map[string]i18n.UnmarshalFunc{"toml": toml.Unmarshal})
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string]*i18n.Message{}
		for _, m := range file.Messages {
			texts[m.ID] = m
		}
		all[strings.TrimSuffix(path.Base(name), ".toml")] = texts
	}
	return all
}

// used returns the keys of the messages that pages can show.
func used(t *testing.T) []string {
	t.Helper()
	keys := map[string]bool{}
	files, err := fs.Glob(pages, "*/*.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		source, err := fs.ReadFile(pages, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range keyInTemplate.FindAllStringSubmatch(string(source), -1) {
			keys[match[1]] = true
		}
	}
	for reason := range statuses {
		for _, what := range []string{"title", "what", "next"} {
			keys["error."+string(reason)+"."+what] = true
		}
	}
	for _, kind := range noticeKinds {
		keys["notice."+string(kind)+".title"] = true
		keys["notice."+string(kind)+".what"] = true
	}
	for _, kind := range mailKinds {
		for _, what := range []string{"subject", "what", "act"} {
			keys[Mail{Kind: kind}.message(what)] = what != "act" || kind != MailTest
		}
	}
	for _, kind := range []PictureProblemKind{PictureTooLarge, PictureUnreadable, PictureNotTaken} {
		keys["profile.picture_"+string(kind)] = true
	}
	for prefix, names := range map[string][]string{"activity.": activityActions, "activity.by_": activityActors, "activity.why_": activityReasons} {
		for _, name := range names {
			keys[prefix+name] = true
		}
	}
	for _, s := range sections {
		keys["account.section_"+string(s)] = true
		if s != SectionHome {
			keys["account.about_"+string(s)] = true
		}
	}
	for _, l := range (Branding{Privacy: "-", Terms: "-", Imprint: "-"}).footLinks() {
		keys["footer."+l.Key] = true
	}
	for _, p := range permissions {
		keys["permission."+string(p)] = true
	}
	for _, kind := range []ActionKind{ActionContinue, ActionRestart, ActionRetry, ActionChoose, ActionAccount, ActionAnother} {
		keys["action."+string(kind)] = true
	}
	maps.DeleteFunc(keys, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(keys))
}

func TestEveryCatalogueHasTheMessagesOfThePagesAndNoOther(t *testing.T) {
	want := used(t)
	for lang, texts := range messages(t) {
		t.Run(lang, func(t *testing.T) {
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(texts))); diff != "" {
				t.Errorf("-used +in the catalogue\n%s", diff)
			}
		})
	}
}

func TestEveryMessageIsTranslated(t *testing.T) {
	all := messages(t)
	spaces := strings.NewReplacer("\u00a0", " ", "\u202f", " ") // that do not break
	for lang, texts := range all {
		t.Run(lang, func(t *testing.T) {
			for key, m := range texts {
				text := spaces.Replace(m.Other)
				if text == "" {
					t.Errorf("%s has no text", key)
				}
				if strings.ContainsRune(text, placeholder) || CleanText(text) != text {
					t.Errorf("%s has invisible characters, or spaces that nobody needs", key)
				}
				same := lang != "en" && m.Other == all["en"][key].Other
				if marked := m.Description == asInEnglish; same != marked {
					t.Errorf("%s: same as English is %t, its description says %q", key, same, m.Description)
				}
			}
		})
	}
}

// A value that may be missing needs words for its absence in every language.
func TestEveryTranslationHasTheValuesOfTheEnglishText(t *testing.T) {
	all := messages(t)
	find := func(what *regexp.Regexp, m *i18n.Message) []string {
		found := what.FindAllString(m.Other, -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	for lang, texts := range all {
		for key, m := range texts {
			if got, want := find(valueInMessage, m), find(valueInMessage, all["en"][key]); !slices.Equal(got, want) {
				t.Errorf("%s in %s has the values %q, want %q", key, lang, got, want)
			}
			if got, want := find(askedFor, m), find(askedFor, all["en"][key]); !slices.Equal(got, want) {
				t.Errorf("%s in %s asks %q, want %q", key, lang, got, want)
			}
		}
	}
}

func TestEveryMessageReadsWellWithAndWithoutWhatMayBeMissing(t *testing.T) {
	c := renderer(t).catalogue
	for _, tag := range c.tags {
		for key, m := range messages(t)[tag.String()] {
			var full, little []any
			for _, name := range valueInMessage.FindAllString(m.Other, -1) {
				full = append(full, name[1:], "value")
				if !strings.Contains(m.Other, "{{if "+name+"}}") {
					little = append(little, name[1:], "value")
				}
			}
			for _, values := range [][]any{full, little} {
				text, err := c.text(tag, key, values...)
				if err != nil || strings.ContainsAny(text, "{}<>") || badSpace.MatchString(text) {
					t.Errorf("%s in %s is %q, error %v", key, tag, text, err)
				}
			}
		}
	}
}

func TestValuesOfAMessageStayApart(t *testing.T) {
	c := renderer(t).catalogue
	got, err := c.parts(c.tags[0], "confirm.lead_web", "Host", "app\u202e.example", "User", string(placeholder)+"@alice:example.org")
	if err != nil {
		t.Fatal(err)
	}
	want := []part{
		{"app.example", true},
		{" will be able to use your whole account ", false},
		{"@alice:example.org", true},
		{". Continue only if you have just started to sign in there.", false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestAMessageThatCannotBeMadeIsAnError(t *testing.T) {
	c := renderer(t).catalogue
	if _, err := c.parts(c.tags[0], "no.such.message"); err == nil || !strings.Contains(err.Error(), "no.such.message") {
		t.Errorf("got %v, want an error that names the message", err)
	}
	if _, err := c.parts(c.tags[0], "choose.heading", "Server"); err == nil {
		t.Error("a value without a name is no error")
	}
}
