package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"repartee/dialogue"
	"repartee/dialogue/dialoguetest"
	"repartee/inference"
	"repartee/server/metrics"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// alphabet is every answer of these tests unless they set their own.
func alphabet(string) string { return strings.Repeat("abcdefghijklmnopqrstuvwxyz", 100) }

// world is a running server over the echo model.
type world struct {
	*Server
	set    *dialoguetest.Set
	engine *inference.Engine
	addr   string
	http   *http.Client
	down   bool
}

func start(t *testing.T, cfg Config, gate chan struct{}, queue ...int) *world {
	t.Helper()
	queue = append(queue, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Metrics, cfg.Log = metrics.New("test"), slog.New(slog.DiscardHandler)
	w := &world{Server: New(cfg), addr: l.Addr().String(), http: &http.Client{Transport: &http.Transport{}}}
	w.set = dialoguetest.New([]string{"echo"}, func(m *dialoguetest.Model, c *dialoguetest.Context, e *inference.Config) {
		e.Cells, e.Parallel, e.MaxQueue, e.Observer = 2048, 2, queue[0], cfg.Metrics
		m.Reply, c.Gate = alphabet, gate
	})
	w.engine, _ = w.set.Get("echo")
	cfg.Metrics.Watch(w.set.Set)
	served := make(chan error, 1)
	go func() { served <- w.Serve(l) }()
	t.Cleanup(func() {
		if !w.down {
			w.Shutdown(context.Background())
		}
		w.set.Close()
		w.http.CloseIdleConnections()
		<-served
	})
	return w
}

func (w *world) ready() *world {
	w.SetReady(Backends{Dialogue: dialogue.New(w.set)})
	return w
}

func (w *world) do(t *testing.T, method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+w.addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := w.http.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: reading the body: %v", method, path, err)
	}
	return res.StatusCode, string(b), res.Header
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	f := func(method, path, body string, status int, code, param string, header ...string) {
		t.Helper()
		got, text, h := w.do(t, method, path, body, header...)
		var e struct {
			Error struct {
				Message     string
				Type        string
				Code, Param *string
			}
		}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("%s %s %.60q = %d %q, not JSON: %v", method, path, body, got, text, err)
		}
		str := func(s *string) string {
			if s == nil {
				return ""
			}
			return *s
		}
		if got != status || str(e.Error.Code) != code || str(e.Error.Param) != param || e.Error.Message == "" || h.Get("X-Request-Id") == "" {
			t.Fatalf("%s %s %.60q = %d %s; want %d, code %q, param %q", method, path, body, got, text, status, code, param)
		}
	}
	chat, v1 := "/chat", "/v1/chat/completions"
	f("POST", chat, ``, 400, "", "")
	f("POST", chat, `{`, 400, "", "")
	f("POST", chat, `{"message":"x"} more`, 400, "", "")
	f("POST", chat, `[]`, 400, "", "")
	f("POST", chat, `{"message":"\xff"}`, 400, "", "")
	f("POST", chat, strings.Repeat("[", 100_000), 400, "", "")
	f("POST", chat, `{}`, 400, "", "message")
	f("POST", chat, `{"message":5}`, 400, "", "message")
	f("POST", chat, `{"message":"x","temperature":"warm"}`, 400, "", "temperature")
	f("POST", chat, `{"message":"x","temperature":3}`, 400, "", "temperature")
	f("POST", chat, `{"message":"x","stop":7}`, 400, "", "stop")
	f("POST", chat, `{"message":"x","mode":"slow"}`, 400, "", "mode")
	f("POST", chat, `{"message":"x","context_shift":1}`, 400, "", "context_shift")
	f("POST", chat, `{"message":"x","context_keep":-2}`, 400, "", "context_keep")
	f("POST", chat, `{"message":"x","context_shift":true,"context_keep":2000}`, 400, "", "context_keep")
	f("POST", v1, `{"messages":[{"role":"user","content":"x"}],"context_keep":-2}`, 400, "", "context_keep")
	f("POST", chat, `{"message":"x","cache_salt":"`+strings.Repeat("s", 257)+`"}`, 400, "", "cache_salt")
	f("POST", v1, `{"messages":[{"role":"user","content":"x"}],"cache_salt":7}`, 400, "", "cache_salt")
	f("POST", chat, `{"message":"x","model":"other"}`, 404, "model_not_found", "model")
	f("POST", chat, `{"message":"`+strings.Repeat("x", 3000)+`"}`, 400, "context_length_exceeded", "messages")
	f("POST", chat, `{"message":"x"}`, 415, "unsupported_encoding", "", "Content-Encoding", "gzip")
	f("POST", chat, strings.Repeat("x", 5<<20), 413, "body_too_large", "")
	f("GET", chat, ``, 405, "method_not_allowed", "")
	f("GET", "/chat/nosuch", ``, 404, "session_not_found", "session")
	f("GET", "/nothing", ``, 404, "route_not_found", "")
	f("POST", "/tts", `{"text":"x"}`, 404, "voice_not_found", "voice")
	f("POST", v1, `{"messages":[]}`, 400, "", "messages")
	f("POST", v1, `{"messages":[{"role":"king","content":"x"}]}`, 400, "", "messages[0].role")
	f("POST", v1, `{"messages":[{"role":"user","content":5}]}`, 400, "", "messages[0].content")
	f("POST", v1, `{"messages":[{"role":"user","content":"x"}],"n":99}`, 400, "", "n")
	f("POST", v1, `{"messages":[{"role":"user","content":"x"}],"logit_bias":[1]}`, 400, "", "logit_bias")
	f("POST", v1, `{"messages":[{"role":"user","content":"x"}],"tool_choice":"maybe"}`, 400, "", "tool_choice")
	f("GET", "/v1/models/a%2Fb", ``, 404, "model_not_found", "model")
}

