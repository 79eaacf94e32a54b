package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// home is a folder in the cache for clients, named by the hash of their lock
// file: they are installed once, by their own package manager, which verifies
// what it gets.
func home(t *testing.T, lock string) (dir string, installed bool) {
	t.Helper()
	b, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	cache := os.Getenv("REPARTEE_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(base, "repartee")
	}
	sum := sha256.Sum256(b)
	dir = filepath.Join(cache, "clients", filepath.Base(filepath.Dir(lock))+"-"+hex.EncodeToString(sum[:6]))
	_, err = os.Stat(filepath.Join(dir, "ok"))
	return dir, err == nil
}

// run runs a program of a client and shows what it printed when it fails.
func run(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "REPARTEE_URL="+shared.url, "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	} else if testing.Verbose() {
		t.Logf("%s", out)
	}
}

func install(t *testing.T, dir string, steps ...[]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		run(t, dir, s[0], s[1:]...)
	}
	if err := os.WriteFile(filepath.Join(dir, "ok"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPythonClients(t *testing.T) {
	python := need(t, "python3")
	lock, err := filepath.Abs("python/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	dir, installed := home(t, lock)
	bin := filepath.Join(dir, "bin", "python")
	if !installed {
		if err := exec.Command(python, "-m", "ensurepip", "--version").Run(); err != nil && os.Getenv("CI") == "" {
			t.Skip("python3 has no venv: install python3-venv")
		}
		install(t, dir, []string{python, "-m", "venv", dir}, []string{bin, "-m", "pip", "install", "-q", "--require-hashes", "-r", lock})
	}
	for _, module := range []string{"test_openai", "test_ollama", "test_socket"} {
		t.Run(module, func(t *testing.T) { run(t, "python", bin, "-m", "unittest", "-v", module) })
	}
}

func TestNodeClient(t *testing.T) {
	node, npm := need(t, "node"), need(t, "npm")
	lock, err := filepath.Abs("node/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	dir, installed := home(t, lock)
	if !installed {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"package.json", "package-lock.json"} {
			copyFile(t, filepath.Join("node", name), filepath.Join(dir, name))
		}
		install(t, dir, []string{npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"})
	}
	copyFile(t, "node/openai.test.mjs", filepath.Join(dir, "openai.test.mjs"))
	run(t, dir, node, "--test", "openai.test.mjs")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
