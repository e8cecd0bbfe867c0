package command_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"keymaker/internal/command"
	"keymaker/internal/config"
	"keymaker/internal/harness"
	"keymaker/internal/mail/mailtest"
)

// byCI are the commands of the documents that .ci/run executes, and what stands
// there for them: it reads some of them from the README.
var byCI = map[string]string{"go run . demo --once": "readme_command demo", "go test -race -timeout 20m ./...": "readme_command test", "go build": "go build"}

// block is a fenced block of a document.
type block struct{ document, language, text string }

var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

func blocks(t *testing.T) []block {
	t.Helper()
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	for _, path := range append(documents, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
			all = append(all, block{filepath.Base(path), m[1], m[2]})
		}
	}
	if len(all) < 8 {
		t.Fatalf("only %d blocks found: the documents are written in another way by now", len(all))
	}
	return all
}

// inFolder runs the rest of a test in a folder that has the files the documents
// speak of.
func inFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "keycloak_secret", "secret")
	write(t, "smtp_password", "secret")
	write(t, "wiki_secret", strings.Repeat("s", 44))
	write(t, "tuwunel_client_secret", strings.Repeat("s", 44))
	write(t, "homeserver_secret", strings.Repeat("h", 44))
	write(t, "secret", strings.Repeat("k", 32))
	write(t, "logo.svg", "<svg/>")
	if err := os.Mkdir("templates", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, "token", "syt_of_another_server\n")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// here puts the paths of an installed server into the current folder.
func here(text string) string { return strings.ReplaceAll(text, "/etc/keymaker/", "") }

func TestEveryConfigurationInTheDocumentsIsGood(t *testing.T) {
	for _, b := range blocks(t) {
		if b.language != "toml" || strings.HasPrefix(b.text, catalogueMark) {
			continue
		}
		t.Run(b.document, func(t *testing.T) {
			inFolder(t)
			if _, err := config.Parse("keymaker.toml", []byte(here(b.text)), nil); err != nil {
				t.Errorf("%v in:\n%s", err, b.text)
			}
		})
	}
}

// catalogueMark begins a catalogue of texts in a document.
const catalogueMark = "# /etc/keymaker/templates/"

func TestEveryCatalogueInTheDocumentsIsGood(t *testing.T) {
	const wanted = "[global]\nserver_name = \"example.com\"\n[global.branding]\ntemplates = \"templates\"\n"
	english, err := os.ReadFile("../../templates/messages/en.toml")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, b := range blocks(t) {
		name, isCatalogue := strings.CutPrefix(strings.SplitN(b.text, "\n", 2)[0], catalogueMark)
		if b.language != "toml" || !isCatalogue {
			continue
		}
		found++
		t.Run(b.document+": "+name, func(t *testing.T) {
			inFolder(t)
			write(t, "templates/"+name, b.text)
			write(t, "templates/sv.toml", string(english)) // a language that is added as the document says
			if _, err := config.Parse("keymaker.toml", []byte(wanted), nil); err != nil {
				t.Errorf("%v in:\n%s", err, b.text)
			}
			write(t, "templates/"+name, "[action]\nretri = \"x\"\n")
			const says = "global.branding.templates: templates/de.toml: action.retri: no page has such a text"
			if _, err := config.Parse("keymaker.toml", []byte(wanted), nil); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("the document says %q, the check %v", says, err)
			}
		})
	}
	if found == 0 {
		t.Error("no document has a catalogue")
	}
}

func TestEveryCommandInTheDocumentsWorks(t *testing.T) {
	var readme string
	all := blocks(t)
	for _, b := range all {
		if b.language == "toml" && b.document == "README.md" {
			readme = b.text
		}
	}
	for _, b := range all {
		if b.language != "sh" {
			continue
		}
		for _, line := range strings.Split(strings.TrimSpace(b.text), "\n") {
			t.Run(b.document+": "+line, func(t *testing.T) {
				inFolder(t)
				write(t, "keymaker.toml", readme+"\n[global.database]\nurl = \"sqlite:keymaker.db\"\n")
				if strings.HasPrefix(line, "./keymaker admin mail ") {
					write(t, "keymaker.toml", mailConfiguration(mailtest.Start(t)))
				}
				if strings.Contains(line, " sync-devices ") {
					write(t, "keymaker.toml", readme+"\n[global.homeserver]\nkind = \"synapse\"\nendpoint = \"http://localhost:8008\"\nsecret = \"s\"\n")
				}
				if strings.HasPrefix(line, "./keymaker init ") {
					t.Chdir(t.TempDir()) // where nothing is yet
					write(t, "homeserver.yaml", "server_name: example.com\n")
				}
				if strings.HasPrefix(line, "./keymaker admin ") {
					withAlice(t)
				}
				if args, is := strings.CutPrefix(line, "./keymaker provider test "); is {
					tryProvider(t, strings.Fields(args)...)
					return
				}
				if strings.HasPrefix(line, "pg_") {
					return // see TestTheDumpOfTheDocumentComesBack
				}
				if strings.HasPrefix(line, "./keymaker db copy ") {
					copyThere(t, line)
					return
				}
				if strings.HasPrefix(line, "./keymaker backup ") || strings.HasPrefix(line, "./keymaker restore ") {
					serve(t) // whose first start makes the database
				}
				if strings.HasPrefix(line, "./keymaker restore ") {
					execute(t, "./keymaker backup keymaker.backup")
				}
				if strings.HasPrefix(line, "./keymaker keys ") {
					serve(t) // whose first start makes them
				}
				execute(t, line)
			})
		}
	}
}

// copyThere runs a copy with a PostgreSQL of its own, which is filled first where
// it is copied from.
func copyThere(t *testing.T, line string) {
	t.Helper()
	const there = "postgres://keymaker@localhost/keymaker"
	address := emptyPostgres(t)
	serve(t)
	if strings.Contains(line, "--from "+there) {
		execute(t, "./keymaker db copy --from sqlite:keymaker.db --to "+address)
	}
	execute(t, strings.ReplaceAll(line, there, address))
}

func execute(t *testing.T, line string) {
	t.Helper()
	if there, ok := byCI[line]; ok {
		ci, err := os.ReadFile(filepath.Join(repository, ".ci/run"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(ci, []byte(there)) {
			t.Errorf(".ci/run does not execute %q", line)
		}
		return
	}
	switch ours, is := strings.CutPrefix(line, "./keymaker "); {
	case is && ours == "serve":
		serve(t)
	case is && strings.HasPrefix(ours, "doctor"):
		serve(t) // once, for what its start makes
		status, out, errs := examineAlone(strings.Fields(ours)...)
		if status != 1 || !strings.Contains(out, "issuer.same") {
			t.Errorf("exit status %d: %s%s", status, out, errs)
		}
	case is:
		var out, errs bytes.Buffer
		if status := command.Main(strings.Fields(ours), &command.Streams{Out: &out, Err: &errs}); status != 0 {
			t.Errorf("exit status %d: %s%s", status, out.String(), errs.String())
		}
	case strings.HasPrefix(line, "curl "):
		e := harness.Start(t)
		path := strings.TrimPrefix(line, "curl https://matrix.example.com")
		if a := e.Get(path); a.Status != http.StatusOK {
			t.Errorf("%s: status %d", path, a.Status)
		}
	default:
		if out, err := exec.CommandContext(context.Background(), "sh", "-c", here(line)).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}
