package server

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// exchange sends bytes as they are and returns all that comes until the server
// closes or, when it need not, until enough is there.
func (w *world) exchange(t *testing.T, send string, enough func(got string) bool) (string, bool) {
	t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { _, err := io.WriteString(c, send); sent <- err }()
	var got strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			if err != io.EOF {
				t.Fatalf("%.80q: %v after %q", send, err, got.String())
			}
			if err := <-sent; err != nil {
				t.Fatalf("%.80q: sending: %v after %q", send, err, got.String())
			}
			return got.String(), true
		}
		if enough != nil && enough(got.String()) {
			return got.String(), false
		}
	}
}

func TestUnreadableRequestsAreRefusedAndClosed(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	f := func(request string, status int) {
		t.Helper()
		got, closed := w.exchange(t, request, nil)
		if !closed || !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", status)) {
			t.Fatalf("%.120q = %q, closed %v; want %d and the connection closed", request, got, closed, status)
		}
		if strings.Contains(got, "topsecret") {
			t.Fatalf("%.120q = %q: the answer quotes what was sent", request, got)
		}
	}
	body := `{"message":"topsecret","max_tokens":2}`
	head := "POST /chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer topsecret\r\n"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	f(head+length+length+"\r\n"+body, 400)
	f(head+length+"Content-Length: 3\r\n\r\n"+body, 400)
	f(head+"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"+fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body), 400)
	f(head+"X-A: a\rb\r\n"+length+"\r\n"+body, 400)
	f(head+"Content-Length: -1\r\n\r\n", 400)
	f("\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400)
	f(head+"X-Long: "+strings.Repeat("a", 40<<10)+"\r\n\r\n", 431)
	f(head+"Content-Length: 20971520\r\n\r\n"+strings.Repeat("x", 20<<20), 413)
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	post := func(body string) string {
		return fmt.Sprintf("POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	end := "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	got, _ := w.exchange(t, post(`{"message":"x","max_tokens":1,"stream":true}`)+post(`{"message":"x","max_tokens":2}`)+end, nil)
	at := -1
	for _, want := range []string{`{"delta":"a"}`, "data: [DONE]", `"reply":"ab"`, "ok\n"} {
		next := strings.Index(got, want)
		if next <= at {
			t.Fatalf("pipelined answers %q: %q is missing or out of order", got, want)
		}
		at = next
	}
}

func TestExpectContinue(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	body := `{"message":"x","max_tokens":2}`
	got, _ := w.exchange(t, fmt.Sprintf("POST /chat HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
		func(got string) bool { return strings.Contains(got, `"reply":"ab"`) })
	if !strings.HasPrefix(got, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ") {
		t.Fatalf("answer = %q, want 100 and then 200", got)
	}
}

func TestMethods(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	f := func(method, path string, status int, allow string) {
		t.Helper()
		got, text, h := w.do(t, method, path, "")
		if got != status || h.Get("Allow") != allow {
			t.Fatalf("%s %s = %d %q, Allow %q; want %d, %q", method, path, got, text, h.Get("Allow"), status, allow)
		}
	}
	f("HEAD", "/", 200, "")
	f("HEAD", "/livez", 200, "")
	f("HEAD", "/v1/models", 200, "")
	f("HEAD", "/chat", 405, "POST, OPTIONS")
	f("POST", "/", 405, "GET, OPTIONS")
	f("POST", "/health", 405, "GET, OPTIONS")
	f("OPTIONS", "/chat", 204, "POST, OPTIONS")
	f("OPTIONS", "/tts", 204, "GET, POST, OPTIONS")
	f("OPTIONS", "/metrics", 204, "GET, OPTIONS")
	f("DELETE", "/v1/models", 405, "GET, OPTIONS")
}

// Slow and idle connections must not keep an honest client waiting.
func TestDribblersCostNothing(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for i := range 250 {
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		if i < 50 {
			fmt.Fprint(c, "POST /chat HTTP/1.1\r\nHost: x\r\nContent-Le")
		}
	}
	if status, text, _ := w.do(t, "POST", "/chat", `{"message":"x","max_tokens":2}`); status != 200 {
		t.Fatalf("POST /chat beside 250 idle connections = %d %s, want 200", status, text)
	}
}
