package cpuset

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ofThread is what the kernel says of the calling thread.
func ofThread(t *testing.T) Set {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			return list(t, rest)
		}
	}
	t.Fatal("no Cpus_allowed_list")
	return nil
}

func TestDoPinsAndPutsBack(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := ofThread(t)
	one := Set{before[len(before)-1]}
	var during Set
	if err := Do(one, func() { during = ofThread(t) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(during, one) {
		t.Errorf("inside Do(%v) the thread may use %v", one, during)
	}
	if after := ofThread(t); !slices.Equal(after, before) {
		t.Errorf("after Do the thread may use %v, before it %v", after, before)
	}
	if err := Do(nil, func() { during = ofThread(t) }); err != nil || !slices.Equal(during, before) {
		t.Errorf("Do(nil) = %v, the thread may use %v, want %v", err, during, before)
	}
	ran := false
	if err := Do(Set{maxCPU - 1}, func() { ran = true }); !errors.Is(err, unix.EINVAL) || ran {
		t.Errorf("Do(%d) = %v, ran %v: want EINVAL and no run", maxCPU-1, err, ran)
	}
	if !slices.Equal(Allowed(), before) {
		t.Errorf("Allowed() = %v, want %v", Allowed(), before)
	}
}
