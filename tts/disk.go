package tts

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// disk keeps finished speech in files of a folder, so that it outlives the
// process. A file is named by its key and complete once it has its name; what
// does not match its checksums is removed and made anew. Several processes may
// share a folder: each keeps what it knows of within the bound.
type disk struct {
	dir   string
	limit int64
	log   *slog.Logger
	queue chan saved // closed at the end; what does not fit is not kept
	done  chan struct{}

	mu   sync.Mutex
	size int64 // of the files known of
}

// saved is a speech on its way to a file or out of it.
type saved struct {
	key    [32]byte
	notes  notes
	chunks [][]byte
}

// notes is what belongs to a speech beside its bytes.
type notes struct {
	Audio    time.Duration `json:"audio"`
	Clauses  int           `json:"clauses"`
	Captions Captions      `json:"captions"`
}

// A file is this header, the notes as JSON, and the audio:
//
//	0   magic "RPSPEAK1"   8   key (32 bytes)
//	40  length of the notes (4)   44  length of the audio (8)
//	52  CRC-32C of notes and audio   56  CRC-32C of 0 … 55
const (
	diskMagic  = "RPSPEAK1"
	diskHeader = 60
	diskSuffix = ".speech"
	diskNew    = ".new"
)

const (
	diskQueue = 32      // speeches waiting to be written
	diskMost  = 8 << 20 // the longest one kept, bytes
	// maxNotes bounds the notes of a file: captions of an hour.
	maxNotes = 16 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openDisk takes a folder, making it if need be, and starts its writer.
func openDisk(dir string, limit int64, log *slog.Logger) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("tts: folder for finished speech: %w", err)
	}
	probe, err := os.CreateTemp(dir, "*"+diskNew)
	if err != nil {
		return nil, fmt.Errorf("tts: folder for finished speech: %w", err)
	}
	err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	if err != nil {
		return nil, fmt.Errorf("tts: folder for finished speech: %w", err)
	}
	d := &disk{dir: dir, limit: limit, log: log, queue: make(chan saved, diskQueue), done: make(chan struct{})}
	d.makeRoom(0)
	go d.write()
	return d, nil
}

// close writes what waits and ends the writer. No put may come after it.
func (d *disk) close() {
	if d == nil {
		return
	}
	close(d.queue)
	<-d.done
}

// most is the longest speech that is kept, in bytes.
func (d *disk) most() int64 {
	if d == nil {
		return 0
	}
	return min(d.limit/4, diskMost)
}

// put has a speech written, unless the writer is far behind.
func (d *disk) put(s saved) {
	select {
	case d.queue <- s:
	default:
	}
}

// keep has a take written, if it is complete and short enough.
func (d *disk) keep(t *take, key [32]byte) {
	n, ok := t.complete()
	if !ok || n > d.most() {
		return
	}
	t.mu.Lock()
	s := saved{key, notes{t.times.Audio, t.times.Clauses, t.said}, t.chunks} // of a finished take none of them changes
	t.mu.Unlock()
	d.put(s)
}

func (d *disk) path(key [32]byte) string {
	return filepath.Join(d.dir, hex.EncodeToString(key[:20])+diskSuffix)
}

// get reads a speech; false when there is none that can be trusted.
func (d *disk) get(key [32]byte) (saved, bool) {
	path := d.path(key)
	st, err := os.Stat(path)
	if err != nil || st.Size() > diskHeader+maxNotes+diskMost {
		return saved{}, false
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return saved{}, false
	}
	s, err := decodeSaved(key, b)
	if err != nil {
		d.log.Warn("finished speech on disk cannot be used", "file", path, "why", err)
		_ = os.Remove(path) // it would be refused again
		return saved{}, false
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // the order of eviction; only a hint
	return s, true
}

// write is the writer's goroutine.
func (d *disk) write() {
	defer close(d.done)
	for s := range d.queue {
		if err := d.save(s); err != nil {
			d.log.Warn("finished speech cannot be written", "folder", d.dir, "why", err)
		}
	}
}

func (d *disk) save(s saved) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v", r)
		}
	}()
	b, err := encodeSaved(s)
	if err != nil {
		return err
	}
	d.mu.Lock()
	full := d.size+int64(len(b)) > d.limit
	d.mu.Unlock()
	if full {
		d.makeRoom(int64(len(b)))
	}
	f, err := os.CreateTemp(d.dir, "*"+diskNew) // for the owner's eyes only
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), d.path(s.key))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	d.mu.Lock()
	d.size += int64(len(b))
	d.mu.Unlock()
	return nil
}

