package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// server is a running bin/repartee.
type server struct {
	url  string
	cmd  *exec.Cmd
	mu   sync.Mutex
	log  bytes.Buffer
	done chan struct{}
}

// shared is the server that tests share which do it no harm.
var shared *server

func TestMain(m *testing.M) {
	var err error
	if shared, err = launch(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := shared.stop(syscall.SIGTERM); err != nil {
		fmt.Fprintln(os.Stderr, "e2e: the server's end:", err)
		code = 1
	}
	os.Exit(code)
}

// launch starts a server on a port of its own and waits until it serves.
func launch(args ...string) (*server, error) {
	bin, err := filepath.Abs("../bin/repartee")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(bin); err != nil {
		return nil, fmt.Errorf(`%w: run "make build" first`, err)
	}
	s := &server{cmd: exec.Command(bin, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...), done: make(chan struct{})}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	url := make(chan string, 1)
	go func() {
		defer close(s.done)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			s.mu.Lock()
			s.log.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
			if u, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				url <- u
			}
		}
	}()
	select {
	case s.url = <-url:
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("the server ended before it listened (%v):\n%s", s.cmd.Wait(), s.logged())
	case <-time.After(2 * time.Minute):
		_ = s.cmd.Process.Kill()
		return nil, fmt.Errorf("the server is not ready after two minutes:\n%s", s.logged())
	}
}

// own starts a server for one test.
func own(t *testing.T, args ...string) *server {
	t.Helper()
	s, err := launch(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			if err := s.stop(syscall.SIGTERM); err != nil {
				t.Errorf("the server's end: %v\n%s", err, s.logged())
			}
		}
	})
	return s
}

// stop signals the server and waits for exit status 0.
func (s *server) stop(sig os.Signal) error {
	if err := s.cmd.Process.Signal(sig); err != nil {
		return err
	}
	<-s.done
	return s.cmd.Wait()
}

func (s *server) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// post sends a JSON body and returns the status and the whole answer.
func (s *server) post(t *testing.T, path, body string) (int, string, http.Header) {
	t.Helper()
	res, err := http.Post(s.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatalf("POST %s %.80s: %v", path, body, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("POST %s %.80s: reading the answer: %v", path, body, err)
	}
	return res.StatusCode, string(b), res.Header
}

func (s *server) get(t *testing.T, path string) string {
	t.Helper()
	res, err := http.Get(s.url + path)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("GET %s: reading the answer: %v", path, err)
	}
	return string(b)
}

// chat is the least a test needs of POST /chat.
func (s *server) chat(t *testing.T, body string) string {
	t.Helper()
	status, text, _ := s.post(t, "/chat", body)
	var a struct{ Reply string }
	if err := json.Unmarshal([]byte(text), &a); status != 200 || err != nil {
		t.Fatalf("POST /chat %.80s = %d %s (%v), want 200", body, status, text, err)
	}
	return a.Reply
}

// metric reads one sample off /metrics by the beginning of its line.
func (s *server) metric(t *testing.T, name string) float64 {
	t.Helper()
	for line := range strings.Lines(s.get(t, "/metrics")) {
		if strings.HasPrefix(line, name) {
			var v float64
			if _, err := fmt.Sscan(line[strings.LastIndex(line, " ")+1:], &v); err != nil {
				t.Fatalf("metric line %q: %v", line, err)
			}
			return v
		}
	}
	t.Fatalf("/metrics has no %s", name)
	return 0
}

// until waits for a state that the server must come to.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("half a minute has passed without %s", what)
		}
	}
}

// need skips a test whose foreign program is not installed, unless CI is set,
// where everything must be there.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed", program)
		}
		t.Skipf("%s is not installed", program)
	}
	return path
}
