package templates

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// What a message does with values.
var (
	valueInMessage = regexp.MustCompile(`\.[A-Z]\w*`)              // uses one
	askedFor       = regexp.MustCompile(`\{\{if (\.[A-Z]\w*)\}\}`) // asks whether there is one
)

// action is what stands between braces in a message.
var action = regexp.MustCompile(`\{\{[^}]*\}\}`)

// valuesOf are the values that a message uses, each with its dot.
func valuesOf(message string) []string {
	var values []string
	for _, a := range action.FindAllString(message, -1) {
		values = append(values, valueInMessage.FindAllString(a, -1)...)
	}
	return values
}

// checkOwn says what is wrong with the catalogues of an administrator beside ours:
// a text that no page has, one that cannot be shown, and what a new language lacks.
func (c *catalogue) checkOwn(ours, own []catalogueFile, folder string) error {
	if len(own) == 0 {
		return nil
	}
	english, err := englishMessages(ours)
	if err != nil {
		return err
	}
	var found []error
	for _, f := range own {
		added := !slices.ContainsFunc(ours, func(o catalogueFile) bool { return o.tag == f.tag })
		for _, problem := range c.check(f, english, added) {
			found = append(found, fmt.Errorf("%s: %w", filepath.Join(folder, f.path), problem))
		}
	}
	return errors.Join(found...)
}

// englishMessages are the English ones of some files, by key.
func englishMessages(files []catalogueFile) (map[string]*i18n.Message, error) {
	byKey := map[string]*i18n.Message{}
	for _, f := range files {
		if f.tag != language.English {
			continue
		}
		messages, err := f.messages()
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			byKey[m.ID] = m
		}
	}
	return byKey, nil
}

// check compares a file with the English messages: whole wants all of them.
func (c *catalogue) check(f catalogueFile, english map[string]*i18n.Message, whole bool) []error {
	messages, err := f.messages()
	if err != nil {
		return []error{err}
	}
	var found []error
	has := map[string]bool{}
	for _, m := range messages {
		has[m.ID] = true
		ours, ok := english[m.ID]
		if !ok {
			found = append(found, fmt.Errorf("%s: no page has such a text", m.ID))
		} else if err := c.checkMessage(f.tag, m, ours.Other); err != nil {
			found = append(found, fmt.Errorf("%s: %w", m.ID, err))
		}
	}
	var missing []string
	for key := range english {
		if whole && !has[key] {
			missing = append(missing, key)
		}
	}
	if slices.Sort(missing); len(missing) > 0 {
		found = append(found, fmt.Errorf("a new language needs every text; missing: %s", strings.Join(missing, ", ")))
	}
	return found
}

// checkMessage compares a text with the English one: it may leave out a value, but
// have no other, and it can be shown where the value is missing.
func (c *catalogue) checkMessage(tag language.Tag, m *i18n.Message, english string) error {
	visible := strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(m.Other) // spaces that do not break
	if visible == "" || CleanText(visible) != visible {
		return errors.New("it is empty, or has line breaks, invisible characters or spaces that nobody needs")
	}
	var full, little []any
	for _, name := range valuesOf(m.Other) {
		if !slices.Contains(valuesOf(english), name) {
			return fmt.Errorf("there is no value %s here", name)
		}
		asks := "{{if " + name + "}}"
		if strings.Contains(english, asks) && !strings.Contains(m.Other, asks) {
			return fmt.Errorf("the value %s may be missing: ask with %s", name, asks)
		}
		full = append(full, name[1:], "value")
		if !strings.Contains(english, asks) {
			little = append(little, name[1:], "value")
		}
	}
	for _, values := range [][]any{full, little} {
		if _, err := c.text(tag, m.ID, values...); err != nil {
			return err
		}
	}
	return nil
}
