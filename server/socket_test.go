package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// peer is a WebSocket client.
type peer struct {
	*websocket.Conn
	t *testing.T
}

// event is any message of the server.
type event struct {
	Type         string
	Session      string
	Model        string
	Turn         int
	Text         string
	Spoken       *string
	FinishReason string `json:"finish_reason"`
	Usage        struct {
		PromptTokens int `json:"prompt_tokens"`
		CachedTokens int `json:"cached_tokens"`
	}
	Error struct{ Message, Code, Param string }
}

func (w *world) dial(t *testing.T, query string) *peer {
	t.Helper()
	d := websocket.Dialer{Subprotocols: []string{"repartee.v1"}, HandshakeTimeout: 5 * time.Second}
	c, res, err := d.Dial("ws://"+w.addr+"/ws"+query, nil)
	if err != nil {
		t.Fatalf("dialling /ws%s: %v", query, err)
	}
	res.Body.Close()
	t.Cleanup(func() { c.Close() })
	if c.Subprotocol() != "repartee.v1" {
		t.Fatalf("subprotocol = %q, want repartee.v1", c.Subprotocol())
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &peer{c, t}
}

func (p *peer) send(text string) {
	p.t.Helper()
	if err := p.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.t.Fatalf("sending %.80q: %v", text, err)
	}
}

func (p *peer) next() event {
	p.t.Helper()
	_, data, err := p.ReadMessage()
	if err != nil {
		p.t.Fatalf("reading: %v", err)
	}
	var e event
	if err := json.Unmarshal(data, &e); err != nil {
		p.t.Fatalf("message %q: %v", data, err)
	}
	return e
}

// turn reads to the end of a turn and returns its text and its last message.
func (p *peer) turn() (string, event) {
	p.t.Helper()
	text := ""
	for {
		e := p.next()
		if e.Type != "token" {
			return text, e
		}
		text += e.Text
	}
}

// closes reads until the connection ends and checks how.
func (p *peer) closes(code int) {
	p.t.Helper()
	for {
		if _, _, err := p.ReadMessage(); err != nil {
			var end *websocket.CloseError
			if !errors.As(err, &end) || end.Code != code {
				p.t.Fatalf("the connection ended with %v, want close code %d", err, code)
			}
			return
		}
	}
}

func TestSocketConversation(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	p := w.dial(t, "")
	if e := p.next(); e.Type != "ready" || e.Session == "" || e.Model != "echo" {
		t.Fatalf("first message = %+v, want ready with session and model", e)
	}
	p.send(`{"type":"start","session":"mine","system":"sys"}`)
	if e := p.next(); e.Type != "ready" || e.Session != "mine" {
		t.Fatalf("after start = %+v, want ready with session mine", e)
	}
	p.send(`{"type":"chat","message":"one","max_tokens":4,"temperature":0}`)
	if text, e := p.turn(); text != "abcd" || e.Type != "done" || e.Turn != 1 || e.FinishReason != "length" {
		t.Fatalf("turn 1 = %q, %+v; want abcd and done", text, e)
	}
	p.send(`{"type":"input","text":"wrong"}`)
	p.send(`{"type":"input","text":"tw","replace":true}`)
	p.send(`{"type":"input","text":"o"}`)
	p.send(`{"type":"commit"}`)
	p.send(`{"type":"cancel"}`)
	if _, e := p.turn(); (e.Type != "cancelled" || e.Spoken == nil) && e.Type != "done" {
		t.Fatalf("turn 2 ended with %+v, want cancelled with what was said, or done before it", e)
	}
	_, history, _ := w.do(t, "GET", "/chat/mine", "")
	if !strings.Contains(history, `{"role":"system","content":"sys"},{"role":"user","content":"one"},{"role":"assistant","content":"abcd"}`) {
		t.Fatalf("history = %s, want the first turn", history)
	}
}

// waitFor polls until done, at most five seconds.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still waiting for %s", what)
		}
	}
}

// What is typed is read before the turn is committed, from the input's first
// part on and again when it is replaced; a refused commit loses nothing.
func TestSocketReadsAheadWhatIsTyped(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	p := w.dial(t, "")
	p.next()
	p.send(`{"type":"start","system":"a system prompt that is read first"}`)
	p.next()
	ahead := func(n int64) {
		t.Helper()
		waitFor(t, fmt.Sprintf("%d tokens to be read ahead", n), func() bool { return w.engine.Stats().AheadTokens >= n })
	}
	p.send(`{"type":"input","text":"this is "}`)
	ahead(int64(len("a system prompt that is read first") + len("this is ") - 1))
	first := w.engine.Stats().AheadTokens
	p.send(`{"type":"input","text":"what I mean to ask"}`)
	ahead(first + int64(len("what I mean to ask")))
	p.send(`{"type":"commit"}`)
	text, e := p.turn()
	if e.Type != "done" || text == "" {
		t.Fatalf("the committed turn = %q, %+v; want done", text, e)
	}
	if left := e.Usage.PromptTokens - e.Usage.CachedTokens; left > len("t\n<|assistant|>")+1 {
		t.Fatalf("usage of the committed turn = %+v, want all but the end cached", e.Usage)
	}
	if _, history, _ := w.do(t, "GET", "/chat/"+session(t, p), ""); !strings.Contains(history, `"this is what I mean to ask"`) {
		t.Fatalf("history = %s, want the typed turn", history)
	}
	p.send(`{"type":"commit"}`)
	if e := p.next(); e.Type != "error" || e.Error.Param != "text" {
		t.Fatalf("a second commit is answered with %+v, want an error about text", e)
	}
}

