// Package catalog knows the models and voices that have a name of their own:
// which file they are, where that file lies on this machine, and from which
// hub repository it can be had. It looks only into the folders it is given.
package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Kind tells language models from voices.
type Kind string

// The kinds.
const (
	Model Kind = "model"
	Voice Kind = "voice"
)

// Entry is one model or voice.
type Entry struct {
	Name     string `json:"name"`
	Kind     Kind   `json:"kind"`
	File     string `json:"file"`      // file name in the models or voices folder
	Repo     string `json:"repo"`      // hub repository, empty = comes with the build
	RepoFile string `json:"repo_file"` // path inside it
	Size     string `json:"size"`      // about, for people
	Licence  string `json:"licence"`
	About    string `json:"about"`
	Default  bool   `json:"default,omitempty"`

	// Beside are further files that a voice needs, pulled with it.
	Beside []Beside `json:"beside,omitempty"`

	// Sampling is what the model's authors recommend; nil where they are silent.
	Sampling *Sampling `json:"sampling,omitempty"`
}

// Beside is a file that belongs to an entry.
type Beside struct {
	File     string `json:"file"`      // path below the folder of the kind
	RepoFile string `json:"repo_file"` // path in the entry's repository
}

// Sampling is a model's recommended sampling; 0 = nothing is said.
type Sampling struct {
	Temperature   float64 `json:"temperature,omitempty"`
	TopP          float64 `json:"top_p,omitempty"`
	TopK          int     `json:"top_k,omitempty"`
	RepeatPenalty float64 `json:"repeat_penalty,omitempty"`
}

// Get returns the entry with a name; "NAME:latest" is NAME.
func Get(name string) (Entry, bool) {
	name = strings.TrimSuffix(name, ":latest")
	i := slices.IndexFunc(Entries, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return Entries[i], true
}

// ByFile returns the entry whose file has the name of path.
func ByFile(path string) (Entry, bool) {
	i := slices.IndexFunc(Entries, func(e Entry) bool { return filepath.Base(e.File) == filepath.Base(path) })
	if i < 0 {
		return Entry{}, false
	}
	return Entries[i], true
}

// Default returns the entry that a kind is served with when nothing is named.
func Default(k Kind) Entry {
	i := slices.IndexFunc(Entries, func(e Entry) bool { return e.Kind == k && e.Default })
	return Entries[i]
}

// Path is where an entry's file belongs below the cache directory.
func (e Entry) Path(cache string) string {
	return filepath.Join(cache, string(e.Kind)+"s", e.File)
}

// Present tells whether the file is there.
func (e Entry) Present(cache string) bool {
	st, err := os.Stat(e.Path(cache))
	return err == nil && st.Mode().IsRegular()
}

// Resolve turns a flag's PATH, a file or a catalogue name, into a file that
// exists.
func Resolve(path, cache string) (string, error) {
	if e, ok := Get(path); ok {
		if !e.Present(cache) {
			how := `run "repartee models pull ` + e.Name + `"`
			if e.Repo == "" {
				how = `run "make fetch"`
			}
			return "", fmt.Errorf("catalog: %s is not on this machine (%s): %s", e.Name, e.Path(cache), how)
		}
		return e.Path(cache), nil
	}
	st, err := os.Stat(path)
	switch {
	case err != nil && !strings.ContainsAny(path, "/."):
		return "", fmt.Errorf("catalog: %q is neither a file nor a name of the catalogue (%s)", path, names())
	case err != nil:
		return "", fmt.Errorf("catalog: file %q cannot be used: %w", path, err)
	case !st.Mode().IsRegular():
		return "", fmt.Errorf("catalog: %q is not a file", path)
	}
	return path, nil
}

func names() string {
	var out []string
	for _, e := range Entries {
		out = append(out, e.Name)
	}
	return strings.Join(out, ", ")
}