func TestWhatSDKsSendIsAccepted(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	f := func(fields string) {
		t.Helper()
		status, text, _ := w.do(t, "POST", "/v1/chat/completions", `{"model":"echo","messages":[{"role":"developer","content":[{"type":"text","text":"Be brief."}]},{"role":"user","content":"x"}],`+fields+`}`)
		if status != 200 {
			t.Fatalf("%s = %d %s, want 200", fields, status, text)
		}
	}
	f(`"max_tokens":0,"max_completion_tokens":3,"seed":-9007199254740991,"logit_bias":{"foo":0},"top_logprobs":0`)
	f(`"max_tokens":3,"stream_options":null,"audio":null,"modalities":["text"],"service_tier":"auto","store":true,"metadata":{"a":"b"},"moderation":{},"web_search_options":{}`)
	f(`"max_tokens":3,"n":3,"tools":[{"type":"function","function":{"name":"f","parameters":{"foo":"bar"}}}],"tool_choice":"none","functions":[]`)
	f(`"max_tokens":3,"prediction":{"type":"content","content":"abc"},"frequency_penalty":-2,"presence_penalty":2`)
}

func TestStreamJoinsToThePlainAnswer(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	_, plain, _ := w.do(t, "POST", "/chat", `{"message":"x","max_tokens":9}`)
	var answer struct{ Reply string }
	if err := json.Unmarshal([]byte(plain), &answer); err != nil || answer.Reply != "abcdefghi" {
		t.Fatalf("plain answer %s (%v), want reply abcdefghi", plain, err)
	}
	_, stream, _ := w.do(t, "POST", "/chat", `{"message":"x","max_tokens":9,"stream":true}`)
	joined, events := "", strings.Split(strings.TrimSpace(stream), "\n\n")
	for _, e := range events[:len(events)-2] {
		var d struct{ Delta string }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(e, "data: ")), &d); err != nil {
			t.Fatalf("event %q: %v", e, err)
		}
		joined += d.Delta
	}
	if joined != answer.Reply || events[len(events)-1] != "data: [DONE]" || !strings.Contains(events[len(events)-2], `"done":true`) {
		t.Fatalf("stream %q joins to %q, want %q, then done, then [DONE]", stream, joined, answer.Reply)
	}
	_, usage, _ := w.do(t, "POST", "/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}],"max_tokens":4,"n":2,"stream":true,"stream_options":{"include_usage":true}}`)
	if !strings.Contains(usage, `"choices":[],"usage":{"prompt_tokens":23,"completion_tokens":8,`) || strings.Count(usage, `"finish_reason":"length"`) != 2 {
		t.Fatalf("stream with usage = %s, want both choices and a usage chunk of 23 + 8 tokens", usage)
	}
}

