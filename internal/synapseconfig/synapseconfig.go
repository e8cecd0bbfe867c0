// Package synapseconfig reads the configuration of a Synapse, to say what stands
// in the way of delegating authentication to this server. It writes nothing.
package synapseconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// largest is the size in bytes that no file of a configuration exceeds.
const largest = 4 << 20

// Place is a line of a file, counted from 1.
type Place struct {
	File string
	Line int
}

// String is file:line.
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Conflict is an option that Synapse does not accept beside the delegation.
type Conflict struct {
	Place
	// Option is the dotted path of the option, and Remedy what to do about it.
	Option, Remedy string
}

// entry is an option of the top level, and the file it stands in.
type entry struct {
	file       string
	key, value *yaml.Node
}

// Config is the configuration of a Synapse.
type Config struct {
	options map[string]entry
}

// Read reads the files as Synapse does: a folder stands for all *.yaml in it, in
// the order of their names, and a later file replaces whole options of an
// earlier one. The errors name a file and a line, and no value.
func Read(paths ...string) (*Config, error) {
	c := &Config{options: map[string]entry{}}
	files, err := find(paths)
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		if err := c.read(path); err != nil {
			return nil, err
		}
	}
	if len(c.options) == 0 {
		return nil, fmt.Errorf("%s has no options of Synapse in it", strings.Join(paths, ", "))
	}
	return c, nil
}

// find lists the files that the paths stand for.
func find(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("read the configuration of Synapse: %w", err)
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		inside, err := filepath.Glob(filepath.Join(path, "*.yaml"))
		if err != nil {
			return nil, fmt.Errorf("read the configuration of Synapse: %w", err)
		}
		sort.Strings(inside)
		files = append(files, inside...)
	}
	return files, nil
}

func (c *Config) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read the configuration of Synapse: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, largest+1))
	if err != nil {
		return fmt.Errorf("read the configuration of Synapse: %w", err)
	}
	if len(data) > largest {
		return fmt.Errorf("%s is larger than %d bytes: it is no configuration of Synapse", path, largest)
	}
	return c.parse(path, data)
}

// parse adds a file, that is called name in messages.
func (c *Config) parse(name string, data []byte) error {
	var document yaml.Node
	switch err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil // nothing but comments
	case err != nil:
		// The message of the parser can quote what stands there.
		return fmt.Errorf("%s is not YAML%s", name, lineOf(err))
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return fmt.Errorf("%s is no configuration of Synapse: it holds no options", name)
	}
	for key, value := range pairs(document.Content[0]) {
		c.options[key.Value] = entry{file: name, key: key, value: value}
	}
	return nil
}

// lineOf is the line that a message of the parser names.
func lineOf(err error) string {
	var line int
	if _, scan := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); scan != nil {
		return ""
	}
	return fmt.Sprintf(": line %d", line)
}

// ServerName is the Matrix server name; "" when there is none.
func (c *Config) ServerName() string { return c.text("server_name") }

// PublicBaseURL is where Synapse says that clients find it, with its place; ""
// when it does not say.
func (c *Config) PublicBaseURL() (string, Place) {
	return c.text("public_baseurl"), c.place("public_baseurl")
}

// Delegation is where the configuration delegates authentication already, to this
// server or to another one.
func (c *Config) Delegation() (Place, bool) {
	e, is := c.options["matrix_authentication_service"]
	return c.place("matrix_authentication_service"), is && e.value.Kind == yaml.MappingNode
}

func (c *Config) place(option string) Place {
	e, is := c.options[option]
	if !is {
		return Place{}
	}
	return Place{File: e.file, Line: e.key.Line}
}

func (c *Config) text(option string) string {
	e, is := c.options[option]
	if v := resolve(e.value); is && v != nil && v.Kind == yaml.ScalarNode && !isNull(v) {
		return v.Value
	}
	return ""
}
