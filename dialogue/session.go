package dialogue

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"repartee/inference/llama"
)

// Bounds of what is kept, so that sessions cannot grow without end.
const (
	maxSessions = 1024
	maxMessages = 400
	maxIdle     = time.Hour
)

// sessions keeps conversations by namespace and id.
type sessions struct {
	mu  sync.Mutex
	now func() time.Time
	all map[string]*session
}

type session struct {
	messages []llama.Message
	used     time.Time
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[string]*session{}}
}

// NewID makes an id that cannot be guessed.
func NewID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

func key(space, id string) string { return space + "\x00" + id }

// history returns a copy of a conversation's messages.
func (s *sessions) history(space, id string) ([]llama.Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.all[key(space, id)]
	if c == nil || s.now().Sub(c.used) > maxIdle {
		return nil, false
	}
	c.used = s.now()
	return slices.Clone(c.messages), true
}

// put replaces a conversation's messages; the oldest go first when there are
// too many, the system prompt stays.
func (s *sessions) put(space, id string, messages []llama.Message) {
	for len(messages) > maxMessages {
		first := 0
		if messages[0].Role == "system" {
			first = 1
		}
		messages = slices.Delete(messages, first, first+2)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if len(s.all) >= maxSessions && s.all[key(space, id)] == nil {
		oldest := ""
		for k, c := range s.all {
			if now.Sub(c.used) > maxIdle {
				delete(s.all, k)
			} else if oldest == "" || c.used.Before(s.all[oldest].used) {
				oldest = k
			}
		}
		if len(s.all) >= maxSessions {
			delete(s.all, oldest)
		}
	}
	s.all[key(space, id)] = &session{messages, now}
}

// remove forgets a conversation and tells whether there was one.
func (s *sessions) remove(space, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.all[key(space, id)]
	delete(s.all, key(space, id))
	return ok
}