func TestAContextIsShiftedOnRequest(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	f := func(path, body string, want ...string) {
		t.Helper()
		status, text, _ := w.do(t, "POST", path, body)
		for _, part := range want {
			if status != 200 || !strings.Contains(text, part) {
				t.Fatalf("%s %.80s = %d %s, want %s", path, body, status, text[max(0, len(text)-400):], part)
			}
		}
	}
	f("/chat", `{"message":"x","max_tokens":2500}`, `"finish_reason":"length"`, `"completion_tokens":20`) // where the context ends
	f("/chat", `{"message":"x","max_tokens":2500,"context_shift":true}`, `"completion_tokens":2500`, `"context_shifted":`)
	f("/chat", `{"message":"x","max_tokens":2500,"context_shift":true,"stream":true}`, `"completion_tokens":2500`, `"context_shifted":`)
	f("/chat", `{"message":"`+strings.Repeat("x", 3000)+`","max_tokens":5,"context_shift":true}`, `"completion_tokens":5`, `"context_shifted":`)
	f("/v1/chat/completions", `{"messages":[{"role":"user","content":"x"}],"max_tokens":2500,"context_shift":true,"context_keep":100}`, `"completion_tokens":2500`, `"context_shifted":`)
	f("/v1/completions", `{"prompt":"x","max_tokens":2500,"context_shift":true}`, `"completion_tokens":2500`, `"context_shifted":`)
	f("/api/chat", `{"model":"echo","messages":[{"role":"user","content":"x"}],"stream":false,"shift":true,"options":{"num_predict":2500,"num_keep":5}}`, `"eval_count":2500`, `"context_shifted":`)
	f("/api/generate", `{"model":"echo","prompt":"x","stream":false,"options":{"num_predict":2500}}`, `"done_reason":"length"`)
	if _, text, _ := w.do(t, "POST", "/chat", `{"message":"x","max_tokens":3}`); strings.Contains(text, "context_shifted") {
		t.Fatalf("nothing was dropped, but the answer is %s", text)
	}
	st := w.engine.Stats()
	if st.Shifted < 5000 || st.Shifts < 5 {
		t.Fatalf("%d tokens were dropped in %d shifts, want 5000 or more in 5 or more", st.Shifted, st.Shifts)
	}
	_, page, _ := w.do(t, "GET", "/metrics", "")
	for _, want := range []string{
		fmt.Sprintf("repartee_context_shifts_total{model=\"echo\"} %d\n", st.Shifts),
		fmt.Sprintf("repartee_context_shifted_tokens_total{model=\"echo\"} %d\n", st.Shifted),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("/metrics has no line %q", want)
		}
	}
}

// TestASaltKeepsCachesApart asks the same with salts and without.
func TestASaltKeepsCachesApart(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	question := strings.Repeat("the same long question, ", 20)
	f := func(path, body, field string, cached bool) {
		t.Helper()
		status, text, _ := w.do(t, "POST", path, fmt.Sprintf(body, question))
		_, rest, found := strings.Cut(text, `"`+field+`":`)
		if status != 200 || !found || strings.HasPrefix(rest, "0") == cached {
			t.Errorf("%s %.60s = %d %s, want cached %v", path, body, status, text[max(0, len(text)-300):], cached)
		}
	}
	chat, v1, text := "/chat", "/v1/chat/completions", "/v1/completions"
	f(chat, `{"cache_salt":"a","max_tokens":2,"message":"%s"}`, "cached_tokens", false)
	f(chat, `{"cache_salt":"a","max_tokens":2,"message":"%s"}`, "cached_tokens", true)
	f(chat, `{"cache_salt":"b","max_tokens":2,"message":"%s"}`, "cached_tokens", false)
	f(chat, `{"max_tokens":2,"message":"%s"}`, "cached_tokens", false)
	f(v1, `{"cache_salt":"c","max_tokens":2,"messages":[{"role":"user","content":"%s"}]}`, "cached_tokens", false)
	f(v1, `{"cache_salt":"b","max_tokens":2,"messages":[{"role":"user","content":"%s"}]}`, "cached_tokens", true)
	f(text, `{"cache_salt":"c","max_tokens":2,"prompt":"%s"}`, "cached_tokens", false)
	f(text, `{"cache_salt":"c","max_tokens":2,"prompt":"%s"}`, "cached_tokens", true)
}