// makeRoom looks at the folder anew and removes the longest unused files until
// n more bytes fit, and what an interrupted process left unfinished.
func (d *disk) makeRoom(n int64) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		d.log.Warn("finished speech on disk cannot be listed", "folder", d.dir, "why", err)
		return
	}
	var files []fs.FileInfo
	size := int64(0)
	for _, e := range entries {
		st, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		switch {
		case strings.HasSuffix(e.Name(), diskNew) && time.Since(st.ModTime()) > time.Hour:
			_ = os.Remove(filepath.Join(d.dir, e.Name())) // tried again next time
		case strings.HasSuffix(e.Name(), diskSuffix):
			files = append(files, st)
			size += st.Size()
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, f := range files {
		if size+n <= d.limit {
			break
		}
		if err := os.Remove(filepath.Join(d.dir, f.Name())); err == nil || errors.Is(err, fs.ErrNotExist) {
			size -= f.Size()
		}
	}
	d.mu.Lock()
	d.size = size
	d.mu.Unlock()
}

func encodeSaved(s saved) ([]byte, error) {
	meta, err := json.Marshal(s.notes)
	if err != nil {
		return nil, err
	}
	if len(meta) > maxNotes {
		return nil, fmt.Errorf("%d bytes of notes", len(meta))
	}
	audio := 0
	for _, c := range s.chunks {
		audio += len(c)
	}
	le := binary.LittleEndian
	b := make([]byte, diskHeader, diskHeader+len(meta)+audio)
	copy(b, diskMagic)
	copy(b[8:], s.key[:])
	le.PutUint32(b[40:], uint32(len(meta)))
	le.PutUint64(b[44:], uint64(audio))
	b = append(b, meta...)
	for _, c := range s.chunks {
		b = append(b, c...)
	}
	le.PutUint32(b[52:], crc32.Checksum(b[diskHeader:], castagnoli))
	le.PutUint32(b[56:], crc32.Checksum(b[:56], castagnoli))
	return b, nil
}

// decodeSaved reads a file; its chunks lie in b.
func decodeSaved(key [32]byte, b []byte) (s saved, err error) {
	le := binary.LittleEndian
	switch {
	case len(b) < diskHeader || string(b[:8]) != diskMagic:
		return s, errors.New("it does not begin as one")
	case crc32.Checksum(b[:56], castagnoli) != le.Uint32(b[56:]):
		return s, errors.New("its header is damaged")
	case [32]byte(b[8:40]) != key:
		return s, errors.New("it belongs to another request")
	}
	meta, audio := uint64(le.Uint32(b[40:])), le.Uint64(b[44:])
	rest := b[diskHeader:]
	if audio > uint64(len(rest)) || meta+audio != uint64(len(rest)) {
		return s, fmt.Errorf("it has %d bytes, not those that were written", len(rest))
	}
	if crc32.Checksum(rest, castagnoli) != le.Uint32(b[52:]) {
		return s, errors.New("its bytes are damaged")
	}
	if err := json.Unmarshal(rest[:meta], &s.notes); err != nil {
		return s, fmt.Errorf("its notes: %w", err)
	}
	s.key = key
	s.chunks = slices.Collect(slices.Chunk(rest[meta:], 64<<10))
	return s, nil
}
