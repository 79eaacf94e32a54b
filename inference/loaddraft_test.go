package inference

import (
	"errors"
	"strings"
	"testing"

	"repartee/inference/llama"
)

func TestHeadsOfTheTargetAreRefused(t *testing.T) {
	f := func(architecture string, meta map[string]string, why string) {
		t.Helper()
		err := heads(llama.ModelInfo{Architecture: architecture}, meta)
		if why == "" && err != nil || why != "" && (!errors.Is(err, llama.ErrUnsupported) || !strings.Contains(err.Error(), why)) {
			t.Errorf("heads(%s, %v) = %v, want %q", architecture, meta, err, why)
		}
	}
	f("llama", nil, "")
	f("qwen35", map[string]string{"qwen35.nextn_predict_layers": "0"}, "")
	f("eagle3", nil, "eagle3 heads read the target's hidden states")
	f("dflash", nil, "dflash heads read the target's hidden states")
	f("qwen35", map[string]string{"qwen35.nextn_predict_layers": "1"}, "multi-token prediction layers")
}
