package tier

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSweepRemovesTheOldestStores(t *testing.T) {
	dir := t.TempDir()
	store := func(name string, bytes int, age time.Duration) {
		t.Helper()
		file := filepath.Join(dir, name, "00"+suffix)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, make([]byte, bytes), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	store("own", 500, 9*time.Hour)
	store("old", 100, 3*time.Hour)
	store("used", 100, 4*time.Hour)
	store("mixed", 100, 2*time.Hour)
	store("new", 100, time.Hour)
	foreign := filepath.Join(dir, "mixed", "letter.txt")
	if err := os.WriteFile(foreign, []byte("dear"), 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := osFS{}.Lock(filepath.Join(dir, "used"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()

	f := func(most, want int64, stay ...string) {
		t.Helper()
		left, err := Sweep(dir, "own", most)
		if left != want || err != nil {
			t.Errorf("Sweep(%d) = %d, %v; want %d", most, left, err, want)
		}
		for _, name := range stay {
			if _, err := os.Stat(filepath.Join(dir, name, "00"+suffix)); err != nil {
				t.Errorf("Sweep(%d) removed %s", most, name)
			}
		}
	}
	f(1000, 400, "own", "old", "used", "mixed", "new")
	f(150, 100, "own", "used", "new")
	if _, err := os.Stat(filepath.Join(dir, "old")); err == nil {
		t.Error("an empty folder was left")
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a file that is no store's: %v", err)
	}
	f(0, 0, "own", "used")
	if left, err := Sweep(filepath.Join(dir, "absent"), "", 0); left != 0 || err != nil {
		t.Errorf("Sweep of an absent folder = %d, %v", left, err)
	}
}
