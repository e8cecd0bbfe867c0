// Package packaging tests what docs/deploy/build makes.
package packaging_test

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keymaker/internal/porttest"
)

// variable says that packages and images are to be made, for which the programs
// of .ci/run must be installed, and who runs the tests be root.
const variable = "KEYMAKER_TEST_PACKAGES"

const repository = "../.."

func TestMain(m *testing.M) {
	status := m.Run()
	if os.Getenv(variable) == "" {
		fmt.Printf("Packages were not tested: %s is not set\n", variable)
	}
	os.Exit(status)
}

// run runs a program, which must succeed, and returns what it prints.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	said, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, said, errs.String())
	}
	return string(said)
}

// build runs docs/deploy/build for version 1.2.3.
func build(t *testing.T, what, out string, env ...string) {
	t.Helper()
	run(t, append(env, "VERSION=1.2.3"), filepath.Join(repository, "docs/deploy/build"), what, out)
}

func TestTheProgramIsOneFileThatSaysWhatItIs(t *testing.T) {
	if os.Getenv(variable) == "" {
		return
	}
	folder := t.TempDir()
	first, second := filepath.Join(folder, "first"), filepath.Join(folder, "second")
	build(t, "binary", first)
	build(t, "binary", second)
	if said := run(t, nil, first, "version"); !strings.HasPrefix(said, "keymaker 1.2.3, commit ") || strings.Contains(said, "(unknown)") {
		t.Errorf("it says %q", said)
	}
	program, err := elf.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = program.Close() }()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it needs other files to run")
		}
	}
	if !bytes.Equal(read(t, first), read(t, second)) {
		t.Error("the same commit gives another program")
	}
	expectBOM(t, read(t, first+".sbom.json"))
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// expectBOM wants a bill of materials in which every module has a licence.
func expectBOM(t *testing.T, text []byte) {
	t.Helper()
	var bom struct {
		Components []struct {
			Name     string
			Licenses []struct{ Expression string }
		}
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range bom.Components {
		found[c.Name] = true
		if len(c.Licenses) != 1 || c.Licenses[0].Expression == "" {
			t.Errorf("%s has no licence", c.Name)
		}
	}
	for _, want := range []string{"std", "github.com/ory/fosite", "gorm.io/gorm", "modernc.org/sqlite"} {
		if !found[want] {
			t.Errorf("%s is not in it", want)
		}
	}
}

func TestTheImageRunsAsNobodyOnAFileSystemThatItCannotWriteTo(t *testing.T) {
	if os.Getenv(variable) == "" {
		return
	}
	const name = "localhost/keymaker-packaging-test"
	store := t.TempDir()
	env := []string{"IMAGE_BUILDER=buildah", "STORAGE_DRIVER=vfs", "CONTAINERS_STORAGE_CONF=" + storage(t, store)}
	build(t, "image", name, env...)
	var image struct {
		OCIv1 struct {
			Config struct {
				User       string
				Entrypoint []string
				Cmd        []string
				Labels     map[string]string
			} `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(run(t, env, "buildah", "inspect", "--type", "image", name)), &image); err != nil {
		t.Fatal(err)
	}
	if c := image.OCIv1.Config; c.User != "65532:65532" || c.Labels["org.opencontainers.image.version"] != "1.2.3" || strings.Join(append(c.Entrypoint, c.Cmd...), " ") != "/usr/bin/keymaker serve" {
		t.Errorf("the image is %+v", c)
	}
	container := strings.TrimSpace(run(t, env, "buildah", "from", name))
	root := strings.TrimSpace(run(t, env, "buildah", "mount", container))
	t.Cleanup(func() { _ = exec.Command("buildah", "umount", container).Run() })
	port := porttest.Free(t)
	write(t, filepath.Join(root, "etc/keymaker/keymaker.toml"), fmt.Sprintf("[global]\nserver_name = \"example.com\"\nport = %d\n", port))
	// What a container engine does with --read-only, and a volume for the data.
	const script = `mount --bind "$0" "$0" && mount -t tmpfs -o uid=65532,gid=65532,mode=700 data "$0/var/lib/keymaker" &&
		mount -o remount,ro,bind "$0" && exec chroot --userspec=65532:65532 "$0" /usr/bin/keymaker serve --config /etc/keymaker/keymaker.toml`
	server := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-c", script, root)
	server.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", `KEYMAKER_GLOBAL__ADDRESS=["127.0.0.1"]`, "KEYMAKER_GLOBAL__DATABASE__URL=sqlite:/var/lib/keymaker/keymaker.db"}
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if a, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", port)); err == nil {
			_ = a.Body.Close()
			if a.StatusCode == http.StatusOK {
				_ = server.Process.Signal(os.Interrupt)
				if err := server.Wait(); err != nil {
					t.Errorf("it ends with %v\n%s", err, log.String())
				}
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	_ = server.Process.Kill()
	_ = server.Wait()
	t.Errorf("it does not answer\n%s", log.String())
}

// storage is a configuration by which images are in a folder of the test.
func storage(t *testing.T, folder string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "storage.conf")
	write(t, path, fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(folder, "graph"), filepath.Join(folder, "run")))
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTheDebianPackageHasTheProgramTheUnitsAndTheLicences(t *testing.T) {
	if os.Getenv(variable) == "" {
		return
	}
	folder := t.TempDir()
	build(t, "deb", folder)
	packages, err := filepath.Glob(filepath.Join(folder, "keymaker_1.2.3_*.deb"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("packages %q, %v", packages, err)
	}
	if about := run(t, nil, "dpkg-deb", "--info", packages[0]); !strings.Contains(about, "Package: keymaker\n") || !strings.Contains(about, "Version: 1.2.3\n") {
		t.Errorf("it is\n%s", about)
	}
	root, control := filepath.Join(folder, "root"), filepath.Join(folder, "control")
	run(t, nil, "dpkg-deb", "--extract", packages[0], root)
	run(t, nil, "dpkg-deb", "--control", packages[0], control)
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		run(t, nil, "sh", "-n", filepath.Join(control, script))
	}
	if said := run(t, nil, filepath.Join(root, "usr/bin/keymaker"), "version"); !strings.HasPrefix(said, "keymaker 1.2.3,") {
		t.Errorf("it says %q", said)
	}
	unit := string(read(t, filepath.Join(root, "usr/lib/systemd/system/keymaker.service")))
	if !strings.Contains(unit, "ExecStart=/usr/bin/keymaker ") {
		t.Errorf("the unit is\n%s", unit)
	}
	for _, file := range []string{"usr/lib/systemd/system/keymaker.socket", "usr/lib/sysusers.d/keymaker.conf", "usr/share/doc/keymaker/copyright", "usr/share/doc/keymaker/licences.txt.gz", "usr/share/doc/keymaker/sbom.json.gz"} {
		if len(read(t, filepath.Join(root, file))) == 0 {
			t.Errorf("%s is empty", file)
		}
	}
}
