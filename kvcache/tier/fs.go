package tier

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// FS is what a store needs of a file system; names are full paths.
type FS interface {
	// MakeDir makes a directory, and those above it, that only this user may enter.
	MakeDir(dir string) error
	// Lock takes a directory for this process until it is closed, and fails when
	// another one has it.
	Lock(dir string) (io.Closer, error)
	// List returns names and sizes of a directory's plain files.
	List(dir string) ([]Entry, error)
	// Read fills dst from a file's beginning and returns how much there was.
	Read(name string, dst []byte) (int, error)
	// Write makes a file of parts.
	Write(name string, parts ...[]byte) error
	// Rename gives a file another name at once, or not at all.
	Rename(from, to string) error
	Remove(name string) error
}

// Entry is a file in a directory.
type Entry struct {
	Name string
	Size int64
}

// osFS is the operating system's file system.
type osFS struct{}

func (osFS) MakeDir(dir string) error { return os.MkdirAll(dir, 0o700) }

func (osFS) Lock(dir string) (io.Closer, error) { return lockFile(filepath.Join(dir, "lock")) }

func (osFS) List(dir string) ([]Entry, error) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, d := range found {
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			out = append(out, Entry{d.Name(), info.Size()})
		}
	}
	return out, nil
}

func (osFS) Read(name string, dst []byte) (int, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := io.ReadFull(f, dst)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}

func (osFS) Write(name string, parts ...[]byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := f.Write(p); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(name string) error     { return os.Remove(name) }
