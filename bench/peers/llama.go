package peers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"repartee/bench"
	"repartee/supply"
)

// llamaFlags are how the peer is built: as its authors' release, for this
// processor, without what a loopback measurement does not need.
var llamaFlags = []string{
	"-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DBUILD_SHARED_LIBS=OFF",
	"-DLLAMA_USE_PREBUILT_UI=OFF", "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF",
}

// LlamaServer returns the llama-server built from the pinned source, building
// it when it is not there yet (minutes); llama-bench lies beside it.
// $REPARTEE_LLAMA_SERVER names another one.
func LlamaServer(ctx context.Context, progress io.Writer) (string, error) {
	if bin := os.Getenv("REPARTEE_LLAMA_SERVER"); bin != "" {
		if _, err := os.Stat(bin); err != nil {
			return "", fmt.Errorf("peers: REPARTEE_LLAMA_SERVER: %w", err)
		}
		return bin, nil
	}
	source, err := supply.Find(supply.LlamaSource)
	if err != nil {
		return "", fmt.Errorf("peers: llama-server: %w", err)
	}
	home := filepath.Join(supply.Dir(), "peers", "llama.cpp-"+buildHash(source))
	bin := filepath.Join(home, "bin", "llama-server")
	if done(home) {
		return bin, nil
	}
	release, err := lock(home)
	if err != nil {
		return "", err
	}
	defer release()
	if done(home) { // another bench built it meanwhile
		return bin, nil
	}
	fmt.Fprintf(progress, "peers: building llama-server from the pinned source (minutes, once) -> %s\n", home)
	jobs := strconv.Itoa(runtime.NumCPU())
	steps := [][]string{
		append([]string{"cmake", "-S", source, "-B", home}, llamaFlags...),
		{"cmake", "--build", home, "-j", jobs, "--target", "llama-server", "llama-bench"},
	}
	for _, step := range steps {
		if err := runLogged(ctx, filepath.Join(home, "build.log"), step); err != nil {
			return "", fmt.Errorf("peers: building llama-server: %w", err)
		}
	}
	return bin, finish(home)
}

// buildHash tells builds apart: the source and the patches that its stamp
// covers, the flags, the processor.
func buildHash(source string) string {
	m := bench.ReadMachine()
	stamp, _ := os.ReadFile(filepath.Join(supply.Dir(), "stamps", "llama.cpp.stamp")) // absent for a source of one's own
	sum := sha256.Sum256([]byte(filepath.Base(source) + "\n" + string(stamp) + "\n" + strings.Join(llamaFlags, " ") + "\n" + m.CPU))
	return fmt.Sprintf("%x", sum[:6])
}

func done(home string) bool {
	_, err := os.Stat(filepath.Join(home, "ok"))
	return err == nil
}

func finish(home string) error { return os.WriteFile(filepath.Join(home, "ok"), nil, 0o644) }

// lock keeps a second bench from building at the same time.
func lock(home string) (release func(), err error) {
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, fmt.Errorf("peers: %w", err)
	}
	f, err := os.OpenFile(home+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("peers: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("peers: locking %q: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}

// runLogged runs a command; what it prints goes to a log, whose end is part of
// the error.
func runLogged(ctx context.Context, log string, args []string) error {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = f, f
	// A compiler's children end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		data, _ := os.ReadFile(log)
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		return fmt.Errorf("%s: %w; the log %s ends with: %s", args[0], err, log, strings.Join(lines[max(0, len(lines)-8):], " | "))
	}
	return nil
}
