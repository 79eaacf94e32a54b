package dialoguetest

import (
	"repartee/dialogue"
	"repartee/inference"
)

// Set is resident fake models under names.
type Set struct {
	*inference.Set
	Model   *Model   // of the default
	Context *Context // of the default
}

// Option changes a set before its engines start.
type Option func(*Model, *Context, *inference.Config)

// New starts one engine, served under all names. The caller closes the set.
func New(names []string, options ...Option) *Set {
	m := &Model{}
	c := newContext(m)
	cfg := inference.Config{Name: "fake", Cells: 1 << 16, Embedder: func() (inference.Embedder, error) { return Embedder{}, nil }}
	if len(names) > 0 {
		cfg.Name = names[0]
	}
	for _, o := range options {
		o(m, c, &cfg)
	}
	e := inference.New(m, c, cfg)
	engines := map[string]*inference.Engine{}
	for _, n := range names {
		engines[n] = e
	}
	set, err := inference.NewSet(names, engines, "")
	if err != nil {
		panic(err) // names are all there
	}
	if len(names) == 0 {
		e.Close()
	}
	return &Set{set, m, c}
}

// Engine returns a resident model by name.
func (s *Set) Engine(name string) (dialogue.Engine, bool) {
	e, ok := s.Get(name)
	return e, ok
}
