package espeak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// process is one running helper. One goroutine uses it at a time.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *os.File
	said tail
	buf  []byte
}

// tail keeps the last bytes written to it: what a helper says before it dies.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 1024 {
		t.b = append(t.b[:0], t.b[len(t.b)-1024:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(bytes.ToValidUTF8(t.b, nil)))
}

// start runs a helper and waits until it is ready.
func start(cfg Config) (*process, error) {
	if cfg.Program == "" {
		return nil, errors.New("espeak: no phonemizer program given")
	}
	p := &process{cmd: exec.Command(cfg.Program, cfg.Library, cfg.Data)}
	p.cmd.Env = []string{"LC_ALL=C.UTF-8"}
	p.cmd.Stderr = &p.said
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("espeak: starting %q: %w", cfg.Program, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("espeak: starting %q: %w", cfg.Program, err)
	}
	p.cmd.Stdout = w
	err = p.cmd.Start()
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("espeak: starting %q: %w", cfg.Program, err)
	}
	p.in, p.out = in, r
	_ = p.out.SetReadDeadline(time.Now().Add(cfg.Timeout))
	if _, err := readAnswer(p.out, 0); err != nil {
		p.kill()
		if said := p.said.String(); said != "" {
			err = errors.New(said)
		}
		return nil, fmt.Errorf("espeak: starting %q: %w", cfg.Program, err)
	}
	return p, nil
}

// ask sends one request and waits for its answer. After an error other than
// *errRefused the process must be killed.
func (p *process) ask(language string, segments []string, timeout time.Duration) ([]string, error) {
	b, err := appendRequest(p.buf[:0], language, segments)
	if err != nil {
		return nil, &errRefused{err.Error()}
	}
	p.buf = b
	_ = p.out.SetReadDeadline(time.Now().Add(timeout))
	if _, err := p.in.Write(b); err != nil {
		return nil, err
	}
	return readAnswer(p.out, len(segments))
}

// kill ends the process and waits for it.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.in.Close()
	_ = p.out.Close()
	_ = p.cmd.Wait()
}