// session asks for the connection's conversation.
func session(t *testing.T, p *peer) string {
	t.Helper()
	p.send(`{"type":"start"}`)
	return p.next().Session
}

func TestSocketARefusedCommitKeepsTheInput(t *testing.T) {
	gate := make(chan struct{})
	w := start(t, Config{}, gate).ready()
	p := w.dial(t, "")
	p.next()
	p.send(`{"type":"chat","message":"x","max_tokens":2}`)
	gate <- struct{}{}
	p.send(`{"type":"input","text":"typed meanwhile"}`)
	p.send(`{"type":"commit"}`)
	for {
		if e := p.next(); e.Type == "error" {
			if e.Error.Code != "busy" {
				t.Fatalf("a commit in a turn is answered with %+v, want busy", e)
			}
			break
		}
	}
	close(gate)
	if text, e := p.turn(); e.Type != "done" {
		t.Fatalf("the running turn = %q, %+v; want done", text, e)
	}
	p.send(`{"type":"commit"}`)
	if text, e := p.turn(); e.Type != "done" || e.Turn != 2 {
		t.Fatalf("the turn committed again = %q, %+v; want done", text, e)
	}
	if _, history, _ := w.do(t, "GET", "/chat/"+session(t, p), ""); !strings.Contains(history, `"typed meanwhile"`) {
		t.Fatalf("history = %s, want what was typed in a running turn", history)
	}
}

// A client may begin the next turn as soon as it has read the end of one.
func TestSocketTurnsFollowAtOnce(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	p := w.dial(t, "")
	p.next()
	for i := range 200 {
		p.send(`{"type":"chat","message":"x","max_tokens":1,"temperature":0}`)
		if text, e := p.turn(); text != "a" || e.Type != "done" {
			t.Fatalf("turn %d = %q, %+v, want a and done", i+1, text, e)
		}
	}
}

func TestSocketErrorsLeaveItOpen(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	p := w.dial(t, "")
	p.next()
	f := func(message, param string) {
		t.Helper()
		p.send(message)
		if e := p.next(); e.Type != "error" || e.Error.Param != param || e.Error.Message == "" {
			t.Fatalf("%.80q is answered with %+v, want an error about %q", message, e, param)
		}
	}
	f(`{`, "")
	f(`[]`, "")
	f(`{"type":"dance"}`, "type")
	f(`{"type":5}`, "type")
	f(`{"type":"commit"}`, "text")
	f(`{"type":"chat"}`, "message")
	f(`{"type":"chat","message":"x","temperature":9}`, "temperature")
	f(`{"type":"chat","message":"x","model":"none"}`, "model")
	f(`{"type":"start","model":"none"}`, "model")
	f(`{"type":"start","speak":true}`, "speak")
	f(`{"type":"say","text":"x"}`, "voice")
	p.send(`{"type":"chat","message":"x","max_tokens":1}`)
	if text, e := p.turn(); text != "a" || e.Type != "done" {
		t.Fatalf("after the errors a turn = %q, %+v; want a and done", text, e)
	}
}

func TestSocketCloseCodes(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	f := func(code, kind int, data []byte) {
		t.Helper()
		p := w.dial(t, "")
		if err := p.WriteMessage(kind, data); err != nil {
			t.Fatal(err)
		}
		p.closes(code)
	}
	f(websocket.CloseInvalidFramePayloadData, websocket.TextMessage, []byte("\xff\xfe"))
	f(websocket.CloseMessageTooBig, websocket.TextMessage, []byte(strings.Repeat("x", 1<<20+1)))
	f(websocket.CloseProtocolError, websocket.BinaryMessage, []byte("x"))

	broken := w.dial(t, "")
	if _, err := broken.NetConn().Write([]byte{0x83, 0x80, 0, 0, 0, 0}); err != nil { // a reserved opcode
		t.Fatal(err)
	}
	broken.closes(websocket.CloseProtocolError)
}

func TestSocketNeedsAnUpgradeAndAKey(t *testing.T) {
	w := start(t, Config{Keys: []Key{{Secret: "secret"}}}, nil).ready()
	if status, text, _ := w.do(t, "GET", "/ws?key=secret", ""); status != 426 {
		t.Fatalf("GET /ws without an upgrade = %d %s, want 426", status, text)
	}
	_, res, err := websocket.DefaultDialer.Dial("ws://"+w.addr+"/ws", nil)
	if err == nil || res.StatusCode != http.StatusUnauthorized {
		t.Fatalf("dialling without a key: %v, want 401", err)
	}
	if e := w.dial(t, "?key=secret").next(); e.Type != "ready" {
		t.Fatalf("with ?key= the first message = %+v, want ready", e)
	}
}

func TestSocketDrain(t *testing.T) {
	gate := make(chan struct{})
	w := start(t, Config{}, gate).ready()
	idle, busy := w.dial(t, ""), w.dial(t, "")
	idle.next()
	busy.next()
	busy.send(`{"type":"chat","message":"x","max_tokens":2}`)
	gate <- struct{}{} // the turn runs
	w.down = true
	drained := make(chan struct{})
	go func() { w.Shutdown(t.Context()); close(drained) }()
	idle.closes(websocket.CloseGoingAway)
	close(gate)
	if text, e := busy.turn(); text != "ab" || e.Type != "done" {
		t.Fatalf("the running turn = %q, %+v; want it to end as if nothing happened", text, e)
	}
	busy.closes(websocket.CloseGoingAway)
	<-drained
}
