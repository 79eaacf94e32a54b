package tier

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// folder is a store's directory that nobody uses.
type folder struct {
	path  string
	bytes int64
	used  time.Time // of its newest file
}

// Sweep removes stores that nobody uses, the one used longest ago first, until
// those that are left take at most most bytes, and returns how many they take.
// They are the folders of dir, keep excepted. Only the files of stores are removed,
// and a folder when nothing else lies in it. An absent dir holds none.
func Sweep(dir, keep string, most int64) (left int64, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var idle []folder
	for _, e := range entries {
		if !e.IsDir() || e.Name() == keep {
			continue
		}
		f := folder{path: filepath.Join(dir, e.Name())}
		files, _ := osFS{}.List(f.path) // one that cannot be read is nobody's store
		for _, file := range files {
			if !strings.HasSuffix(file.Name, suffix) {
				continue
			}
			f.bytes += file.Size
			if info, err := os.Stat(filepath.Join(f.path, file.Name)); err == nil && info.ModTime().After(f.used) {
				f.used = info.ModTime()
			}
		}
		if f.bytes > 0 {
			idle = append(idle, f)
			left += f.bytes
		}
	}
	slices.SortFunc(idle, func(a, b folder) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	for _, f := range idle {
		if left <= most {
			break
		}
		lock, lerr := osFS{}.Lock(f.path)
		if lerr != nil { // a running process has it, and bounds it itself
			left -= f.bytes
			continue
		}
		err = errors.Join(err, f.empty())
		left -= f.bytes
		err = errors.Join(err, lock.Close())
	}
	return left, err
}

// empty removes a store's files, and the folder if it was nothing else.
func (f folder) empty() error {
	files, err := osFS{}.List(f.path)
	for _, file := range files {
		if strings.HasSuffix(file.Name, suffix) || strings.HasSuffix(file.Name, unfinished) || file.Name == "lock" {
			err = errors.Join(err, os.Remove(filepath.Join(f.path, file.Name)))
		}
	}
	_ = os.Remove(f.path) // fails where something else lies in it, and that stays
	return err
}
