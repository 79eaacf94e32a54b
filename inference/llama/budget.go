package llama

// Budget bounds what a grammar or schema may cost to compile and to hold; zero
// values stand for DefaultBudget's. What is beyond it is refused before the
// library sees it.
type Budget struct {
	SchemaBytes int // JSON text of a schema or of a tool's parameters
	SchemaNodes int // values in it
	SchemaDepth int // nesting of it, and groups in one pattern
	// SchemaName and SchemaPattern are bytes of one property's name and of one
	// pattern. Optional bounds the properties of an object that are not required;
	// of several objects, the cube root of the sum of their cubes.
	SchemaName, SchemaPattern, Optional int

	GrammarBytes int // GBNF text
	Rules        int // rules in it
	Elements     int // characters, references and the like, repetitions counted out
	GrammarDepth int // nesting of parentheses, and of rules within rules
	Beginnings   int // ways in which one rule can begin: how many texts an enum holds
}

// DefaultBudget takes every schema that people write by hand and compiles it in
// well under 100 ms.
var DefaultBudget = Budget{
	SchemaBytes:   256 << 10,
	SchemaNodes:   20_000,
	SchemaDepth:   64,
	SchemaName:    512,
	SchemaPattern: 2048,
	Optional:      256,
	GrammarBytes:  1 << 20,
	Rules:         10_000,
	Elements:      400_000,
	GrammarDepth:  256,
	Beginnings:    1_500,
}

func (b Budget) normal() Budget {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&b.SchemaBytes, DefaultBudget.SchemaBytes)
	def(&b.SchemaNodes, DefaultBudget.SchemaNodes)
	def(&b.SchemaDepth, DefaultBudget.SchemaDepth)
	def(&b.SchemaName, DefaultBudget.SchemaName)
	def(&b.SchemaPattern, DefaultBudget.SchemaPattern)
	def(&b.Optional, DefaultBudget.Optional)
	def(&b.GrammarBytes, DefaultBudget.GrammarBytes)
	def(&b.Rules, DefaultBudget.Rules)
	def(&b.Elements, DefaultBudget.Elements)
	def(&b.GrammarDepth, DefaultBudget.GrammarDepth)
	def(&b.Beginnings, DefaultBudget.Beginnings)
	return b
}
