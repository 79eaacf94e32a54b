//go:build cgo

package synthetic

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"repartee/gpu"
	"repartee/inference/llama"
	"repartee/inference/llama/gguf"
	"repartee/supply"
)

// taken is the memory of this process, in bytes: what it wrote, whether it lies in
// memory or was swapped out, and all that it has mapped of a file, whose pages the
// kernel drops and reads again as it likes.
func taken(t *testing.T, file string) uint64 {
	t.Helper()
	debug.FreeOSMemory() // the garbage of reading the file's tables would come and go
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc to measure with")
	}
	sum, found := uint64(0), 0
	for line := range strings.Lines(string(status)) {
		switch name, rest, _ := strings.Cut(line, ":"); name {
		case "RssAnon", "RssShmem", "VmSwap":
			kib, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += kib << 10
			found++
		}
	}
	if found != 3 {
		t.Fatalf("/proc/self/status has %d of the 3 lines wanted", found)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), file) {
			var from, to uint64
			if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
				t.Fatalf("/proc/self/maps: %q: %v", line, err)
			}
			sum += to - from
		}
	}
	return sum
}

// alone is set in the processes that measure one model each.
const alone = "REPARTEE_PLAN_ALONE"

// TestPlanAgreesWithTheProcess loads a thinned copy of each shape on the
// processor: what the plan says, with the weights that the processor keeps twice,
// must be within 5 % of what the process took.
func TestPlanAgreesWithTheProcess(t *testing.T) {
	if os.Getenv("REPARTEE_E2E") == "" {
		t.Skip("set REPARTEE_E2E=1: it writes and loads gigabytes")
	}
	tree, err := supply.Find(supply.LlamaSource)
	if err != nil {
		t.Skip(err)
	}
	for _, shape := range Shapes {
		t.Run(shape.Name, func(t *testing.T) {
			// A process of its own for each: memory that an earlier model gave back
			// would be taken again and not seen.
			if os.Getenv(alone) == "" {
				self := exec.Command(os.Args[0], "-test.run=^TestPlanAgreesWithTheProcess$/^"+regexp.QuoteMeta(shape.Name)+"$", "-test.v")
				self.Env = append(os.Environ(), alone+"=1")
				out, err := self.CombinedOutput()
				t.Logf("%s", out)
				if err != nil {
					t.Fatalf("the plan for %s: %v", shape.Name, err)
				}
				return
			}
			path := filepath.Join(t.TempDir(), "m.gguf")
			if err := shape.Write(path, filepath.Join(tree, "models"), 4, 1); err != nil {
				t.Fatal(err)
			}
			file, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			print, err := file.Footprint()
			if err != nil {
				t.Fatal(err)
			}
			// The vocabulary is not part of the plan: what it takes is measured apart, by
			// the second of two, as the first leaves memory behind that is used again.
			vocabularyOnly := func() {
				t.Helper()
				words, err := llama.LoadModel(llama.ModelParams{Path: path, VocabOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(words.Close)
			}
			vocabularyOnly()
			empty := taken(t, path)
			vocabularyOnly()
			before := taken(t, path)
			vocabulary := before - min(empty, before)
			model, err := llama.LoadModel(llama.ModelParams{Path: path})
			if err != nil {
				t.Fatalf("LoadModel: %v", err)
			}
			defer model.Close()
			const cells, rows, outputs = 8192, 512, 128
			ctx, err := model.NewContext(llama.ContextParams{Cells: cells, Sequences: 8, Batch: rows, Ubatch: rows, Outputs: outputs, FlashAttn: 1, OffloadKV: true})
			if err != nil {
				t.Fatalf("NewContext: %v", err)
			}
			defer ctx.Close()
			var b llama.Batch
			for i := range rows {
				b.Add(llama.Token(i), llama.Pos(i), 0)
			}
			if err := ctx.Step(&b); err != nil {
				t.Fatalf("Step of %d rows: %v", rows, err)
			}
			load := gpu.LoadOf(shape.Name, print, file.Tied(), gpu.Step{Rows: rows, Outputs: outputs, Cells: cells, KeyBits: 16, ValueBits: 16, GPULayers: -1})
			plan, err := gpu.Want{Card: "processor", Total: 1 << 40, Free: 1 << 40, Models: []gpu.Load{load}}.Fit()
			if err != nil {
				t.Fatal(err)
			}
			fit, use, took := plan.Models[0], ctx.Memory(), taken(t, path)-before-vocabulary
			t.Logf("plan: weights %d, KV %d, compute %d MiB; library: %d, %d, %d; process: %d", (print.Weights())>>20, fit.KV>>20, load.Compute>>20, use.Weights>>20, use.KV>>20, use.Compute>>20, took>>20)
			near := func(what string, got, want uint64) {
				t.Helper()
				if float64(got) < 0.95*float64(want) || float64(got) > 1.05*float64(want) {
					t.Errorf("%s: the plan says %d MiB, it is %d MiB", what, got>>20, want>>20)
				}
			}
			near("KV", fit.KV, use.KV)
			// The processor's kernels want most weights in another order: the library
			// keeps them twice, which a card does not.
			twice := use.Weights - print.Weights()
			if use.Weights < print.Weights() || twice > print.Weights()*11/10 { // AMX kernels add a sum to every tile
				t.Errorf("weights: the plan says %d MiB, the library has %d MiB", print.Weights()>>20, use.Weights>>20)
			}
			// What the C library's allocator holds back of the vocabularies is not known
			// to the byte.
			const held = 16 << 20
			if want := print.Weights() + twice + fit.KV + load.Compute; float64(took+held) < 0.95*float64(want) || float64(took) > 1.05*float64(want+held) {
				t.Errorf("the process: the plan says %d MiB, it took %d MiB", want>>20, took>>20)
			}
		})
	}
}
