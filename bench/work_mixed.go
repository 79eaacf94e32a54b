package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

var mixedWorkloads = []Workload{{
	Kind: "mixed", Name: "mixed", Help: "streaming chats (--clients) and speech (half as many) at once for --delay; each asks the same thing always, so an answer of somebody else's shows",
	Default: Options{Rounds: 1, Warmup: -1, Clients: 8, Tokens: 48, Delay: time.Minute, Format: "mp3"}, Run: runMixed,
}, {
	Kind: "mixed", Name: "speech", Help: "answers streamed one after the other, alone and while --clients have long texts spoken: what a stream keeps of its speed, and its gaps",
	Default: Options{Rounds: 3, Warmup: 1, Clients: 1, Requests: 2, Tokens: 96, Format: "wav"}, Run: runChatBesideSpeech,
}}

// runMixed is a soak: nothing may fail, nothing may mix, memory stays.
func runMixed(ctx context.Context, e *Env) error {
	until, stop := context.WithTimeout(ctx, e.Delay)
	defer stop()
	before := 0.0
	if e.Target.Proc != nil {
		before, _ = e.Target.Proc.Memory()
	}
	began := time.Now()
	var tokens, wrong counter
	talkers, speakers := e.Clients, max(1, e.Clients/2)
	errs := make([]error, talkers+speakers)
	crowd(talkers+speakers, func(i int) {
		if i < talkers {
			errs[i] = e.chatter(until, i, &tokens, &wrong)
		} else {
			errs[i] = e.speaker(until, i-talkers, &wrong)
		}
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.Add("throughput", float64(tokens.value())/time.Since(began).Seconds())
	e.Add("mixed_up", float64(wrong.value()))
	if e.Target.Proc != nil {
		now, _ := e.Target.Proc.Memory()
		e.Add("memory@before", before)
		e.Add("memory@after", now)
	}
	return errors.Join(errs...)
}

// chatter asks for a word of its own again and again. Company may change a
// greedy answer's wording, so what is looked for is another client's word.
func (e *Env) chatter(ctx context.Context, client int, tokens, wrong *counter) error {
	own := fmt.Sprintf("zebra%c%c", 'a'+client%26, 'a'+client/26%26)
	for ctx.Err() == nil {
		res, err := e.Target.Chat(ctx, ChatRequest{
			Messages: User("Repeat this word ten times and write nothing else: " + own), MaxTokens: e.Tokens,
		})
		if ctx.Err() != nil {
			return nil // cut off by the end of the round
		}
		e.Result(err)
		if err != nil {
			return err
		}
		e.AddChat(res, "")
		tokens.add(res.Completion)
		for other := range e.Clients {
			if word := fmt.Sprintf("zebra%c%c", 'a'+other%26, 'a'+other/26%26); other != client && strings.Contains(res.Text, word) && !strings.Contains(res.Text, own) {
				wrong.add(1)
			}
		}
	}
	return nil
}

// speaker has one text spoken again and again; the bytes must stay the same.
func (e *Env) speaker(ctx context.Context, client int, wrong *counter) error {
	text := MediumText(Rand(e.Seed, e.Start, e.Index, fmt.Sprintf("speaker/%d", client)))
	var first [32]byte
	for n := 0; ctx.Err() == nil; n++ {
		// A new text every other time keeps the cache from answering all.
		say := text
		if n%2 == 1 {
			say = MediumText(Rand(e.Seed, e.Start, e.Index, fmt.Sprintf("speaker/%d/%d", client, n)))
		}
		r, err := e.Target.Say(ctx, say, e.Format, false, nil)
		if ctx.Err() != nil {
			return nil
		}
		e.Result(err)
		if err != nil {
			return err
		}
		e.Add("first_byte", r.FirstByte())
		e.Add("speech_total", r.Total())
		if n == 0 {
			first = r.Sum
		} else if n%2 == 0 && r.Sum != first {
			wrong.add(1)
		}
	}
	return nil
}
