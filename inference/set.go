package inference

import "fmt"

// Set is all resident engines by the names they are served under. It does not
// change after it was made.
type Set struct {
	names   []string
	engines map[string]*Engine
	quality string
}

// NewSet makes a set; the first name is the default model. Several names may
// stand for one engine. quality may be empty.
func NewSet(names []string, engines map[string]*Engine, quality string) (*Set, error) {
	for _, n := range names {
		if engines[n] == nil {
			return nil, fmt.Errorf("inference: no engine is called %q", n)
		}
	}
	if quality != "" && engines[quality] == nil {
		return nil, fmt.Errorf("inference: --quality-model %q is not one of the models %q", quality, names)
	}
	return &Set{names: names, engines: engines, quality: quality}, nil
}

// Get returns the engine served under a name.
func (s *Set) Get(name string) (*Engine, bool) {
	e, ok := s.engines[name]
	return e, ok
}

// Names returns all names, the default first. The caller must not change it.
func (s *Set) Names() []string { return s.names }

// DefaultName returns the default model's name, empty when there is no model.
func (s *Set) DefaultName() string {
	if len(s.names) == 0 {
		return ""
	}
	return s.names[0]
}

// QualityName returns the name that "mode":"quality" means.
func (s *Set) QualityName() string {
	if s.quality != "" {
		return s.quality
	}
	return s.DefaultName()
}

// Engines returns each engine once.
func (s *Set) Engines() []*Engine {
	var out []*Engine
	seen := map[*Engine]bool{}
	for _, n := range s.names {
		if e := s.engines[n]; !seen[e] {
			seen[e] = true
			out = append(out, e)
		}
	}
	return out
}

// Close closes every engine.
func (s *Set) Close() {
	for _, e := range s.Engines() {
		e.Close()
	}
}
