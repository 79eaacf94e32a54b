package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nginx with its default settings speaks HTTP/1.0 to what it stands before, and
// buffers. A stream must still come through as it is made.
func TestStreamThroughNginx(t *testing.T) {
	bin := need(t, "nginx")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error.log;
events {}
http { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen %[2]s; location / { proxy_pass %[3]s; } } }`, dir, addr, shared.url)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-e", filepath.Join(dir, "error.log"), "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	until(t, "nginx listening", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	res, err := http.Post("http://"+addr+"/chat", "application/json", strings.NewReader(`{"message":"Tell a long story.","stream":true,"max_tokens":400,"temperature":0}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	events, running, last := 0, false, ""
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "data: ") {
			continue
		}
		last = lines.Text()
		if events++; events == 3 { // the answer is still being made
			running = shared.metric(t, "vllm:num_requests_running") > 0
		}
	}
	if err := lines.Err(); err != nil || !running || last != "data: [DONE]" {
		t.Fatalf("%d events, running at the third: %v, last %q, %v; want pieces while it runs, and the end", events, running, last, err)
	}
}
