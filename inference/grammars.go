package inference

import (
	lru "github.com/hashicorp/golang-lru/v2"

	"repartee/inference/llama"
)

// grammars keeps compiled grammars: clients send the same schema with every
// request, and compiling takes milliseconds.
type grammars struct {
	model Model
	seen  *lru.Cache[string, *llama.Grammar]
}

// maxGrammars bounds what is kept; a grammar within its budget is some MiB at
// most. What falls out is freed once nobody samples with it.
const maxGrammars = 64

func newGrammars(m Model) *grammars {
	seen, _ := lru.New[string, *llama.Grammar](maxGrammars) // fails for sizes below 1 only
	return &grammars{m, seen}
}

// compile returns the grammar of a spec. Two goroutines that ask for the same
// new one may both compile it.
func (g *grammars) compile(spec llama.GrammarSpec) (*llama.Grammar, error) {
	// Lazy grammars come with triggers, which change with the request's tools.
	if spec.Lazy || spec.GenerationPrompt != "" || len(spec.Preserved) > 0 {
		return g.model.CompileGrammar(spec, llama.Budget{})
	}
	key := spec.Schema + "\x00" + spec.GBNF
	if have, ok := g.seen.Get(key); ok {
		return have, nil
	}
	made, err := g.model.CompileGrammar(spec, llama.Budget{})
	if err == nil {
		g.seen.Add(key, made)
	}
	return made, err
}
