package llama

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
