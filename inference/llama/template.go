package llama

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of one Render; they keep a hostile request from holding a core.
const (
	maxRenderBytes    = 16 << 20
	maxRenderMessages = 1 << 16
	maxRenderTools    = 1024
	maxRenderDepth    = 128
)

// check refuses what templates cannot mean or would take too long for.
func (in *TemplateInput) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrTemplate, fmt.Sprintf(format, args...))
	}
	if len(in.Messages) > maxRenderMessages || len(in.Tools) > maxRenderTools {
		return bad("%d messages and %d tools, at most %d and %d are taken", len(in.Messages), len(in.Tools), maxRenderMessages, maxRenderTools)
	}
	total := len(in.JSONSchema)
	for i := range in.Messages {
		m := &in.Messages[i]
		switch m.Role {
		case "system", "user", "assistant", "tool", "developer":
		default:
			return bad("message %d: role %q is none of system, user, assistant, tool, developer", i, m.Role)
		}
		total += len(m.Content) + len(m.Reasoning) + len(m.Name) + len(m.ToolCallID)
		for k, c := range m.ToolCalls {
			total += len(c.ID) + len(c.Name) + len(c.Arguments)
			if err := checkJSON(c.Arguments); err != nil {
				return bad("message %d: arguments of tool call %d: %v", i, k, err)
			}
		}
	}
	schemas := schemaWalk{budget: DefaultBudget}
	for i, t := range in.Tools {
		total += len(t.Name) + len(t.Description) + len(t.Parameters)
		if t.Parameters == "" {
			continue
		}
		if err := schemas.check(t.Parameters); err != nil {
			return fmt.Errorf("parameters of tool %d, %q: %w", i, t.Name, err)
		}
	}
	if total > maxRenderBytes {
		return bad("%d bytes of text, at most %d are taken", total, maxRenderBytes)
	}
	if in.JSONSchema != "" {
		if err := schemas.check(in.JSONSchema); err != nil {
			return err
		}
	}
	if in.ContinueFinal && (len(in.Messages) == 0 || in.Messages[len(in.Messages)-1].Role != "assistant") {
		return bad("there is no assistant message at the end to continue")
	}
	return nil
}

func checkJSON(s string) error {
	if s == "" {
		return nil
	}
	_, depth, err := measureJSON(s, maxRenderDepth)
	if depth > maxRenderDepth {
		return fmt.Errorf("nested deeper than %d", maxRenderDepth)
	}
	return err
}

// pack is the form in which rp_render reads an input.
func (in *TemplateInput) pack(p *packer) {
	p.integer(len(in.Messages))
	for i := range in.Messages {
		m := &in.Messages[i]
		p.text(m.Role)
		p.text(valid(m.Content))
		p.text(valid(m.Name))
		p.text(valid(m.ToolCallID))
		p.text(valid(m.Reasoning))
		p.integer(len(m.ToolCalls))
		for _, c := range m.ToolCalls {
			p.text(valid(c.ID))
			p.text(valid(c.Name))
			p.text(valid(c.Arguments))
		}
	}
	p.integer(len(in.Tools))
	for _, t := range in.Tools {
		p.text(valid(t.Name))
		p.text(valid(t.Description))
		p.text(valid(t.Parameters))
	}
	p.integer(int(in.ToolChoice))
	p.flag(in.ParallelToolCalls)
	p.text(valid(in.JSONSchema))
	p.flag(in.NoGenerationPrompt)
	p.flag(in.ContinueFinal)
	p.flag(in.DisableThinking)
	p.flag(in.full)
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// unpackRendered reads what rp_render wrote.
func unpackRendered(b []byte) (Rendered, error) {
	u := unpacker{b: b}
	var r Rendered
	r.Prompt = u.text()
	for n := u.count(); n > 0; n-- {
		r.Stops = append(r.Stops, u.text())
	}
	g := GrammarSpec{GBNF: u.text(), Lazy: u.flag()}
	for n := u.count(); n > 0; n-- {
		g.Triggers = append(g.Triggers, GrammarTrigger{Type: u.integer(), Token: Token(u.integer()), Value: u.text()})
	}
	g.GenerationPrompt = u.text()
	for n := u.count(); n > 0; n-- {
		g.Preserved = append(g.Preserved, u.text())
		if t := u.integer(); t >= 0 {
			r.Preserved = append(r.Preserved, Token(t))
		}
	}
	r.Parser = u.text()
	if g.GBNF != "" {
		r.Grammar = &g
	}
	return r, u.err
}

// unpackParsed reads what rp_parse wrote.
func unpackParsed(b []byte) (ParsedOutput, error) {
	u := unpacker{b: b}
	o := ParsedOutput{Content: u.text(), Reasoning: u.text()}
	for n := u.count(); n > 0; n-- {
		o.ToolCalls = append(o.ToolCalls, ToolCall{ID: u.text(), Name: u.text(), Arguments: u.text()})
	}
	return o, u.err
}
