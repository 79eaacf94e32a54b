package tier

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
)

var errKilled = errors.New("killed")

// disk is a file system in memory that can die after so many bytes and calls, as a
// killed process leaves it, or have no room.
type disk struct {
	mu     sync.Mutex
	files  map[string][]byte
	left   int // bytes and calls until it dies, −1 = never
	room   int // bytes it holds in all, −1 = any number
	locked bool
}

func newDisk() *disk { return &disk{files: map[string][]byte{}, left: -1, room: -1} }

// spend takes n units and returns how many there were.
func (d *disk) spend(n int) int {
	if d.left < 0 {
		return n
	}
	n = min(n, d.left)
	d.left -= n
	return n
}

func (d *disk) MakeDir(string) error { return nil }

func (d *disk) Lock(string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return nil, errors.New("locked")
	}
	d.locked = true
	return unlock{d}, nil
}

type unlock struct{ d *disk }

func (u unlock) Close() error {
	u.d.mu.Lock()
	defer u.d.mu.Unlock()
	u.d.locked = false
	return nil
}

func (d *disk) List(dir string) (out []Entry, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, b := range d.files {
		out = append(out, Entry{strings.TrimPrefix(name, dir+"/"), int64(len(b))})
	}
	return out, nil
}

func (d *disk) Read(name string, dst []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.files[name]
	if !ok {
		return 0, os.ErrNotExist
	}
	return copy(dst, b), nil
}

func (d *disk) Write(name string, parts ...[]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := slices.Concat(parts...)
	if d.spend(1) < 1 {
		return errKilled
	}
	d.files[name] = nil
	n := d.spend(len(all))
	if d.room >= 0 {
		used := 0
		for _, b := range d.files {
			used += len(b)
		}
		if used+n > d.room {
			d.files[name] = all[:max(0, d.room-used)]
			return syscall.ENOSPC
		}
	}
	d.files[name] = all[:n]
	if n < len(all) {
		return errKilled
	}
	return nil
}

func (d *disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.files[from]
	if d.spend(1) < 1 || !ok {
		return errKilled
	}
	delete(d.files, from)
	d.files[to] = b
	return nil
}

func (d *disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.spend(1) < 1 {
		return errKilled
	}
	delete(d.files, name)
	return nil
}

// size is what its files hold.
func (d *disk) size() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.files {
		n += len(b)
	}
	return n
}
