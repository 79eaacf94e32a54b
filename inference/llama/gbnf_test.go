package llama

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGBNFRefusals has every shape that cannot be read or would cost too much,
// with words that the error must hold: a person must find the place.
func TestGBNFRefusals(t *testing.T) {
	small := Budget{GrammarBytes: 2000, Rules: 40, Elements: 500, GrammarDepth: 8, Beginnings: 20}.normal()
	f := func(name, src string, words ...string) {
		t.Helper()
		err := checkGBNF(src, small, func(text string) bool { return text == "<one>" })
		if !errors.Is(err, ErrGrammar) {
			t.Errorf("%s: checkGBNF(%.60q) = %v, want ErrGrammar", name, src, err)
			return
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", name, err, w)
			}
		}
	}
	f("nothing", "", "empty")
	f("blanks", " \n\t\n", "empty")
	f("too long", "root ::= "+strings.Repeat(" ", 2000), "2009 bytes", "2000")
	f("not UTF-8", "root ::= \"\xff\"", "UTF-8")
	f("zero byte", "root ::= \"\x00\"", "zero")
	f("only a comment", "# root", "root")
	f("no root", "a ::= \"x\"", "root")
	f("root used only", "a ::= root", "root")
	f("undefined", "root ::= \"a\"\nb ::= nowhere", "line 2", "nowhere")
	f("no name", "\n::= \"a\"", "line 2", "name")
	f("no sign", "root = \"a\"", "line 1", "::=")
	f("half a sign", "root ::\"a\"", "::=")
	f("rest of a line", "root ::= \"a\" )", "line 1", "end of the line")
	f("text open", "root ::= \"a", "not closed")
	f("text open over lines", "root ::= \"a\nb ::= c", "not closed")
	f("class open", "root ::= [a", "not closed")
	f("unknown escape", `root ::= "\q"`, "escape")
	f("escape at the end", `root ::= "\`, "cut short")
	f("hexadecimal short", `root ::= "\x1"`, "2 hexadecimal")
	f("hexadecimal cut", `root ::= "\u12`, "cut short")
	f("hexadecimal bad", `root ::= "\U1234567g"`, "8 hexadecimal")
	f("group open", "root ::= (\"a\"", "line 1", ") is expected")
	f("group closed twice", "root ::= (\"a\"))", "end of the line")
	f("star alone", "root ::= *", "nothing to repeat")
	f("star behind bar", "root ::= \"a\" | *", "nothing to repeat")
	f("plus behind nothing", "root ::= \"\"+", "nothing to repeat")
	f("braces empty", "root ::= \"a\"{}", "number")
	f("braces without least", "root ::= \"a\"{,3}", "number")
	f("braces negative", "root ::= \"a\"{-1}", "number")
	f("braces open", "root ::= \"a\"{2", "}")
	f("braces open behind comma", "root ::= \"a\"{2,", "number")
	f("braces with three", "root ::= \"a\"{2,3,4}", "} is expected")
	f("braces backwards", "root ::= \"a\"{5,3}", "at least 5")
	f("braces huge", "root ::= \"a\"{2001}", "at most 2000")
	f("braces beyond 64 bits", "root ::= \"a\"{99999999999999999999999}", "number")
	f("repeated repetition", "root ::= ((\"a\"{0,30}){0,30}){0,3}", "")
	f("repetition of repetition", "root ::= \"a\"{60}{60}", "2000")
	f("token open", "root ::= <one", "token")
	f("token negated open", "root ::= !one", "token")
	f("token of two", "root ::= <two>", "one token")
	f("token number", "root ::= <[x]>", "number")
	f("token number open", "root ::= <[12>", "number")
	f("token number huge", "root ::= <[4294967296]>", "number")
	f("deep groups", "root ::= "+strings.Repeat("(", 9)+"\"a\""+strings.Repeat(")", 9), "deeper than 8")
	f("many rules", "root ::= \"a\"\n"+strings.Repeat("a ::= \"a\"*\n", 40), "rules")
	f("many elements", "root ::= \""+strings.Repeat("a", 501)+"\"", "500 elements")
	f("many elements by repetition", "root ::= \"abcdefghij\"{60}", "500 elements")
	f("many beginnings", "root ::= "+strings.Repeat("\"a\" | ", 21)+"\"b\"", "20 ways")
	f("beginnings multiplied", "root ::= a a2 a3 a4\na ::= (\"x\"|\"y\"|)\na2 ::= (a|a|)\na3 ::= (a2|a2|)\na4 ::= (a3|a3|)", "20 ways")
	f("left recursion", "root ::= root \"a\" | \"b\"", "root", "left recursion")
	f("left recursion round", "root ::= a\na ::= b\nb ::= \"x\"? a | \"c\"", "left recursion")
	f("left recursion behind what can be empty", "root ::= a root\na ::= b\nb ::= c?\nc ::= \"x\"", "left recursion")
	f("empty without end", "root ::= \"a\"**", "left recursion")
	f("empty group without end", "root ::= (\"a\"|)*", "left recursion")
}

