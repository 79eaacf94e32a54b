package inference

import (
	"slices"
	"sync"
	"time"
)

// outlook is what the scheduler lets others know about the time to come, after each
// step: enough to say how long a request in the queue waits for its place.
type outlook struct {
	mu     sync.Mutex
	known  bool          // the cost model has seen this machine
	row    time.Duration // to read a token of a prompt, beside the streams of now
	token  time.Duration // to generate one
	answer float64       // mean length of answers, tokens
	places []time.Duration
}

// typicalAnswer is taken for the length of answers before any was given, and
// answerWeight is the part that each new one has in their mean.
const (
	typicalAnswer = 128
	answerWeight  = 1.0 / 8
)

// look writes the outlook anew. It allocates nothing once places has its size.
func (s *scheduler) look() {
	streams := stepLoad{}
	for _, t := range s.active {
		if t.decoding() {
			streams = streams.with(1, t.filled)
			streams.outputs++
		}
	}
	chunk := s.e.cfg.BatchRows / 2
	if streams.rows == 0 { // a request on its own
		streams = stepLoad{rows: 1, outputs: 1}
	}
	o := &s.e.outlook
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known = s.cost.n >= knownMachine
	o.token = s.cost.predict(streams)
	o.row = (s.cost.predict(streams.with(chunk, 0)) - o.token) / time.Duration(chunk)
	o.places = o.places[:0]
	for _, t := range s.active {
		if !t.ahead {
			o.places = append(o.places, o.takes(max(t.pending()-1, 0), t.limit-len(t.tokens), t.generated))
		}
	}
}

// takes is how long a request needs that has to read so many tokens, may generate
// at most so many, and has generated some already.
func (o *outlook) takes(reads, most, generated int) time.Duration {
	mean := o.answer
	if mean == 0 {
		mean = typicalAnswer
	}
	// An answer that is longer than most goes on for as long again as it is over.
	left := max(mean-float64(generated), float64(generated)-mean, 1)
	return time.Duration(reads)*o.row + time.Duration(min(left, float64(max(most, 1)))*float64(o.token))
}

// answered takes the length of a finished answer into the mean.
func (o *outlook) answered(tokens int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.answer == 0 {
		o.answer = float64(tokens)
		return
	}
	o.answer += (float64(tokens) - o.answer) * answerWeight
}

// wait returns how long a request behind the waiting ones waits for one of so many
// places, each of which goes to the first that waits when it becomes free; 0 when
// one is free, or while nothing is known of this machine.
func (o *outlook) wait(waiting []*task, parallel int) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.known {
		return 0
	}
	places := slices.Clone(o.places)
	for len(places) < parallel {
		places = append(places, 0)
	}
	first := func() int {
		at := 0
		for i := range places {
			if places[i] < places[at] {
				at = i
			}
		}
		return at
	}
	for _, t := range waiting {
		if !t.ahead && t.ctx.Err() == nil {
			places[first()] += o.takes(t.pending(), t.limit-len(t.tokens), t.generated)
		}
	}
	return places[first()]
}
