//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// Grammar is a compiled grammar. It is read only: any goroutine may make
// samplers from it.
type Grammar struct {
	mu sync.RWMutex
	c  *C.rp_grammar
}

// CompileGrammar compiles a grammar on the calling goroutine, which should not
// be the one that steps: it takes milliseconds. What exceeds the budget or
// cannot be parsed is an error that wraps ErrGrammar, or ErrSchema.
func (m *Model) CompileGrammar(spec GrammarSpec, budget Budget) (*Grammar, error) {
	isToken := func(text string) bool {
		t, err := m.Tokenize(nil, text, false, true)
		return err == nil && len(t) == 1
	}
	if spec.Schema != "" {
		var err error
		if spec.GBNF, err = SchemaToGrammar(spec.Schema); err != nil {
			return nil, err
		}
	}
	if err := checkGBNF(spec.GBNF, budget.normal(), isToken); err != nil {
		return nil, err
	}
	defer drainLog()
	packed := packGrammar(spec)
	g := &Grammar{}
	err := m.native.use(func(c *C.rp_model) error {
		var msg message
		code := C.rp_grammar_new(c, (*C.char)(unsafe.Pointer(&packed[0])), C.size_t(len(packed)), &g.c, msg.ptr(), msg.size())
		if code == C.RP_OK {
			return nil
		}
		return fmt.Errorf("%w: %s", ErrGrammar, msg.String())
	})
	if err != nil {
		return nil, err
	}
	runtime.SetFinalizer(g, (*Grammar).Close)
	return g, nil
}

// Close frees the grammar; samplers made from it go on.
func (g *Grammar) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.c != nil {
		C.rp_grammar_free(g.c)
		g.c = nil
		runtime.SetFinalizer(g, nil)
	}
}

// SchemaToGrammar translates a JSON schema to GBNF, within DefaultBudget. Errors
// wrap ErrSchema.
func SchemaToGrammar(schema string) (string, error) {
	if err := checkSchema(schema, DefaultBudget); err != nil {
		return "", err
	}
	var out *C.char
	var n C.size_t
	var msg message
	code := C.rp_schema_to_grammar((*C.char)(unsafe.Pointer(unsafe.StringData(schema))), C.size_t(len(schema)), &out, &n, msg.ptr(), msg.size())
	if code != C.RP_OK {
		return "", fmt.Errorf("%w: %s", ErrSchema, msg.String())
	}
	return string(taken(out, n)), nil
}
