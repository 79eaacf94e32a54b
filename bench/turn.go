package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goccy/go-json"
)

// subprotocol is what the project's WebSocket speaks.
const subprotocol = "repartee.v1"

// TurnResult is what the client saw of one turn on a WebSocket.
type TurnResult struct {
	ChatResult
	FirstAudio time.Time // zero without audio
	AudioBytes int
	Cancelled  time.Time // the server said so; zero otherwise
}

// wireFrame is any message of the server.
type wireFrame struct {
	Type   string          `json:"type"`
	Text   string          `json:"text"`
	Finish string          `json:"finish_reason"`
	Error  json.RawMessage `json:"error"`
	Usage  struct {
		Prompt     int `json:"prompt_tokens"`
		Cached     int `json:"cached_tokens"`
		Completion int `json:"completion_tokens"`
	} `json:"usage"`
	Timings json.RawMessage `json:"timings"`
}

// Open dials /ws, sends start with the given fields and waits for ready.
func (t *Target) Open(ctx context.Context, start map[string]any) (*Socket, error) {
	s, err := t.Client.Dial(ctx, "/ws", subprotocol)
	if err != nil {
		return nil, err
	}
	start["type"] = "start"
	if t.Model != "" {
		start["model"] = t.Model
	}
	if t.Voice != "" {
		start["voice"] = t.Voice
	}
	if err := s.send(start); err != nil {
		s.Close()
		return nil, err
	}
	for {
		f, err := s.Read()
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("bench: waiting for ready: %w", err)
		}
		var w wireFrame
		if f.Binary || json.Unmarshal(f.Data, &w) != nil {
			continue
		}
		switch w.Type {
		case "ready":
			return s, nil
		case "error":
			s.Close()
			return nil, fmt.Errorf("bench: start refused: %.300s", w.Error)
		}
	}
}

func (s *Socket) send(message map[string]any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return s.WriteText(data)
}

// Turn sends a message and reads until the turn is done. With cancelAfter > 0
// it cancels once that many texts have arrived.
func (s *Socket) Turn(message map[string]any, cancelAfter int) (TurnResult, error) {
	var r TurnResult
	r.Sent = time.Now()
	if err := s.send(message); err != nil {
		return r, err
	}
	var asked time.Time
	for {
		f, err := s.Read()
		if err != nil {
			return r, fmt.Errorf("bench: in a turn: %w", err)
		}
		if f.Binary {
			if r.AudioBytes += len(f.Data); r.FirstAudio.IsZero() {
				r.FirstAudio = f.At
			}
			continue
		}
		var w wireFrame
		if err := json.Unmarshal(f.Data, &w); err != nil {
			return r, fmt.Errorf("bench: message %.80q: %w", f.Data, err)
		}
		switch w.Type {
		case "token":
			r.Text += w.Text
			r.Arrivals = append(r.Arrivals, f.At)
			if cancelAfter > 0 && len(r.Arrivals) == cancelAfter {
				asked = time.Now()
				if err := s.send(map[string]any{"type": "cancel"}); err != nil {
					return r, err
				}
			}
		case "cancelled":
			r.End, r.Cancelled, r.Finish = f.At, f.At, "cancelled"
			if asked.IsZero() {
				return r, errors.New("bench: cancelled, unasked")
			}
			r.Sent = asked // what is measured is the way from cancel to here
			return r, nil
		case "done":
			r.End, r.Finish = f.At, w.Finish
			r.Prompt, r.Cached, r.Completion = w.Usage.Prompt, w.Usage.Cached, w.Usage.Completion
			r.Server.add(w.Timings)
			return r, nil
		case "error":
			return r, fmt.Errorf("bench: error in a turn: %.300s", w.Error)
		}
	}
}
