package config

import (
	"errors"
	"io/fs"
	"os"
)

// searched are the files that are looked for when none is named.
var searched = []string{"keymaker.toml", "/etc/keymaker/keymaker.toml"}

// Options say where a configuration comes from.
type Options struct {
	Path string   // the file; "" = there is none, and the environment is all
	Env  []string // the environment, as os.Environ returns it
}

// Find is the path of the configuration file: the --config flag, then
// $KEYMAKER_CONFIG, then keymaker.toml in the working directory, then
// /etc/keymaker/keymaker.toml. It is "" when neither of the last two is there.
func Find(flag string, env func(string) string) string {
	if flag != "" {
		return flag
	}
	if path := env(envPath); path != "" {
		return path
	}
	for _, path := range searched {
		// One that is there and cannot be read is an error, and not skipped.
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path
		}
	}
	return ""
}

// Load reads the configuration file and the environment. The error is Problems:
// everything that is wrong.
func Load(o Options) (*Config, error) {
	if o.Path == "" {
		return loadEnvironment(o.Env)
	}
	data, err := os.ReadFile(o.Path)
	if err != nil {
		return nil, Problems{report(place{file: o.Path}, "", unreadable(err))}
	}
	return Parse(o.Path, data, o.Env)
}

// loadEnvironment does without a file, and says so if that is not enough.
func loadEnvironment(env []string) (*Config, error) {
	c, err := Parse("", nil, env)
	var problems Problems
	if errors.As(err, &problems) {
		for _, path := range searched {
			problems = append(problems, Problem{File: path, Message: "there is no such file, so only the environment was read"})
		}
		return nil, problems
	}
	return c, err
}

// Parse reads a configuration file that is called name in messages, and the
// environment over it, as os.Environ returns it. The error is Problems:
// everything that is wrong, the files of secrets included.
func Parse(name string, data []byte, env []string) (*Config, error) {
	r := reader{draft: draft{config: &Config{}}}
	root, problem := parseTOML(name, data)
	if problem != nil {
		r.partial = true
		r.problems = append(r.problems, *problem)
	}
	r.overlay(root, env)
	r.section(&whole, root, "")
	if len(r.problems) > 0 {
		r.problems.sort()
		return nil, r.problems
	}
	r.warnings.sort()
	for _, w := range r.warnings {
		r.draft.config.Warnings = append(r.draft.config.Warnings, w.String())
	}
	return r.draft.config, nil
}
