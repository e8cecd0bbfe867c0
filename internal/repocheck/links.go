package repocheck

import (
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
)

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	link     = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)`)
	linkNote = regexp.MustCompile(`^ {0,3}\[[^\]]+\]:\s+<?([^\s>]+)>?`)
	heading  = regexp.MustCompile(`^#{1,6}\s+(.+?)\s*#*$`)

	// ownPath is code that can only be a path of this repository.
	ownPath = regexp.MustCompile(`^(?:\.ci|docs|handlers|internal|provider|store|templates|testdata|upstream)/[\w./-]*$`)
)

// Links checks what the Markdown file called name says about other files of
// the repository: its relative links with their anchors, and the paths that
// it sets as code. Each finding is a sentence. Links to elsewhere are not
// followed.
func Links(fsys fs.FS, name string) ([]string, error) {
	document, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("read a document: %w", err)
	}
	var findings []string
	for _, line := range prose(document) {
		found := func(problem string) {
			findings = append(findings, fmt.Sprintf("%s:%d: %s", name, line.number, problem))
		}
		for _, span := range codeSpan.FindAllStringSubmatch(line.text, -1) {
			if !ownPath.MatchString(span[1]) {
				continue
			}
			if _, err := fs.Stat(fsys, path.Clean(span[1])); err != nil {
				found("there is no " + span[1])
			}
		}
		text := codeSpan.ReplaceAllString(line.text, "")
		for _, match := range append(link.FindAllStringSubmatch(text, -1), linkNote.FindAllStringSubmatch(text, -1)...) {
			if problem := follow(fsys, name, match[1]); problem != "" {
				found(problem)
			}
		}
	}
	return findings, nil
}

// follow says what is wrong with a link in the document called from, or "".
func follow(fsys fs.FS, from, target string) string {
	to, err := url.Parse(target)
	if err != nil {
		return fmt.Sprintf("%s is no link: %v", target, err)
	}
	if to.IsAbs() || to.Host != "" {
		return ""
	}
	file := from
	if to.Path != "" {
		file = path.Join(path.Dir(from), to.Path)
	}
	if !fs.ValidPath(file) || path.IsAbs(to.Path) {
		return target + " leads out of the repository"
	}
	info, err := fs.Stat(fsys, file)
	if err != nil {
		return fmt.Sprintf("%s leads to %s, which is not there", target, file)
	}
	if to.Fragment == "" || info.IsDir() || path.Ext(file) != ".md" {
		return ""
	}
	document, err := fs.ReadFile(fsys, file)
	if err != nil {
		return err.Error()
	}
	if !anchors(document)[to.Fragment] {
		return fmt.Sprintf("%s has no heading for #%s", file, to.Fragment)
	}
	return ""
}

// anchors are the fragments that the headings of a document answer to: lower
// case, words joined by hyphens, all other punctuation gone, a repeated one
// numbered from 1.
func anchors(document []byte) map[string]bool {
	found := map[string]bool{}
	times := map[string]int{}
	for _, line := range prose(document) {
		match := heading.FindStringSubmatch(line.text)
		if match == nil {
			continue
		}
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ' || r == '-':
				return '-'
			case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, match[1])
		if n := times[slug]; n > 0 {
			found[fmt.Sprintf("%s-%d", slug, n)] = true
		} else {
			found[slug] = true
		}
		times[slug]++
	}
	return found
}
