package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// maxErrorTexts is how many different error texts a report keeps a side.
const maxErrorTexts = 8

// Round collects what one run of a workload against one server gave. Its
// methods may be called by many goroutines.
type Round struct {
	mu      sync.Mutex
	samples map[string][]float64
	names   []string // in the order of their first value
	texts   map[string]string
	order   []string

	requests int
	errors   int
	said     []string
}

// NewRound makes an empty round.
func NewRound() *Round {
	return &Round{samples: map[string][]float64{}, texts: map[string]string{}}
}

// Add records values of a metric. The name is one of Metrics, optionally with
// a label behind "@": "ttft@4".
func (r *Round) Add(metric string, values ...float64) {
	if len(values) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.samples[metric]; !ok {
		r.names = append(r.names, metric)
	}
	r.samples[metric] = append(r.samples[metric], values...)
}

// Text keeps a text under a key, to be compared with the other server's or
// another run's.
func (r *Round) Text(key, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.texts[key]; !ok {
		r.order = append(r.order, key)
	}
	r.texts[key] = text
}

// Result counts a request, and its error if there was one.
func (r *Round) Result(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	if err == nil {
		return
	}
	r.errors++
	if text := err.Error(); len(r.said) < maxErrorTexts && !slices.Contains(r.said, text) {
		r.said = append(r.said, text)
	}
}

// Chat runs a chat completion and counts it. An answer without a single token
// counts as an error.
func (r *Round) Chat(ctx context.Context, t *Target, q ChatRequest) (ChatResult, error) {
	res, err := t.Chat(ctx, q)
	if err == nil && res.Completion == 0 && res.Text == "" {
		err = errors.New("bench: an answer without text")
	}
	r.Result(err)
	return res, err
}

// AddChat records the usual metrics of an answer, with an optional label.
func (r *Round) AddChat(res ChatResult, label string) {
	r.Add("ttft"+label, res.TTFT())
	r.Add("gap"+label, res.Gaps()...)
	r.Add("total"+label, res.Total())
	if seconds := res.Total() / 1000; seconds > 0 && res.Completion > 0 {
		r.Add("rate"+label, float64(res.Completion)/seconds)
	}
	r.Add("prompt"+label, float64(res.Prompt))
	r.Add("cached"+label, float64(res.Cached))
	r.Add("completion"+label, float64(res.Completion))
}