func TestGBNFTaken(t *testing.T) {
	m := tinyModel(t, tiny)
	f := func(src string) {
		t.Helper()
		g, err := m.CompileGrammar(GrammarSpec{GBNF: src}, Budget{})
		if err != nil {
			t.Errorf("CompileGrammar(%q) = %v, want a grammar", src, err)
			return
		}
		g.Close()
	}
	f(`root ::= "a"`)
	f("root ::= \"a\" # why\n\n# and\nb ::= \"c\"\n")
	f("root ::=\n  \"a\" |\n  \"b\"")
	f("root ::= \"a\"\r\nb ::= \"c\"\r\n")
	f(`root ::= ("a" ("b" | "c")* [^x-z\]\\-]+ .? ){0,3} ""`)
	f(`root ::= "\x41é\U0001F600\t\r\n\\\"\[\]\-" [a-] [-a] [^] []`)
	f(`root ::= "a"{0} "b"{3} "c"{2,} "d"{1,2} "e"{ 1 , 2 }`)
	f(`root ::= <[7]> !<[8]> "a"`)
	f("root ::= list\nlist ::= \"(\" (list | \"a\") \")\" list?")
	f("root ::= ws \"a\" ws\nws ::= (\" \" ws)?")
	f(`root ::= ("a"*)* "b"`)
	f("root ::= a* \"b\"\na ::= [x]?")

	files, _ := filepath.Glob(sourcePath(t, "grammars", "*.gbnf"))
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f(string(b))
	}
	if len(files) < 8 {
		t.Errorf("%d grammars in the pinned tree, want 8 and more", len(files))
	}
}

