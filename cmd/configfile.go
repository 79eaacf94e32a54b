package cmd

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// configFile is the YAML file of --config: flag names of serve and their
// values. A command's name as a key opens a block for that command alone, which
// goes before the rest.
type configFile map[string]any

// readConfig parses the file; kong calls it.
func readConfig(r io.Reader) (kong.Resolver, error) {
	file := map[string]any{}
	if err := yaml.NewDecoder(r).Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	return configFile(file), nil
}

// Validate refuses keys that no flag has: a mistyped key would be a setting
// that silently does not hold.
func (f configFile) Validate(app *kong.Application) error {
	commands := map[string]map[string]bool{}
	for _, leaf := range app.Leaves(true) {
		top := leaf
		for top.Parent != nil && top.Parent.Type != kong.ApplicationNode {
			top = top.Parent
		}
		name := top.Name
		if commands[name] == nil {
			commands[name] = map[string]bool{}
		}
		for _, flag := range leaf.Flags {
			commands[name][flag.Name] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f)) {
		block, isBlock := f[key].(map[string]any)
		switch {
		case isBlock && commands[key] == nil:
			return fmt.Errorf("configuration file: %q is no command", key)
		case isBlock:
			for _, name := range slices.Sorted(maps.Keys(block)) {
				if !commands[key][name] {
					return fmt.Errorf("configuration file: %q is no flag of %s", name, key)
				}
			}
		case !commands["serve"][key]:
			return fmt.Errorf("configuration file: %q is no flag of serve", key)
		}
	}
	return nil
}

// Resolve gives a flag's value, and steps back where the environment says
// something: kong would let the file win.
func (f configFile) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	node := parent.Node()
	if node == nil || node.Type == kong.ApplicationNode {
		return nil, nil
	}
	if block, ok := f[node.Name].(map[string]any); ok && block[flag.Name] != nil {
		return flagText(block[flag.Name]), nil
	}
	if _, isBlock := f[flag.Name].(map[string]any); isBlock || f[flag.Name] == nil {
		return nil, nil
	}
	return flagText(f[flag.Name]), nil
}

// flagText writes a YAML value the way the command line would have it; a list
// becomes a repeated flag.
func flagText(v any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprint(v)
	}
	var parts []string
	for _, item := range list {
		parts = append(parts, fmt.Sprint(item))
	}
	return kong.JoinEscaped(parts, ',')
}
