package server

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestReadKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	read := func(content string) ([]Key, error) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadKeys(path)
	}
	got, err := read("# ours\none\n\n two weight=2.5 # loud\nthree\tweight=0.1\n")
	want := []Key{{"one", 0}, {"two", 2.5}, {"three", 0.1}}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("ReadKeys = %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"one two", "one weight=", "one weight=0", "one weight=NaN", "one weight=101", "one weight=2 more"} {
		if got, err := read("fine\n" + bad); err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "one") {
			t.Errorf("ReadKeys(%q) = %v, %v, want an error about line 2 without the key", bad, got, err)
		}
	}
}
