package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Launch says how to start a server.
type Launch struct {
	// Args is the command. {port} and {url} in it are replaced.
	Args []string
	Env  []string // added to the bench's own environment
	// Ready is the path that answers 200 once the server is ready.
	Ready string
	// Patience bounds the wait for that; 0 = 2 minutes.
	Patience time.Duration
}

// Process is a server that the bench started and will end.
type Process struct {
	URL   string
	PID   int
	Start time.Duration // from exec to ready

	launch Launch
	log    string
	done   chan struct{}
	err    error
}

// stopGrace is how long a server may take to end after SIGTERM.
const stopGrace = 45 * time.Second

// Start runs the command on a free loopback port and waits until it is ready.
// The process dies with the bench, even if that is killed.
func Start(ctx context.Context, l Launch, name string) (*Process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	return start(ctx, l, name, port)
}

func start(ctx context.Context, l Launch, name string, port int) (*Process, error) {
	base := "http://127.0.0.1:" + strconv.Itoa(port)
	if len(l.Args) == 0 {
		return nil, errors.New("bench: starting a server: empty command")
	}
	args := make([]string, len(l.Args))
	for i, a := range l.Args {
		args[i] = strings.NewReplacer("{port}", strconv.Itoa(port), "{url}", base).Replace(a)
	}
	log, err := os.CreateTemp("", "repartee-bench-*.log")
	if err != nil {
		return nil, fmt.Errorf("bench: log of %s: %w", name, err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), l.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own keeps a Ctrl-C at the terminal from reaching it twice.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &Process{URL: base, launch: l, log: log.Name(), done: make(chan struct{})}
	began := time.Now()
	if err := p.run(cmd, log); err != nil {
		return nil, fmt.Errorf("bench: starting %s: %w", name, err)
	}
	if err := p.ready(ctx); err != nil {
		tail := p.logTail()
		p.Stop()
		return nil, fmt.Errorf("bench: starting %s (%s): %w%s", name, strings.Join(args, " "), err, tail)
	}
	p.Start = time.Since(began)
	return p, nil
}

// run starts the command and stays on its thread until it ends: the kernel
// ties "die with the parent" to the thread that forked.
func (p *Process) run(cmd *exec.Cmd, log *os.File) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		defer log.Close()
		if err := cmd.Start(); err != nil {
			os.Remove(p.log)
			started <- err
			return
		}
		p.PID = cmd.Process.Pid
		started <- nil
		p.err = cmd.Wait()
	}()
	return <-started
}

func (p *Process) ready(ctx context.Context) error {
	patience := p.launch.Patience
	if patience == 0 {
		patience = 2 * time.Minute
	}
	ctx, stop := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not ready after %v", patience))
	defer stop()
	client, err := NewClient(p.URL, "")
	if err != nil {
		return err
	}
	defer client.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if x, err := client.Do(ctx, "GET", p.launch.Ready, "", nil); err == nil {
			status := x.Status
			_, _ = io.Copy(io.Discard, x)
			x.Close()
			if status == 200 {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("ended before it was ready: %v", p.err)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// Stop ends the process (SIGTERM, after a grace SIGKILL to its group), waits
// for it and returns how long that took. It may be called twice.
func (p *Process) Stop() time.Duration {
	began := time.Now()
	select {
	case <-p.done:
		return 0
	default:
	}
	_ = syscall.Kill(p.PID, syscall.SIGTERM)
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-p.done:
	case <-grace.C:
		_ = syscall.Kill(-p.PID, syscall.SIGKILL)
		<-p.done
	}
	os.Remove(p.log)
	return time.Since(began)
}

// Restart stops the process and starts it again on the same port; it returns
// the time until the old one had ended and until the new one was ready.
func (p *Process) Restart(ctx context.Context, name string) (next *Process, down, up time.Duration, err error) {
	_, text, _ := net.SplitHostPort(strings.TrimPrefix(p.URL, "http://"))
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("bench: restarting %s: %w", name, err)
	}
	down = p.Stop()
	next, err = start(ctx, p.launch, name, port)
	if err != nil {
		return nil, down, 0, err
	}
	return next, down, next.Start, nil
}

// Memory returns the resident set and its peak in MiB; zeros when it cannot
// be read.
func (p *Process) Memory() (now, peak float64) { return processMemory(p.PID) }

func processMemory(pid int) (now, peak float64) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseFloat(f[1], 64)
		switch f[0] {
		case "VmRSS:":
			now = kib / 1024
		case "VmHWM:":
			peak = kib / 1024
		}
	}
	return now, peak
}

// logTail returns the last lines the server wrote, for an error message.
func (p *Process) logTail() string {
	data, err := os.ReadFile(p.log)
	if err != nil || len(data) == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return "; it said: " + strings.Join(lines[max(0, len(lines)-6):], " | ")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("bench: looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// SplitCommand splits a command line at blanks; single and double quotes keep
// blanks together. There is no other shell syntax.
func SplitCommand(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	quote, in := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if in {
				out, in = append(out, word.String()), false
				word.Reset()
			}
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("bench: command %q: quote not closed", line)
	}
	if in {
		out = append(out, word.String())
	}
	return out, nil
}
