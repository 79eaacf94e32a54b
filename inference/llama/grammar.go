package llama

import (
	"fmt"
	"strings"
)

// packGrammar is the form in which rp_grammar_new reads a spec.
func packGrammar(s GrammarSpec) []byte {
	var p packer
	p.text(s.GBNF)
	p.flag(s.Lazy)
	p.text(s.GenerationPrompt)
	p.integer(len(s.Triggers))
	for _, t := range s.Triggers {
		p.integer(t.Type)
		p.integer(int(t.Token))
		p.text(t.Value)
	}
	p.integer(len(s.Preserved))
	for _, t := range s.Preserved {
		p.text(t)
	}
	return p.b
}

// checkGBNF refuses grammars that are too large or too deep for the library,
// which reads them recursively and writes repetitions out.
func checkGBNF(g string, b Budget) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrGrammar, fmt.Sprintf(format, args...))
	}
	if strings.TrimSpace(g) == "" {
		return refuse("it is empty")
	}
	if len(g) > b.GrammarBytes {
		return refuse("%d bytes, at most %d are taken", len(g), b.GrammarBytes)
	}
	return nil
}

// checkSchema refuses schemas that are too large or too deep for the library.
func checkSchema(s string, b Budget) error {
	n, depth, err := measureJSON(s, b.SchemaDepth)
	switch {
	case len(s) > b.SchemaBytes:
		return fmt.Errorf("%w: %d bytes, at most %d are taken", ErrSchema, len(s), b.SchemaBytes)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrSchema, err)
	case depth > b.SchemaDepth:
		return fmt.Errorf("%w: nested deeper than %d", ErrSchema, b.SchemaDepth)
	case n > b.SchemaNodes:
		return fmt.Errorf("%w: %d values, at most %d are taken", ErrSchema, n, b.SchemaNodes)
	}
	return nil
}
