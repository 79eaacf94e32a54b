package voicetest

import (
	"os"
	"path/filepath"
	"testing"
)

// cache is where fetched parts lie.
func cache() string {
	if d := os.Getenv("REPARTEE_CACHE"); d != "" {
		return d
	}
	if d := os.Getenv("XDG_CACHE_HOME"); d != "" {
		return filepath.Join(d, "repartee")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".cache", "repartee")
}

// find gives the path out of the environment or the first match below the
// cache; without either it skips the test, or fails it when REPARTEE_E2E=1
// says that everything must be there.
func find(t testing.TB, env, pattern string) string {
	t.Helper()
	if p := os.Getenv(env); env != "" && p != "" {
		return p
	}
	m, _ := filepath.Glob(filepath.Join(cache(), pattern))
	if len(m) > 0 {
		return m[len(m)-1]
	}
	if os.Getenv("REPARTEE_E2E") == "1" {
		t.Fatalf("no %s below %s and no $%s, but REPARTEE_E2E=1 wants every part: run \"make fetch\"", pattern, cache(), env)
	}
	t.Skipf("no %s below %s and no $%s: run \"make fetch\"", pattern, cache(), env)
	return ""
}

// Runtime is the path of ONNX Runtime.
func Runtime(t testing.TB) string {
	return find(t, "REPARTEE_ONNXRUNTIME", "onnxruntime/*/libonnxruntime.so.*")
}

// Voice is the path of the default voice.
func Voice(t testing.TB) string {
	return find(t, "REPARTEE_VOICE_FILE", "voices/en_US-joe-medium.onnx")
}

// Espeak gives the paths of the phonemizer, libespeak-ng and its data.
func Espeak(t testing.TB) (program, library, data string) {
	return find(t, "REPARTEE_PHONEMIZER", "native/current/bin/repartee-phonemize"),
		find(t, "REPARTEE_ESPEAK_LIBRARY", "espeak-ng/*/libespeak-ng.so"),
		find(t, "REPARTEE_ESPEAK_DATA", "espeak-ng/*/espeak-ng-data")
}

// Kokoro is the path of the Kokoro voice, which has its style packs beside it.
func Kokoro(t testing.TB) string {
	t.Helper()
	path := find(t, "REPARTEE_KOKORO_FILE", "voices/kokoro-82m-int8.onnx")
	find(t, "", "voices/kokoro-82m-int8.voices/af_heart.bin")
	return path
}
