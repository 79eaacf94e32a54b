package llama

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"repartee/inference/llama/gguf"
)

// checkModelFile looks at a file before C does. The library reads GGUF carefully
// but takes what it says of the model at its word: some values end in a failed
// assertion, a division by zero or an absurd allocation. They are refused here.
func checkModelFile(path string, vocabOnly bool) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrModelFile, err)
	}
	switch {
	case strings.ContainsRune(path, 0):
		err = errors.New("the path holds a zero byte")
	case !st.Mode().IsRegular():
		err = errors.New("it is not a file")
	case st.Size() == 0:
		err = errors.New("it is empty")
	default:
		var f *gguf.File
		if f, err = gguf.Open(path); err == nil {
			err = checkHead(f, vocabOnly)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %q: %w", ErrModelFile, path, err)
	}
	return nil
}

// Bounds on what a model may say of itself, those of the library where it has
// any (LLAMA_MAX_LAYERS, LLAMA_MAX_EXPERTS).
const (
	maxLayers    = 512
	maxExperts   = 1024
	maxWidth     = 1 << 20
	maxHeads     = 1 << 14
	maxVocab     = 1 << 24
	maxTokenText = 1 << 16
)

func checkHead(f *gguf.File, vocabOnly bool) error {
	arch := f.Meta["general.architecture"].Text
	if arch == "" {
		return errors.New("it does not say its architecture")
	}
	if err := checkVocabulary(f); err != nil {
		return err
	}
	if vocabOnly {
		return nil
	}
	if len(f.Tensors) == 0 {
		return errors.New("it has no tensors: only a vocabulary")
	}
	between := func(key string, least, most int64, must bool) error {
		v, ok := f.Meta[arch+"."+key]
		if !ok {
			if must {
				return fmt.Errorf("it does not say %s.%s", arch, key)
			}
			return nil
		}
		for _, n := range integers(v) {
			if n < least || n > most {
				return fmt.Errorf("%s.%s is %d, outside %d … %d", arch, key, n, least, most)
			}
		}
		return nil
	}
	for _, err := range []error{
		between("block_count", 1, maxLayers, true),
		between("embedding_length", 1, maxWidth, true),
		between("context_length", 1, 1<<31-1, true),
		between("feed_forward_length", 0, maxWidth<<4, false),
		between("attention.head_count", 0, maxHeads, false),
		between("attention.head_count_kv", 0, maxHeads, false),
		between("attention.key_length", 1, maxWidth, false),
		between("attention.value_length", 1, maxWidth, false),
		between("attention.sliding_window", 0, 1<<31-1, false),
		between("rope.dimension_count", 0, maxWidth, false),
		between("expert_count", 0, maxExperts, false),
		between("expert_used_count", 0, maxExperts, false),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkVocabulary refuses token lists that the library asserts against.
func checkVocabulary(f *gguf.File) error {
	if f.Meta["tokenizer.ggml.model"].Text == "no_vocab" || f.Meta["tokenizer.ggml.model"].Text == "none" {
		return errors.New("it has no vocabulary")
	}
	v, ok := f.Meta["tokenizer.ggml.tokens"]
	if !ok || v.Elem != gguf.String || len(v.Strings) == 0 {
		return errors.New("it has no vocabulary")
	}
	if len(v.Strings) > maxVocab {
		return fmt.Errorf("its vocabulary of %d tokens is larger than %d", len(v.Strings), maxVocab)
	}
	at := make(map[string]int, len(v.Strings))
	for i, s := range v.Strings {
		if len(s) > maxTokenText {
			return fmt.Errorf("token %d is %d bytes long", i, len(s))
		}
		if s == "" { // what the library makes of it
			s = fmt.Sprintf("[EMPTY_%d]", i)
		}
		if j, twice := at[s]; twice {
			return fmt.Errorf("tokens %d and %d are both %q", j, i, s)
		}
		at[s] = i
	}
	return nil
}

// integers are the integers of a number or an array of numbers.
func integers(v gguf.Value) []int64 {
	if n, ok := v.Int(); ok {
		return []int64{n}
	}
	var all []int64
	for _, bits := range v.Numbers {
		if n, ok := (gguf.Value{Kind: v.Elem, Bits: bits}).Int(); ok {
			all = append(all, n)
		}
	}
	return all
}
