package catalog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// lyingHub serves body and misbehaves as told: it redirects, cuts transfers,
// ignores ranges, promises a wrong checksum.
type lyingHub struct {
	body        []byte
	cut         int // bytes after which a transfer breaks, 0 = never
	noRange     bool
	wrongSum    bool
	fail        int // answers 503 so often first
	status      int
	redirect    bool
	calls       int
	tokens      []string
	server      *httptest.Server
	resumedFrom []string
}

func (h *lyingHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.calls++
	h.tokens = append(h.tokens, r.Header.Get("Authorization"))
	sum := sha256.Sum256(h.body)
	if h.wrongSum {
		sum[0]++
	}
	switch {
	case h.status != 0:
		w.WriteHeader(h.status)
		return
	case h.fail > 0:
		h.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case h.redirect && !strings.HasPrefix(r.URL.Path, "/blob"):
		w.Header().Set("X-Linked-Etag", `"`+hex.EncodeToString(sum[:])+`"`)
		http.Redirect(w, r, "/blob", http.StatusFound)
		return
	case !h.redirect:
		w.Header().Set("X-Linked-Etag", `"`+hex.EncodeToString(sum[:])+`"`)
	}
	from := 0
	if rng := r.Header.Get("Range"); rng != "" && !h.noRange {
		h.resumedFrom = append(h.resumedFrom, rng)
		if _, err := fmt.Sscanf(rng, "bytes=%d-", &from); err != nil || from >= len(h.body) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(h.body)-1, len(h.body)))
		w.Header().Set("Content-Length", fmt.Sprint(len(h.body)-from))
		w.WriteHeader(http.StatusPartialContent)
	} else {
		w.Header().Set("Content-Length", fmt.Sprint(len(h.body)))
	}
	rest := h.body[from:]
	if h.cut > 0 && len(rest) > h.cut {
		_, _ = w.Write(rest[:h.cut])
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(rest)
}

func TestPull(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789"), 5000)
	entry := Entry{Name: "test:1", Kind: Model, File: "test.gguf", Repo: "some/repo", RepoFile: "test.gguf"}
	f := func(name string, h *lyingHub, problem string, check func(t *testing.T, h *lyingHub)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			h.body = body
			h.server = httptest.NewServer(h)
			defer h.server.Close()
			t.Setenv("HF_ENDPOINT", h.server.URL+"/")
			t.Setenv("HF_TOKEN", "secret")
			t.Setenv("HF_HUB_OFFLINE", "")
			cache := t.TempDir()
			var seen int64
			err := Pull(context.Background(), entry, cache, func(have, _ int64) { seen = have })
			if (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
				t.Fatalf("Pull = %v, want error with %q", err, problem)
			}
			got, readErr := os.ReadFile(entry.Path(cache))
			if err == nil && (!bytes.Equal(got, body) || seen != int64(len(body))) {
				t.Fatalf("Pull left %d bytes after %d were reported (%v), want %d", len(got), seen, readErr, len(body))
			}
			if err != nil && readErr == nil {
				t.Fatalf("Pull failed with %v and left a file under the final name", err)
			}
			if check != nil {
				check(t, h)
			}
		})
	}
	f("plain", &lyingHub{}, "", nil)
	f("redirect", &lyingHub{redirect: true}, "", nil)
	f("cut transfers are resumed", &lyingHub{cut: 7000}, "", func(t *testing.T, h *lyingHub) {
		if len(h.resumedFrom) != 7 || h.resumedFrom[0] != "bytes=7000-" {
			t.Fatalf("resumed at %v, want 7 times from 7000 on", h.resumedFrom)
		}
	})
	f("a hub without ranges that cuts", &lyingHub{cut: 7000, noRange: true}, "gave up", nil)
	f("busy hub", &lyingHub{fail: 2}, "", nil)
	f("down hub", &lyingHub{fail: 99}, "gave up", nil)
	f("wrong checksum", &lyingHub{wrongSum: true}, "promised", nil)
	f("gated", &lyingHub{status: http.StatusForbidden}, "403", func(t *testing.T, h *lyingHub) {
		if h.calls != 1 || h.tokens[0] != "Bearer secret" {
			t.Fatalf("%d calls with %q, want one with the token", h.calls, h.tokens)
		}
	})
	voice := entry
	voice.Kind, voice.Beside = Voice, []Beside{{"test.styles/a.bin", "voices/a.bin"}, {"test.json", "test.json"}}
	entry = voice
	f("a voice of three files", &lyingHub{redirect: true}, "", func(t *testing.T, h *lyingHub) {
		if h.calls != 6 {
			t.Fatalf("%d calls, want a redirect and a file three times", h.calls)
		}
	})
	f("a voice that is not there", &lyingHub{status: http.StatusNotFound}, "voices/a.bin", nil)
	t.Setenv("HF_HUB_OFFLINE", "1")
	if err := Pull(context.Background(), entry, t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "HF_HUB_OFFLINE") {
		t.Fatalf("Pull offline = %v, want an error that names HF_HUB_OFFLINE", err)
	}
}
