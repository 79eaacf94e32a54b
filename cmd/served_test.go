package cmd

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// tail gathers what a process says.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *tail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// served is a running program.
type served struct {
	cmd  *exec.Cmd
	url  string
	log  *tail
	done chan error
}

func (s *standin) serve(t *testing.T, args ...string) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	p := &served{cmd: exec.Command(s.program, append([]string{"serve", "--listen", addr, "--ctx-size", "1024", "--parallel", "2"}, args...)...), url: "http://" + addr, log: &tail{}, done: make(chan error, 1)}
	p.cmd.Env, p.cmd.Stderr = s.env, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-p.done:
			case <-time.After(20 * time.Second):
				_ = p.cmd.Process.Kill()
				<-p.done
			}
		}
	})
	return p
}

// ready waits until the server answers and returns its health.
func (p *served) ready(t *testing.T) (h struct {
	Status, Device string
	GPU            *struct {
		Plan *struct {
			Models []struct {
				GPULayers int `json:"gpu_layers"`
			}
		}
		Turns map[string]struct{ Turns int }
	}
	Voices []struct {
		Name, Device string
		Why          string `json:"device_why"`
	}
}) {
	t.Helper()
	for until := time.Now().Add(90 * time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-p.done:
			p.done <- err
			t.Fatalf("the server ended: %v\n%s", err, p.log)
		default:
		}
		resp, err := http.Get(p.url + "/health")
		if err != nil {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode == 200 {
			if err := json.Unmarshal(body, &h); err != nil {
				t.Fatalf("/health: %v in %s", err, body)
			}
			return h
		}
	}
	t.Fatalf("not ready in time:\n%s", p.log)
	return h
}

// chat asks for an answer, greedily.
func (p *served) chat(t *testing.T) string {
	t.Helper()
	resp, err := http.Post(p.url+"/chat", "application/json", strings.NewReader(`{"message":"Say hello.","max_tokens":12,"temperature":0}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var out struct{ Reply string }
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode != 200 || out.Reply == "" {
		t.Fatalf("/chat = %d, %+v, %v", resp.StatusCode, out, err)
	}
	return out.Reply
}
