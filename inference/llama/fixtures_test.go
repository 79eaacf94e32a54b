package llama

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTokenizerFixtures runs the texts and token ids that llama.cpp's authors
// made with each vocabulary's original tokenizer: every vocabulary in the tree
// that has them. The others (aquila, baichuan, gpt-neox, nomic-bert-moe) come
// without and are not in llama.cpp's own test either.
func TestTokenizerFixtures(t *testing.T) {
	dir := sourcePath(t, "models")
	inputs, _ := filepath.Glob(filepath.Join(dir, "*.gguf.inp"))
	if len(inputs) < 15 {
		t.Fatalf("%d vocabularies with fixtures in the tree, want 15", len(inputs))
	}
	for _, in := range inputs {
		vocab := strings.TrimSuffix(in, ".inp")
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(vocab), "ggml-vocab-"), ".gguf")
		t.Run(name, func(t *testing.T) { checkFixtures(t, vocab) })
	}
}

func checkFixtures(t *testing.T, vocab string) {
	m, err := LoadModel(ModelParams{Path: vocab, VocabOnly: true})
	if err == ErrNotBuilt {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("LoadModel(%q) = %v", vocab, err)
	}
	defer m.Close()
	read := func(ext string) string {
		b, err := os.ReadFile(vocab + ext)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	texts := strings.Split(strings.TrimSuffix(read(".inp"), "\n__ggml_vocab_test__\n"), "\n__ggml_vocab_test__\n")
	lines := strings.Split(strings.TrimSuffix(read(".out"), "\n"), "\n")
	if len(texts) != len(lines) {
		t.Fatalf("%d texts, %d lines of tokens", len(texts), len(lines))
	}
	for i, text := range texts {
		var want []Token
		for _, f := range strings.Fields(lines[i]) {
			n, err := strconv.Atoi(f)
			if err != nil {
				t.Fatalf("line %d: %v", i, err)
			}
			want = append(want, Token(n))
		}
		got, err := m.Tokenize(nil, text, false, false)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Tokenize(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestTokenizeReusesAndGrows(t *testing.T) {
	m := defaultModel(t)
	want := tokenize(t, m, strings.Repeat("!?", 500))
	dst, err := m.Tokenize([]Token{7}, strings.Repeat("!?", 500), true, true)
	if err != nil || dst[0] != 7 || !slices.Equal(dst[1:], want) {
		t.Errorf("Tokenize behind [7] = %d tokens, %v; want 7 and the same %d", len(dst), err, len(want))
	}
	if got, err := m.Tokenize(nil, "", true, true); err != nil || len(got) != 0 {
		t.Errorf("Tokenize(\"\") = %v, %v, want none", got, err)
	}
	buf := make([]Token, 0, 64)
	if n := testing.AllocsPerRun(10, func() { buf, _ = m.Tokenize(buf[:0], "A short text.", true, true) }); n != 0 {
		t.Errorf("Tokenize into a large enough slice allocates %v times, want 0", n)
	}
	special := tokenize(t, m, "<|im_end|>")
	plain, _ := m.Tokenize(nil, "<|im_end|>", true, false)
	if len(special) != 1 || len(plain) < 2 {
		t.Errorf("<|im_end|> is %v as a special token and %v as text, want one and several", special, plain)
	}
	if got := string(m.Piece(special[0], true)); got != "<|im_end|>" || m.Piece(special[0], false) != nil {
		t.Errorf("Piece(<|im_end|>) = %q and %q, want it only when asked for specials", got, m.Piece(special[0], false))
	}
	if m.Piece(-1, true) != nil || m.Piece(1<<30, true) != nil {
		t.Error("Piece outside the vocabulary is not nil")
	}
	for _, s := range []string{"Grüße, 世界 🦙!", "  two  spaces\n\ttab", "a\x00b", "bad \xff\xfe bytes"} {
		toks, err := m.Tokenize(nil, s, false, false)
		if got := string(m.Detokenize(nil, toks, true)); err != nil || got != s && !strings.Contains(s, "\xff") {
			t.Errorf("Tokenize and back: %q, %v, want %q", got, err, s)
		}
	}
}
