package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// soakTexts is how many texts a client of a soak speaks in turn: the bytes of
// each must stay the same.
const soakTexts = 6

// runSpeechSoak lets clients speak for a time. Texts are asked for without the
// server's cache by a seed that is new for each round of texts but one in three,
// whose bytes are compared.
func runSpeechSoak(ctx context.Context, e *Env) error {
	until, stop := context.WithTimeout(ctx, e.Delay)
	defer stop()
	memory := func(label string) {
		if e.Target.Proc != nil {
			now, _ := e.Target.Proc.Memory()
			e.Add("memory@"+label, now)
		}
	}
	memory("before")
	half := time.AfterFunc(e.Delay/2, func() { memory("half") })
	defer half.Stop()
	var wrong counter
	errs := make([]error, e.Clients)
	crowd(e.Clients, func(i int) { errs[i] = e.soak(until, i, &wrong) })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	memory("after")
	e.Add("mixed_up", float64(wrong.value()))
	return errors.Join(errs...)
}

func (e *Env) soak(ctx context.Context, client int, wrong *counter) error {
	rng := Rand(e.Seed, e.Start, e.Index, fmt.Sprintf("soak/%d", client))
	var texts [soakTexts]string
	var sums [soakTexts][32]byte
	for i := range texts {
		texts[i] = lengths[i%len(lengths)].make(rng)
	}
	for n := 0; ctx.Err() == nil; n++ {
		i, round := n%soakTexts, n/soakTexts
		seed := 0
		if round%3 != 0 {
			seed = 1 + round
		}
		r, err := e.Target.Say(ctx, texts[i], e.Format, round%2 == 1, map[string]any{"seed": seed})
		if ctx.Err() != nil {
			return nil // cut off by the end of the round
		}
		e.Result(err)
		if err != nil {
			return err
		}
		label := lengths[i%len(lengths)].label
		e.Add("total"+label, r.Total())
		e.Add("first_byte"+label, r.FirstByte())
		if seed != 0 || round%2 == 1 { // the whole has another header
			continue
		}
		if round == 0 {
			sums[i] = r.Sum
		} else if r.Sum != sums[i] {
			wrong.add(1)
		}
	}
	return nil
}

// runChatBesideSpeech streams answers alone, and then while --clients others have
// texts spoken.
func runChatBesideSpeech(ctx context.Context, e *Env) error {
	stream := func(purpose, label string) (rate float64, err error) {
		tokens, took := 0, time.Duration(0)
		for i := range e.Requests {
			res, err := e.Chat(ctx, e.Target, ChatRequest{
				Messages: User(fmt.Sprintf("Tell the story of number %d (%s %d).", i+1, purpose, e.Index)), MaxTokens: e.Tokens, Extra: map[string]any{"ignore_eos": true},
			})
			if err != nil {
				return 0, err
			}
			e.Add("gap"+label, res.Gaps()...)
			e.Add("ttft"+label, res.TTFT())
			if len(res.Arrivals) > 1 { // the rate of decoding: what comes before the first text is left out
				tokens += res.Completion - 1
				took += res.End.Sub(res.Arrivals[0])
			}
		}
		if took <= 0 {
			return 0, errors.New("bench: the answers had no text")
		}
		rate = float64(tokens) / took.Seconds()
		e.Add("rate"+label, rate)
		return rate, nil
	}
	alone, err := stream("alone", "@alone")
	if err != nil {
		return err
	}
	speaking, stop := context.WithCancel(ctx)
	defer stop()
	began := make(chan struct{}, e.Clients)
	errs := make([]error, e.Clients)
	done := make(chan struct{})
	go func() {
		defer close(done)
		crowd(e.Clients, func(i int) {
			rng := Rand(e.Seed, e.Start, e.Index, fmt.Sprintf("speech/%d", i))
			for n := 0; speaking.Err() == nil; n++ {
				if n == 0 {
					began <- struct{}{}
				}
				r, err := e.Target.Say(speaking, LongText(rng), e.Format, false, nil)
				if speaking.Err() != nil {
					return
				}
				e.Result(err)
				if errs[i] = err; err != nil {
					return
				}
				e.Add("first_byte", r.FirstByte())
				e.Add("speech_total", r.Total())
				e.Add("dry", ms(r.Dry))
			}
		})
	}()
	for range e.Clients {
		<-began
	}
	beside, err := stream("beside", "@speech")
	stop()
	<-done
	if err != nil {
		return err
	}
	e.Add("rate_share", beside/alone)
	return errors.Join(errs...)
}
