package voice

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"repartee/cpuset"
	"repartee/tts/internal/voicetest"
	"repartee/tts/onnx"
)

// threadsOn is how many threads of the process may use exactly these CPUs.
func threadsOn(t *testing.T, s cpuset.Set) int {
	t.Helper()
	files, _ := filepath.Glob("/proc/self/task/*/status")
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it ended
		}
		for line := range strings.Lines(string(b)) {
			if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok && strings.TrimSpace(list) == s.String() {
				n++
			}
		}
	}
	return n
}

// TestSessionsStayOnTheirCPUs makes a session of three threads for one CPU: the two
// of its own are there from the start, the caller's only while it runs.
func TestSessionsStayOnTheirCPUs(t *testing.T) {
	if err := onnx.Open(voicetest.Runtime(t)); err != nil {
		t.Fatal(err)
	}
	allowed := cpuset.Allowed()
	if len(allowed) < 2 {
		t.Skip("one CPU")
	}
	one := allowed[len(allowed)-1:]
	before := threadsOn(t, one)
	const in, steps = 8, 32
	x, ones := make([]float32, in*steps), make([]float32, steps)
	for _, tt := range []struct {
		cpus    cpuset.Set
		threads int
	}{{one, 2}, {nil, 0}} {
		p, err := newPart(voicetest.Vocoder(in, 8), Options{CPUs: tt.cpus}.session(3))
		if err != nil {
			t.Fatal(err)
		}
		if got := threadsOn(t, one) - before; got != tt.threads {
			t.Errorf("a session of 3 threads on %q: %d threads on CPU %s, want %d", tt.cpus, got, one, tt.threads)
		}
		if _, err := p.run(context.Background(), map[string]onnx.Tensor{"x": onnx.Floats(x, 1, in, steps), "mask": onnx.Floats(ones, 1, 1, steps)}); err != nil {
			t.Errorf("a run on %q: %v", tt.cpus, err)
		}
		if got := threadsOn(t, one) - before; got != tt.threads {
			t.Errorf("after a run on %q: %d threads on CPU %s, want %d: the caller is put back", tt.cpus, got, one, tt.threads)
		}
		p.close()
	}
	p, err := newPart(voicetest.Vocoder(in, 8), onnx.Options{CPUs: cpuset.Set{1023}})
	if err == nil {
		p.close()
		t.Errorf("a session on a CPU that is not there was made")
	}
}
