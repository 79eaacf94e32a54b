package dialogue

import (
	"container/list"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"repartee/inference/llama"
)

// Bounds of what is kept, so that sessions cannot grow without end.
const (
	maxSessions     = 1024
	maxMessages     = 400     // of one session
	maxSessionBytes = 1 << 20 // of one session's texts
	maxAllBytes     = 64 << 20
	maxIdle         = time.Hour
)

// sessions keeps conversations by namespace and id, the least recently used
// ones go first.
type sessions struct {
	mu    sync.Mutex
	now   func() time.Time
	all   map[string]*list.Element
	order list.List // of *session, the last used in front
	bytes int
}

type session struct {
	key      string
	messages []llama.Message
	bytes    int
	used     time.Time
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[string]*list.Element{}}
}

// NewID makes an id that cannot be guessed.
func NewID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

func key(space, id string) string { return space + "\x00" + id }

// find needs mu. A session that idled too long is forgotten.
func (s *sessions) find(space, id string) *session {
	e := s.all[key(space, id)]
	if e == nil {
		return nil
	}
	c := e.Value.(*session)
	now := s.now()
	if now.Sub(c.used) > maxIdle {
		s.drop(e)
		return nil
	}
	c.used = now
	s.order.MoveToFront(e)
	return c
}

// drop needs mu.
func (s *sessions) drop(e *list.Element) {
	c := s.order.Remove(e).(*session)
	delete(s.all, c.key)
	s.bytes -= c.bytes
}

// history returns a copy of a conversation's messages.
func (s *sessions) history(space, id string) ([]llama.Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(space, id)
	if c == nil {
		return nil, false
	}
	return slices.Clone(c.messages), true
}

// add appends a turn to a conversation, which is made if there is none. system
// replaces the system prompt unless it is empty; forget is how many of the
// oldest messages behind it no longer fit. Turns of one session that ran beside
// each other are both kept.
func (s *sessions) add(space, id, system string, forget int, turn []llama.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(space, id)
	if c == nil {
		c = &session{key: key(space, id), used: s.now()}
		s.all[c.key] = s.order.PushFront(c)
	}
	s.bytes -= c.bytes
	if system != "" {
		if c.first() == 1 {
			c.messages = c.messages[1:]
		}
		c.messages = slices.Insert(c.messages, 0, llama.Message{Role: "system", Content: system})
	}
	c.forget(forget)
	c.messages = append(c.messages, turn...)
	c.measure()
	// Half goes at once: a prefix that changes every turn could not be reused.
	if len(c.messages) > maxMessages {
		c.forget(len(c.messages) / 2)
		c.measure()
	}
	for c.bytes > maxSessionBytes && len(c.messages) > c.first()+len(turn) {
		c.forget((len(c.messages)-c.first()+1)/2 + 1)
		c.measure()
	}
	s.bytes += c.bytes
	for last := s.order.Back(); last != nil && last != s.order.Front(); last = s.order.Back() {
		old := last.Value.(*session)
		if len(s.all) <= maxSessions && s.bytes <= maxAllBytes && s.now().Sub(old.used) <= maxIdle {
			break
		}
		s.drop(last)
	}
}

// revise replaces the text of a conversation's last answer.
func (s *sessions) revise(space, id, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(space, id)
	if c == nil || len(c.messages) == 0 {
		return
	}
	last := &c.messages[len(c.messages)-1]
	if last.Role == "assistant" {
		s.bytes -= c.bytes
		last.Content = text
		c.measure()
		s.bytes += c.bytes
	}
}

// remove forgets a conversation and tells whether there was one.
func (s *sessions) remove(space, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(space, id) == nil {
		return false
	}
	s.drop(s.all[key(space, id)])
	return true
}

// first is the index behind the system prompt.
func (c *session) first() int { return behindSystem(c.messages) }

func behindSystem(m []llama.Message) int {
	if len(m) > 0 && m[0].Role == "system" {
		return 1
	}
	return 0
}

// forget drops the n oldest messages, and more up to the next user's.
func (c *session) forget(n int) { c.messages = without(c.messages, n) }

// without returns messages less the n oldest behind the system prompt, and less
// what would then begin without its question.
func without(messages []llama.Message, n int) []llama.Message {
	if n <= 0 {
		return messages
	}
	first := behindSystem(messages)
	end := min(first+n, len(messages))
	for end < len(messages) && messages[end].Role != "user" {
		end++
	}
	return slices.Concat(messages[:first], messages[end:])
}

func (c *session) measure() {
	c.bytes = 0
	for _, m := range c.messages {
		c.bytes += 64 + len(m.Content) + len(m.Reasoning)
		for _, t := range m.ToolCalls {
			c.bytes += 64 + len(t.Arguments)
		}
	}
}
