package cmd

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"repartee/gpu"
	"repartee/inference/llama"
	"repartee/supply"
	"repartee/synthetic"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"repartee": func() {
			asIfWithCUDA()
			os.Exit(Main(os.Args[1:]))
		},
	})
}

// TestScripts runs the command line as a user would: each script in
// testdata/script is a shell-like session with its own empty cache.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("REPARTEE_CACHE", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("BIN", filepath.SplitList(env.Getenv("PATH"))[0]) // repartee alone
			env.Values["servers"] = map[string]*process{}
			if os.Getenv("REPARTEE_E2E") != "" {
				env.Setenv("REAL_CACHE", supply.Dir())
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "e2e" { // the real model, voice and libraries are here
				return os.Getenv("REPARTEE_E2E") != "", nil
			}
			if cond == "native" { // language models can be loaded
				return llama.Version() != "", nil
			}
			if cond == "driver" { // there is a GPU
				return gpu.Driver().Loaded, nil
			}
			return false, errors.New("unknown condition " + cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "oneline": oneline, "isjson": isJSON, "start": start, "signal": sendSignal, "get": get, "stub": stub, "chain": writeChain,
		},
	})
}

// exits CODE PROGRAM ARG…: the program ends with exactly that code; its output
// goes to the files out and err.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%q: %v", args[1:], err)
	}
	ts.Check(os.WriteFile(ts.MkAbs("out"), []byte(ts.ReadFile("stdout")), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("err"), []byte(ts.ReadFile("stderr")), 0o644))
	if got != want {
		ts.Fatalf("%q: exit code %d, want %d", args[1:], got, want)
	}
}

// stub SONAME: an empty library of that name in cuda/lib64.
func stub(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(ts.Exec("cc", "-shared", "-fPIC", "-x", "c", "/dev/null", "-o", ts.MkAbs("cuda/lib64/"+args[0]), "-Wl,-soname,"+args[0]))
}

// oneline FILE: the file holds exactly one line.
func oneline(ts *testscript.TestScript, neg bool, args []string) {
	text := ts.ReadFile(args[0])
	if one := strings.Count(text, "\n") == 1 && strings.HasSuffix(text, "\n"); one == neg {
		ts.Fatalf("%s is one line = %v, want %v: %q", args[0], one, !neg, text)
	}
}

// isjson FILE: the file is one JSON value.
func isJSON(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &v); (err == nil) == neg {
		ts.Fatalf("%s: JSON error %v", args[0], err)
	}
}

var listeningLine = regexp.MustCompile(`(?m)^listening on (http://\S+)$`)

// process is what start has started and signal ends.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start ARG…: runs repartee with its stderr in the file err, waits for the one
// line that says where it listens, and sets $URL.
func start(ts *testscript.TestScript, neg bool, args []string) {
	log, err := os.Create(ts.MkAbs("err"))
	ts.Check(err)
	defer log.Close()
	s := &process{exec.Command(filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], "repartee"), args...), make(chan struct{})}
	s.cmd.Stderr = log
	s.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "REPARTEE_CACHE", "TMPDIR"} {
		s.cmd.Env = append(s.cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(s.cmd.Start())
	go func() { _ = s.cmd.Wait(); close(s.done) }() // signal reads the code
	ts.Defer(func() { _ = s.cmd.Process.Kill(); <-s.done })
	ts.Value("servers").(map[string]*process)["last"] = s
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if m := listeningLine.FindAllStringSubmatch(ts.ReadFile("err"), -1); len(m) == 1 {
			ts.Setenv("URL", m[0][1])
			return
		}
		select {
		case <-again.C:
		case <-s.done:
			ts.Fatalf("repartee %q ended with %v: %s", args, s.cmd.ProcessState, ts.ReadFile("err"))
		case <-limit.C:
			ts.Fatalf("repartee %q never said where it listens: %s", args, ts.ReadFile("err"))
		}
	}
}

// sendSignal is signal NAME CODE: sends TERM or INT and wants that exit code.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value("servers").(map[string]*process)["last"]
	sig := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT}[args[0]]
	ts.Check(s.cmd.Process.Signal(sig))
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		ts.Fatalf("still running a minute after SIG%s: %s", args[0], ts.ReadFile("err"))
	}
	if got := strconv.Itoa(s.cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("exit code %s after SIG%s, want %s: %s", got, args[0], args[1], ts.ReadFile("err"))
	}
}

// writeChain writes a tiny model and draft heads of several kinds for it.
func writeChain(ts *testscript.TestScript, _ bool, _ []string) {
	c := synthetic.Chain{Seed: 3}
	for name, data := range map[string][]byte{
		"model.gguf": c.Model(), "mtp.gguf": c.MTP(synthetic.ByToken), "eagle3.gguf": c.EAGLE3(synthetic.ByToken),
		"dflash.gguf": c.DFlash(4), "wrong.gguf": c.EAGLE3With([]int64{5, 6, 1 << 40}),
	} {
		ts.Check(os.WriteFile(ts.MkAbs(name), data, 0o644))
	}
}

// get STATUS URL: the answer has that status; its body goes to the file out.
func get(ts *testscript.TestScript, neg bool, args []string) {
	resp, err := http.Get(args[1])
	ts.Check(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("out"), body, 0o644))
	if strconv.Itoa(resp.StatusCode) != args[0] {
		ts.Fatalf("GET %s = %d, want %s: %s", args[1], resp.StatusCode, args[0], body)
	}
}
