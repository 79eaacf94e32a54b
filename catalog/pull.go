package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// hub is where models are pulled from unless HF_ENDPOINT names another
// Hugging Face-compatible one.
const hub = "https://huggingface.co"

// pullTries is how often a broken transfer is taken up again without a byte of
// progress in between.
const pullTries = 5

// stall is how long a transfer may stand still.
const stall = 30 * time.Second

// Pull fetches an entry's files below cache, its own last, so that an entry
// whose file is there is whole. A broken transfer is resumed, a
// file appears under its name only when its SHA-256 is what the hub said. It
// honours HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE. progress is told the bytes
// there are of the file under way and its bytes in all (0 = unknown).
func Pull(ctx context.Context, e Entry, cache string, progress func(have, total int64)) error {
	if v := os.Getenv("HF_HUB_OFFLINE"); v != "" && v != "0" {
		return fmt.Errorf("catalog: pulling %s: HF_HUB_OFFLINE is set", e.Name)
	}
	folder := filepath.Join(cache, string(e.Kind)+"s")
	for _, b := range e.Beside {
		path := filepath.Join(folder, filepath.FromSlash(b.File))
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := pullFile(ctx, e, b.RepoFile, path, func(_, _ int64) {}); err != nil {
			return err
		}
	}
	return pullFile(ctx, e, e.RepoFile, e.Path(cache), progress)
}

// pullFile fetches one file of an entry's repository to path.
func pullFile(ctx context.Context, e Entry, file, path string, progress func(have, total int64)) error {
	base := strings.TrimRight(os.Getenv("HF_ENDPOINT"), "/")
	if base == "" {
		base = hub
	}
	p := &pull{url: base + "/" + e.Repo + "/resolve/main/" + file, token: os.Getenv("HF_TOKEN"), part: path + ".part", progress: progress}
	if err := os.MkdirAll(filepath.Dir(p.part), 0o755); err != nil {
		return fmt.Errorf("catalog: pulling %s: %w", e.Name, err)
	}
	var last error
	for tries := 0; tries < pullTries; tries++ {
		before := p.have()
		done, err := p.transfer(ctx)
		if err == nil && done {
			if err := p.verify(); err != nil {
				return fmt.Errorf("catalog: pulling %s: %w", e.Name, err)
			}
			return os.Rename(p.part, path)
		}
		var final *finalError
		if errors.As(err, &final) || ctx.Err() != nil {
			return fmt.Errorf("catalog: pulling %s from %s: %w", e.Name, p.url, err)
		}
		last = err
		if p.have() > before {
			tries = -1
		}
	}
	return fmt.Errorf("catalog: pulling %s from %s: gave up after %d tries without progress: %w", e.Name, p.url, pullTries, last)
}

// pull is one file's transfer.
type pull struct {
	url, token, part string
	sum              string // SHA-256 the hub promised, hex; empty = none seen
	total            int64
	progress         func(have, total int64)
}

// finalError is one that trying again cannot mend.
type finalError struct{ msg string }

func (e *finalError) Error() string { return e.msg }

func (p *pull) have() int64 {
	st, err := os.Stat(p.part)
	if err != nil {
		return 0
	}
	return st.Size()
}

// transfer fetches what is missing and tells whether the file is complete.
func (p *pull) transfer(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("no byte for %s", stall)) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return false, &finalError{err.Error()}
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	have := p.have()
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	client := &http.Client{CheckRedirect: func(r *http.Request, via []*http.Request) error {
		p.note(r.Response) // the hub puts checksum and size on its redirect
		if len(via) > 10 {
			return errors.New("more than 10 redirects")
		}
		return nil
	}}
	res, err := client.Do(req)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	p.note(res)
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	switch {
	case res.StatusCode == http.StatusOK:
		have, flags = 0, flags|os.O_TRUNC
		p.total = res.ContentLength
	case res.StatusCode == http.StatusPartialContent:
		var from, to, total int64
		if _, err := fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &total); err != nil || from != have {
			return false, os.Remove(p.part)
		}
		p.total = total
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return p.total > 0 && have == p.total, os.Truncate(p.part, 0)
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return false, fmt.Errorf("the hub says %s", res.Status)
	default:
		return false, &finalError{"the hub says " + res.Status}
	}
	f, err := os.OpenFile(p.part, flags, 0o644)
	if err != nil {
		return false, &finalError{err.Error()}
	}
	buf := make([]byte, 1<<18)
	for {
		n, err := res.Body.Read(buf)
		if n > 0 {
			watch.Reset(stall)
			if _, werr := f.Write(buf[:n]); werr != nil {
				_ = f.Close()
				return false, &finalError{werr.Error()}
			}
			have += int64(n)
			p.progress(have, max(p.total, 0))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return false, errors.Join(err, context.Cause(ctx), f.Close())
		}
	}
	if err := f.Close(); err != nil {
		return false, &finalError{err.Error()}
	}
	if p.total > 0 && have != p.total {
		return false, fmt.Errorf("%d of %d bytes came", have, p.total)
	}
	return true, nil
}

// note remembers the checksum that a response carries.
func (p *pull) note(res *http.Response) {
	if res == nil {
		return
	}
	for _, h := range []string{"X-Linked-Etag", "Etag"} {
		sum := strings.Trim(strings.TrimPrefix(res.Header.Get(h), "W/"), `"`)
		if raw, err := hex.DecodeString(sum); err == nil && len(raw) == sha256.Size {
			p.sum = strings.ToLower(sum)
			return
		}
	}
}

// verify compares the file with the promised checksum and removes it when they
// differ.
func (p *pull) verify() error {
	if p.sum == "" {
		return nil
	}
	f, err := os.Open(p.part)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != p.sum {
		return errors.Join(fmt.Errorf("the file's SHA-256 is %s, the hub promised %s; it was removed", got, p.sum), os.Remove(p.part))
	}
	return nil
}