func TestSessionsAreKept(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	w.do(t, "POST", "/chat", `{"message":"one","session":"s","system":"sys","max_tokens":2}`)
	w.do(t, "POST", "/chat", `{"message":"two","session":"s","max_tokens":2}`)
	_, got, _ := w.do(t, "GET", "/chat/s", "")
	want := `{"session":"s","messages":[{"role":"system","content":"sys"},{"role":"user","content":"one"},{"role":"assistant","content":"ab"},{"role":"user","content":"two"},{"role":"assistant","content":"ab"}]}`
	if got != want {
		t.Fatalf("GET /chat/s = %s, want %s", got, want)
	}
	if status, _, _ := w.do(t, "DELETE", "/chat/s", ""); status != 204 {
		t.Fatalf("DELETE /chat/s = %d, want 204", status)
	}
}

func TestHTTP10GetsItsStream(t *testing.T) {
	gate := make(chan struct{})
	w := start(t, Config{}, gate).ready()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := `{"message":"x","max_tokens":3,"stream":true}`
	fmt.Fprintf(c, "POST /chat HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	gate <- struct{}{} // one step only: its token must arrive before the next
	r := bufio.NewReader(c)
	for line := ""; !strings.Contains(line, `{"delta":"a"}`); {
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatalf("the first event did not come before the second step: %v", err)
		}
	}
	close(gate)
	rest, err := io.ReadAll(r) // until the server closes
	if err != nil || !strings.HasSuffix(string(rest), "data: [DONE]\n\n") {
		t.Fatalf("rest of the stream = %q, %v", rest, err)
	}
}

func TestLeavingCancels(t *testing.T) {
	gate := make(chan struct{})
	w := start(t, Config{}, gate).ready()
	for _, stream := range []bool{false, true} {
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Sprintf(`{"message":"x","max_tokens":1000,"stream":%v}`, stream)
		fmt.Fprintf(c, "POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		gate <- struct{}{}
		c.Close()
		for w.engine.Stats().Running > 0 { // steps go on until the engine has seen it
			select {
			case gate <- struct{}{}:
			case <-time.After(time.Millisecond):
			}
		}
	}
	close(gate)
}

func TestLoadingAndDraining(t *testing.T) {
	gate := make(chan struct{})
	w := start(t, Config{}, gate)
	f := func(path string, want int) {
		t.Helper()
		if got, text, h := w.do(t, "GET", path, ""); got != want || want == 503 && h.Get("Retry-After") == "" && path != "/health" {
			t.Fatalf("GET %s = %d %q, want %d", path, got, text, want)
		}
	}
	f("/livez", 200)
	f("/readyz", 503)
	f("/v1/models", 503)
	w.ready()
	f("/readyz", 200)
	f("/health", 200)
	f("/v1/models", 200)

	answer := make(chan string, 1)
	go func() {
		_, text, _ := w.do(t, "POST", "/chat", `{"message":"x","max_tokens":3,"stream":true}`)
		answer <- text
	}()
	gate <- struct{}{}
	drained := make(chan struct{})
	w.down = true
	go func() { w.Shutdown(context.Background()); close(drained) }()
	for w.status() != "draining" {
		time.Sleep(time.Millisecond)
	}
	f("/readyz", 503)
	f("/v1/models", 503)
	close(gate)
	if text := <-answer; !strings.HasSuffix(text, "data: [DONE]\n\n") {
		t.Fatalf("the running stream ended with %q, want it complete", text)
	}
	<-drained
}

func TestKeys(t *testing.T) {
	w := start(t, Config{Keys: []Key{{Secret: "secret"}}}, nil).ready()
	f := func(path, header string, want int) {
		t.Helper()
		if got, text, _ := w.do(t, "GET", path, "", "Authorization", header); got != want {
			t.Fatalf("GET %s with %q = %d %s, want %d", path, header, got, text, want)
		}
	}
	f("/v1/models", "", 401)
	f("/v1/models", "Bearer wrong", 401)
	f("/v1/models", "Bearer secret", 200)
	f("/health", "", 200)
	f("/metrics", "", 200)
}

func TestQueueFullIs429(t *testing.T) {
	gate := make(chan struct{})
	w := start(t, Config{}, gate).ready()
	statuses := make(chan int, 5)
	for range 4 { // two run, one waits
		go func() {
			status, _, _ := w.do(t, "POST", "/chat", `{"message":"x","max_tokens":2}`)
			statuses <- status
		}()
	}
	if got := <-statuses; got != 429 {
		t.Fatalf("the first answer beyond the queue = %d, want 429", got)
	}
	close(gate)
	for range 3 {
		if got := <-statuses; got != 200 {
			t.Fatalf("an admitted request = %d, want 200", got)
		}
	}
}
