package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/goccy/go-json"
)

// Message is one message of a conversation.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// User is a conversation of one user message.
func User(text string) []Message { return []Message{{"user", text}} }

// ChatRequest is one chat completion.
type ChatRequest struct {
	Messages    []Message
	MaxTokens   int
	Temperature float64
	Seed        uint64
	Plain       bool           // not streamed
	Extra       map[string]any // fields of this request alone
	// OnText, if set, is called for each piece of text as it arrives.
	OnText func(at time.Time)
}

// ChatResult is what the client saw of one chat completion.
type ChatResult struct {
	Sent       time.Time
	Arrivals   []time.Time // of each event that carried text
	End        time.Time   // the last byte
	Text       string
	Finish     string
	Prompt     int // tokens, by the server's count
	Cached     int
	Completion int
	Server     ServerTimings
}

// TTFT is the time from sending to the first text, milliseconds; to the end of
// the answer when there was no text.
func (r *ChatResult) TTFT() float64 {
	if len(r.Arrivals) == 0 {
		return r.Total()
	}
	return ms(r.Arrivals[0].Sub(r.Sent))
}

// Total is the time from sending to the last byte, milliseconds.
func (r *ChatResult) Total() float64 { return ms(r.End.Sub(r.Sent)) }

// Gaps are the times between arrivals of text, milliseconds.
func (r *ChatResult) Gaps() []float64 {
	var gaps []float64
	for i := 1; i < len(r.Arrivals); i++ {
		gaps = append(gaps, ms(r.Arrivals[i].Sub(r.Arrivals[i-1])))
	}
	return gaps
}

// Fresh is how many prompt tokens the server had to read.
func (r *ChatResult) Fresh() int { return r.Prompt - r.Cached }

// ms converts to milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// wireChat is an answer or a chunk of one.
type wireChat struct {
	Choices []struct {
		Delta   wireText `json:"delta"`
		Message wireText `json:"message"`
		Finish  string   `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Details    struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
	Timings json.RawMessage `json:"timings"`
	Error   json.RawMessage `json:"error"`
}

type wireText struct {
	Content   string `json:"content"`
	Reasoning string `json:"reasoning_content"`
}

// Chat sends one chat completion and reads the answer. On an error the result
// holds what had come until then.
func (t *Target) Chat(ctx context.Context, q ChatRequest) (ChatResult, error) {
	var r ChatResult
	body := map[string]any{
		"model": t.Model, "messages": q.Messages, "temperature": q.Temperature, "seed": q.Seed, "stream": !q.Plain,
	}
	if q.MaxTokens > 0 {
		body["max_tokens"] = q.MaxTokens
	}
	if !q.Plain {
		body["stream_options"] = map[string]any{"include_usage": true}
	}
	maps.Copy(body, t.Extra)
	maps.Copy(body, q.Extra)
	data, err := json.Marshal(body)
	if err != nil {
		return r, fmt.Errorf("bench: request body: %w", err)
	}
	x, err := t.Client.Do(ctx, http.MethodPost, "/v1/chat/completions", "application/json", data)
	if err != nil {
		return r, err
	}
	defer x.Close()
	r.Sent = x.Sent
	if x.Status != http.StatusOK || q.Plain {
		err = r.readPlain(x)
	} else {
		err = r.readStream(x, q.OnText)
	}
	r.End = x.At()
	if err != nil {
		return r, err
	}
	r.Server.addHeader(x.Header.Get("Server-Timing"))
	r.Server.addHeader(x.Trailer().Get("Server-Timing"))
	return r, nil
}

func (r *ChatResult) readPlain(x *Exchange) error {
	answer, err := x.ReadAll(16 << 20)
	if err != nil {
		return err
	}
	if x.Status != http.StatusOK {
		return statusError(x.Status, answer)
	}
	var w wireChat
	if err := json.Unmarshal(answer, &w); err != nil {
		return fmt.Errorf("bench: answer: %w", err)
	}
	r.take(&w)
	return nil
}

func (r *ChatResult) readStream(x *Exchange, onText func(time.Time)) error {
	events := NewEvents(x, x.At)
	var text strings.Builder
	done := false
	for {
		ev, err := events.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.Text = text.String()
			return err
		}
		if bytes.Equal(ev.Data, []byte("[DONE]")) {
			done = true
			continue
		}
		var w wireChat
		if err := json.Unmarshal(ev.Data, &w); err != nil {
			return fmt.Errorf("bench: event %.80q: %w", ev.Data, err)
		}
		if len(w.Error) > 0 && string(w.Error) != "null" {
			return fmt.Errorf("bench: error in the stream: %.300s", w.Error)
		}
		if piece := r.take(&w); piece != "" {
			text.WriteString(piece)
			r.Arrivals = append(r.Arrivals, ev.At)
			if onText != nil {
				onText(ev.At)
			}
		}
	}
	r.Text = text.String()
	if !done {
		return errors.New("bench: the stream ended without [DONE]")
	}
	return nil
}

// take merges a chunk or an answer and returns its text.
func (r *ChatResult) take(w *wireChat) (piece string) {
	for _, c := range w.Choices {
		piece += c.Delta.Reasoning + c.Delta.Content
		if c.Message.Content != "" {
			r.Text = c.Message.Content
		}
		if c.Finish != "" {
			r.Finish = c.Finish
		}
	}
	if w.Usage != nil {
		r.Prompt, r.Completion, r.Cached = w.Usage.Prompt, w.Usage.Completion, w.Usage.Details.Cached
	}
	r.Server.add(w.Timings)
	return piece
}
