package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// raw opens a connection and sends a POST on it.
func (s *server) raw(t *testing.T, path, body string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	return c
}

const running = "vllm:num_requests_running"

func TestLeavingFreesTheSlot(t *testing.T) {
	s := own(t, "--voice", "none", "--parallel", "1")
	long := strings.Repeat("word ", 3000)
	f := func(what, body string, leave func(net.Conn)) {
		t.Helper()
		c := s.raw(t, "/chat", body)
		until(t, what+" running", func() bool { return s.metric(t, running) == 1 })
		leave(c)
		if got := s.chat(t, `{"message":"Hi","max_tokens":2,"temperature":0}`); got == "" {
			t.Fatalf("%s: the next request on the only slot got nothing", what)
		}
		if n := s.metric(t, running); n != 0 {
			t.Fatalf("%s: %g requests still run", what, n)
		}
	}
	f("a prefill", `{"message":"`+long+`","max_tokens":4}`, func(c net.Conn) { c.Close() })
	f("a stream", `{"message":"Tell a story.","max_tokens":4000,"stream":true}`, func(c net.Conn) {
		if _, err := bufio.NewReader(c).ReadString('}'); err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
	for range 100 { // all of them vanish in mid-prefill
		c := s.raw(t, "/chat", `{"message":"`+long+`","max_tokens":4}`)
		c.Close()
	}
	f("a prefill behind a hundred that left", `{"message":"`+long+`x","max_tokens":4}`, func(c net.Conn) { c.Close() })
}

func TestSigtermFinishesTheStream(t *testing.T) {
	s := own(t, "--voice", "none", "--drain-timeout", "5m")
	res, err := http.Post(s.url+"/chat", "application/json", strings.NewReader(`{"message":"Tell a story.","max_tokens":200,"ignore_eos":true,"stream":true,"temperature":0}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	r := bufio.NewReader(res.Body)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "not ready while draining", func() bool { // before that a chat would still be answered
		res, err := http.Get(s.url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode == 503
	})
	if status, body, h := s.post(t, "/chat", `{"message":"x"}`); status != 503 || h.Get("Retry-After") == "" {
		t.Fatalf("POST /chat while draining = %d %s, Retry-After %q, want 503 with one", status, body, h.Get("Retry-After"))
	}
	rest, err := io.ReadAll(r)
	if err != nil || !strings.Contains(string(rest), `"done":true`) || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Fatalf("the stream ended with %.200q, %v; want it whole", rest, err)
	}
	<-s.done
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("exit: %v, want 0\n%s", err, s.logged())
	}
}

func TestRefusedInput(t *testing.T) {
	f := func(path, body string, status int, words ...string) {
		t.Helper()
		got, text, _ := shared.post(t, path, body)
		if got != status {
			t.Fatalf("POST %s %.60s = %d %.200s, want %d", path, body, got, text, status)
		}
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Fatalf("POST %s %.60s = %.300s, want %q in it", path, body, text, w)
			}
		}
	}
	f("/chat", `{"message":`, 400, "JSON")
	f("/chat", strings.Repeat(`{"a":`, 100_000), 400)
	f("/chat", strings.Repeat("x", 5<<20), 413, "4 MiB")
	f("/chat", `{"message":"x","model":"nothing"}`, 404, "smollm2:135m")
	f("/chat", `{"message":"`+strings.Repeat("word ", 9000)+`"}`, 400, "8192", "context_length_exceeded")
	f("/tts", `{"text":"x","voice":"nobody"}`, 404, "en_US-joe-medium")
	f("/tts", `{"text":"..."}`, 400, "text")
	f("/tts", `{"text":"x","speed":"fast"}`, 400, "speed")
	f("/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"enum":[`+strings.Repeat(`"v",`, 200_000)+`"w"]}}}}`, 400, "response_format")
	if got := shared.chat(t, `{"message":"Hi","max_tokens":2}`); got == "" {
		t.Fatal("after all that the server says nothing")
	}
}

func TestUnusableFilesAreOneLine(t *testing.T) {
	dir := t.TempDir()
	whole, err := os.ReadFile(model(t))
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, data []byte, flags ...string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if data != nil {
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for i := range flags {
			flags[i] = strings.ReplaceAll(flags[i], "FILE", path)
		}
		out, err := exec.Command("../bin/repartee", append([]string{"serve", "--listen", "127.0.0.1:0"}, flags...)...).CombinedOutput()
		exit, ok := err.(*exec.ExitError)
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		last := lines[len(lines)-1]
		if !ok || exit.ExitCode() != 1 || !strings.HasPrefix(last, "repartee: ") || !strings.Contains(last, name) {
			t.Fatalf("serve %v: %v\n%s\nwant exit 1 and a line that names %s", flags, err, out, name)
		}
	}
	garbled := append([]byte(nil), whole[:1<<20]...)
	copy(garbled[4096:], strings.Repeat("\xff", 64<<10))
	f("cut.gguf", whole[:len(whole)/2], "--model", "bad=FILE", "--voice", "none")
	f("head.gguf", whole[:1000], "--model", "bad=FILE", "--voice", "none")
	f("garbled.gguf", garbled, "--model", "bad=FILE", "--voice", "none")
	f("text.gguf", []byte("GGUF, but not really"), "--model", "bad=FILE", "--voice", "none")
	f("absent.gguf", nil, "--model", "bad=FILE", "--voice", "none")
	f("absent.onnx", nil, "--voice", "bad=FILE", "--model", "none")
	f("text.onnx", []byte("not a graph"), "--voice", "bad=FILE", "--model", "none")
}

// model is the default model's file.
func model(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("../bin/repartee", "models", "list", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	path, ok := firstField(string(out), `"path": "`)
	if !ok {
		t.Fatalf("models list --json = %s, want a path", out)
	}
	return path
}

func firstField(text, key string) (string, bool) {
	_, rest, ok := strings.Cut(text, key)
	value, _, end := strings.Cut(rest, `"`)
	return value, ok && end
}
