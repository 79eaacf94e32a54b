package bench

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeServer is an OpenAI-compatible server whose tokens are words, with a
// prefix cache, and a voice that says one sample a byte. It counts everything.
type fakeServer struct {
	*httptest.Server
	kind string // "llama" puts llama-server's Server header and timings in

	mu       sync.Mutex
	seen     []string // prompts, oldest first
	chats    int
	speech   int
	streams  int
	refuse   func(n int) bool // chat number n (from 1) is answered 503
	twoToken string           // this word is two tokens
	salt     string           // goes into the answers
	pace     time.Duration    // between two tokens
	hold     chan struct{}    // if set, long prompts wait for it or for the client to leave
	left     int              // clients that left while held
}

func newFake(t *testing.T, kind string) *fakeServer {
	t.Helper()
	f := &fakeServer{kind: kind, twoToken: "government"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if kind == "llama" {
			w.Header().Set("Server", "llama.cpp")
			fmt.Fprint(w, `{"status":"ok"}`)
			return
		}
		fmt.Fprint(w, `{"status":"ok","voices":[],"versions":{"repartee":"0.1","llama.cpp":"x"}}`)
	})
	mux.HandleFunc("GET /props", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"build_info":"b1-fake"}`) })
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":[{"id":"fake:1"}]}`) })
	mux.HandleFunc("GET /voices", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"voices":[]}`) })
	mux.HandleFunc("POST /v1/chat/completions", f.chat)
	mux.HandleFunc("POST /tts", f.tts)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// tokensOf renders a conversation: three tokens around each message, three at
// the end.
func (f *fakeServer) tokensOf(messages []Message) []string {
	var out []string
	for _, m := range messages {
		out = append(out, "<"+m.Role+">")
		for _, word := range strings.Fields(m.Content) {
			out = append(out, word)
			if word == f.twoToken {
				out = append(out, "+")
			}
		}
		out = append(out, "<end>", "\n")
	}
	return append(out, "<assistant>", ":", "\n")
}

func (f *fakeServer) chat(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Model     string    `json:"model"`
		Messages  []Message `json:"messages"`
		MaxTokens int       `json:"max_tokens"`
		Stream    bool      `json:"stream"`
		Options   struct {
			Usage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.Model != "fake:1" {
		http.Error(w, `{"error":{"message":"bad request"}}`, 400)
		return
	}
	prompt := f.tokensOf(q.Messages)
	text := strings.Join(prompt, " ")
	f.mu.Lock()
	f.chats++
	n, cached, hold := f.chats, 0, f.hold
	if q.Stream {
		f.streams++
	}
	for _, s := range f.seen {
		cached = max(cached, common(strings.Split(s, " "), prompt))
	}
	f.seen = append(f.seen, text)
	f.mu.Unlock()
	if f.refuse != nil && f.refuse(n) {
		http.Error(w, `{"error":{"message":"no, not now"}}`, http.StatusServiceUnavailable)
		return
	}
	if hold != nil && len(prompt) > 1000 {
		select {
		case <-hold:
		case <-r.Context().Done():
			f.mu.Lock()
			f.left++
			f.mu.Unlock()
			return
		}
	}
	cached = min(cached, len(prompt)-1)
	usage := fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d}}`, len(prompt), q.MaxTokens, cached)
	timings := `{"queue_ms":0,"prefill_ms":0.001,"first_token_ms":0.001,"total_ms":0.002}`
	if f.kind == "llama" {
		timings = `{"prompt_ms":0.001,"predicted_ms":0.001}`
	}
	if !q.Stream {
		fmt.Fprintf(w, `{"choices":[{"finish_reason":"length","message":{"role":"assistant","content":"w0%s"}}],"usage":%s,"timings":%s}`, f.salt, usage, timings)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flush := w.(http.Flusher)
	for i := range q.MaxTokens {
		if i > 0 && f.pace > 0 {
			<-time.After(f.pace)
		}
		fmt.Fprintf(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"w%d%s \"}}]}\n\n", i, f.salt)
		flush.Flush()
	}
	fmt.Fprint(w, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n")
	if q.Options.Usage {
		fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":%s,\"timings\":%s}\n\n", usage, timings)
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}

func common(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// fakeRate is the fake voice's sample rate.
const fakeRate = 16000

func (f *fakeServer) tts(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Text   string `json:"text"`
		Format string `json:"format"`
		Stream bool   `json:"stream"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.Text == "" {
		http.Error(w, `{"error":{"message":"bad request"}}`, 400)
		return
	}
	f.mu.Lock()
	f.speech++
	f.mu.Unlock()
	audio := make([]byte, 2*fakeRate)
	copy(audio, q.Text)
	w.Header().Set("Content-Type", "audio/wav")
	if q.Stream {
		w.Header().Set("Trailer", "Server-Timing")
	} else {
		w.Header().Set("Server-Timing", "tts;dur=0.25")
	}
	header := make([]byte, 44)
	copy(header, "RIFF????WAVEfmt ")
	binary.LittleEndian.PutUint32(header[28:], 2*fakeRate)
	copy(header[36:], "data")
	_, _ = w.Write(header)
	w.(http.Flusher).Flush()
	_, _ = w.Write(audio)
	if q.Stream {
		w.Header().Set("Server-Timing", "tts;dur=0.5")
	}
}

// target is a probed target at the fake.
func (f *fakeServer) target(t *testing.T) *Target {
	t.Helper()
	client, err := NewClient(f.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	target := &Target{Side: Side{Label: "fake", URL: f.URL}, Client: client}
	if err := target.Probe(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	return target
}