// FuzzGBNF holds the reader against the library: what the one takes the other
// must take too, and neither may loop or end the process.
func FuzzGBNF(f *testing.F) {
	for _, s := range []string{
		`root ::= "a"{2,3}* | [^a-z] (b)? .` + "\nb ::= <[1]> !<[2]>",
		"root ::= (\"a\"|)* # c\n", `root ::= "\x41\u0041"{0}`, "root ::= a\na ::= root?",
	} {
		f.Add(s)
	}
	m, err := LoadModel(ModelParams{Path: writeFile(f, tiny.bytes())})
	if errors.Is(err, ErrNotBuilt) {
		f.Skip(err)
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(m.Close)
	budget := Budget{GrammarBytes: 1 << 12, Rules: 1000, Elements: 20_000, GrammarDepth: 32, Beginnings: 200}
	f.Fuzz(func(t *testing.T, src string) {
		accepted := checkGBNF(src, budget.normal(), nil) == nil
		g, err := m.CompileGrammar(GrammarSpec{GBNF: src}, budget)
		if err != nil {
			if !errors.Is(err, ErrGrammar) {
				t.Fatalf("CompileGrammar(%q) = %v, want ErrGrammar", src, err)
			}
			if accepted && !strings.Contains(src, "<") {
				t.Fatalf("CompileGrammar(%q) = %v, after the check took it", src, err)
			}
			return
		}
		g.Close()
	})
}

// schemaOf makes an object of n properties, of which some are required.
func schemaOf(n, required int) string {
	var p, r []string
	for i := range n {
		p = append(p, fmt.Sprintf(`"p%d":{"type":"string"}`, i))
		if i < required {
			r = append(r, fmt.Sprintf(`"p%d"`, i))
		}
	}
	return `{"type":"object","properties":{` + strings.Join(p, ",") + `},"required":[` + strings.Join(r, ",") + `]}`
}

func enumOf(n int) string {
	var p []string
	for i := range n {
		p = append(p, fmt.Sprintf(`"v%d"`, i))
	}
	return `{"enum":[` + strings.Join(p, ",") + `]}`
}

// TestSchemaBudget has schemas that make the library slow, and ones that people
// use and that must be taken.
func TestSchemaBudget(t *testing.T) {
	m := tinyModel(t, tiny)
	nest := func(n int, inner string) string {
		return strings.Repeat(`{"type":"object","properties":{"a":`, n) + inner + strings.Repeat(`}}`, n)
	}
	f := func(name, schema string, words ...string) {
		t.Helper()
		text, err := SchemaToGrammar(schema)
		if err == nil {
			var g *Grammar
			if g, err = m.CompileGrammar(GrammarSpec{GBNF: text}, Budget{}); err == nil {
				g.Close()
			}
		}
		if len(words) == 0 {
			if err != nil {
				t.Errorf("%s: %v, want it taken", name, err)
			}
			return
		}
		if !errors.Is(err, ErrSchema) && !errors.Is(err, ErrGrammar) {
			t.Errorf("%s: %v, want ErrSchema or ErrGrammar", name, err)
			return
		}
		for _, w := range words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", name, err, w)
			}
		}
	}
	f("a person", `{"type":"object","properties":{"name":{"type":"string","maxLength":80},"age":{"type":"integer","minimum":0,"maximum":150},"mail":{"type":"string","pattern":"^[a-z.]+@[a-z.]+$"}},"required":["name"]}`)
	f("1000 values", enumOf(1000))
	f("150 optional properties", schemaOf(150, 0))
	f("1000 properties, required", schemaOf(1000, 1000))
	f("20 objects deep", nest(20, `{"type":"string"}`))
	f("200 alternatives", `{"anyOf":[`+strings.Repeat(`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}}},`, 200)+`{"type":"null"}]}`)
	f("a long list", `{"type":"array","items":{"type":"integer"},"minItems":100,"maxItems":150}`)
	f("a tree", `{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"]}}}`)

	f("all of a round", `{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"allOf":[{"$ref":"#/$defs/a"}]}}}`)

	f("not JSON", `{"type":`, "JSON")
	f("20,000 values", enumOf(20_000), "20000")
	f("5,000 values", enumOf(5000), "1500 ways")
	f("300 optional properties", schemaOf(300, 0), "optional", "256")
	f("3,000 optional properties", schemaOf(3000, 1), "optional")
	f("many objects with optional properties", `{"anyOf":[`+schemaOf(200, 0)+","+schemaOf(200, 0)+","+schemaOf(200, 0)+`]}`, "optional")
	f("100,000 keys", schemaOf(100_000, 0), "bytes")
	f("very deep", nest(40, `{}`), "deeper than 64")
	f("endlessly deep", strings.Repeat("[", 1e5), "deeper than 64")
	f("a long name", `{"type":"object","properties":{"`+strings.Repeat("n", 600)+`":{}}}`, "600 bytes", "512")
	f("long names, many", strings.Repeat(`{"type":"object","properties":{"`+strings.Repeat("n", 500)+`":`, 28)+schemaOf(200, 200)+strings.Repeat("}}", 28), "names")
	f("a long pattern", `{"type":"string","pattern":"^`+strings.Repeat("a", 3000)+`$"}`, "pattern")
	f("a deep pattern", `{"type":"string","pattern":"^`+strings.Repeat("(", 1000)+strings.Repeat(")", 1000)+`$"}`, "groups")
	f("a repeated pattern", `{"type":"string","pattern":"^((a{0,300}b?){0,300}c){0,300}$"}`, "ways")
	f("a list of a million", `{"type":"array","items":{"type":"integer"},"minItems":1000000}`, "at most 2000")
	f("refers to itself", `{"$ref":"#"}`, "")
	f("refers to nothing", `{"$ref":"#/$defs/none"}`, "")
	f("refers to the net", `{"$ref":"https://example.org/x.json"}`, "")
	f("all of itself", `{"allOf":[{"$ref":"#"}]}`, "")
	f("no numbers", `{"type":"array","items":{},"minItems":"many"}`, "")
}
