package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// minute is how long the load lasts; the default keeps a test run short.
func loadTime(t *testing.T) time.Duration {
	t.Helper()
	if v := os.Getenv("REPARTEE_LOAD_TIME"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			t.Fatalf("REPARTEE_LOAD_TIME: %v", err)
		}
		return d
	}
	return 15 * time.Second
}

// resident is a process's memory in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// Eight streaming chats and four speakers at once. Each always asks the same
// with a name in it, so that an answer of somebody else's would show: a chat
// must repeat a word that its prompt alone holds, a speech must be the same
// bytes every time.
func TestChatsAndSpeechTogether(t *testing.T) {
	s := own(t, "--tts-cache", "0")
	end := time.Now().Add(loadTime(t))
	var all sync.WaitGroup
	var chats, speeches sync.Map
	count := func(m *sync.Map) (n int) {
		m.Range(func(_, _ any) bool { n++; return true })
		return n
	}
	for i := range 8 {
		all.Go(func() {
			word := []string{"apple", "bridge", "candle", "dragon", "engine", "forest", "garden", "hammer"}[i]
			schema := fmt.Sprintf(`{"type":"object","properties":{"word":{"const":%q},"story":{"type":"string","maxLength":60}},"required":["word","story"],"additionalProperties":false}`, word)
			body := fmt.Sprintf(`{"messages":[{"role":"user","content":"Tell me about the %s."}],"stream":true,"max_tokens":80,"response_format":{"type":"json_schema","json_schema":{"name":"w","schema":%s}}}`, word, schema)
			for n := 0; time.Now().Before(end); n++ {
				status, text, _ := s.post(t, "/v1/chat/completions", body)
				joined := ""
				for line := range strings.Lines(text) {
					var c struct {
						Choices []struct{ Delta struct{ Content string } }
					}
					if data, ok := strings.CutPrefix(line, "data: {"); ok && json.Unmarshal([]byte("{"+data), &c) == nil && len(c.Choices) > 0 {
						joined += c.Choices[0].Delta.Content
					}
				}
				if status != 200 || !strings.HasSuffix(text, "data: [DONE]\n\n") || !strings.Contains(joined, `"`+word+`"`) {
					t.Errorf("chat %d, round %d: %d, %.300q joined %q; want its word %q", i, n, status, text, joined, word)
					return
				}
				chats.Store(fmt.Sprint(i, n), true)
			}
		})
	}
	for i := range 4 {
		all.Go(func() {
			body := fmt.Sprintf(`{"text":"Speaker number %d says that the weather is nice today.","format":"wav"}`, i)
			first := ""
			for n := 0; time.Now().Before(end); n++ {
				res, err := http.Post(s.url+"/tts", "application/json", strings.NewReader(body))
				if err != nil {
					t.Errorf("speech %d: %v", i, err)
					return
				}
				b, err := io.ReadAll(res.Body)
				res.Body.Close()
				sum := fmt.Sprintf("%x", sha256.Sum256(b))
				if n == 0 {
					first = sum
				}
				if err != nil || res.StatusCode != 200 || len(b) < 40_000 || sum != first {
					t.Errorf("speech %d, round %d: %d, %d bytes, sum %s, %v; want the bytes of the first time, %s", i, n, res.StatusCode, len(b), sum, err, first)
					return
				}
				speeches.Store(fmt.Sprint(i, n), true)
			}
		})
	}
	var warm, most int64
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	half := time.Now().Add(time.Until(end) / 2)
	for now := range tick.C {
		rss := resident(t, s.cmd.Process.Pid)
		if now.Before(half) {
			warm = max(warm, rss)
		} else {
			most = max(most, rss)
		}
		if now.After(end) {
			break
		}
	}
	all.Wait()
	t.Logf("%d chats, %d speeches in %v; memory at most %d MiB in the first half, %d MiB in the second", count(&chats), count(&speeches), loadTime(t), warm>>20, most>>20)
	if count(&chats) < 8 || count(&speeches) < 4 {
		t.Fatalf("%d chats, %d speeches: want at least one of each client", count(&chats), count(&speeches))
	}
	if most > warm+warm/8 {
		t.Fatalf("memory grew from %d MiB in the first half to %d MiB in the second", warm>>20, most>>20)
	}
}
