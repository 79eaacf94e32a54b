package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

var speechWorkloads = []Workload{
	{
		Kind: "tts", Name: "texts", Help: "a new short, medium and long text a round, in one piece: engine time, total, what is beside the engine",
		Default: Options{Rounds: 12, Warmup: 2, Format: "wav"}, Run: runTexts,
	},
	{
		Kind: "tts", Name: "stream", Help: "first audio of a 12-second sentence and of 600 characters, beside the whole of it and of its first sentence in one piece, and whether a player runs dry",
		Default: Options{Rounds: 8, Warmup: 1, Format: "wav"}, Run: runSpeechStream,
	},
	{
		Kind: "tts", Name: "cached", Help: "one short text again and again",
		Default: Options{Rounds: 30, Warmup: 2, Format: "mp3"}, Run: runCachedSpeech,
	},
	{
		Kind: "tts", Name: "clients", Help: "the same work by one client and by --clients at once; equal requests must give equal bytes",
		Default: Options{Rounds: 2, Warmup: 1, Clients: 8, Requests: 2, Format: "wav"}, Run: runSpeechClients,
	},
	{
		Kind: "tts", Name: "beside", Help: "a short text beside three long ones",
		Default: Options{Rounds: 3, Warmup: 1, Clients: 3, Format: "wav"}, Run: runSpeechBeside,
	},
	{
		Kind: "tts", Name: "soak", Help: "--clients speak for --delay: nothing may fail, equal requests give equal bytes, memory stays",
		Default: Options{Rounds: 1, Warmup: -1, Clients: 8, Delay: time.Minute, Format: "wav"}, Run: runSpeechSoak,
	},
}

// lengths are the three classes of text.
var lengths = []struct {
	label string
	make  func(*rand.Rand) string
}{{"@short", ShortText}, {"@medium", MediumText}, {"@long", LongText}}

// say asks for speech and counts it.
func (e *Env) say(ctx context.Context, text string, plain bool, extra map[string]any) (SpeechResult, error) {
	r, err := e.Target.Say(ctx, text, e.Format, plain, extra)
	e.Result(err)
	return r, err
}

// addSpeech records the usual metrics of an answer.
func (e *Env) addSpeech(r SpeechResult, label string) {
	e.Add("total"+label, r.Total())
	if r.Server.Speech > 0 {
		e.Add("engine"+label, r.Server.Speech)
		e.Add("beside"+label, r.Total()-r.Server.Speech)
	}
	if s := r.Audio.Seconds(); s > 0 {
		e.Add("audio"+label, s)
		e.Add("rtf"+label, r.Total()/1000/s)
	}
	hit := 0.0
	if r.Hit {
		hit = 1
	}
	e.Add("cache_hits"+label, hit)
}

func runTexts(ctx context.Context, e *Env) error {
	rng := Rand(e.Seed, e.Start, e.Index, "texts")
	for _, l := range lengths {
		r, err := e.say(ctx, l.make(rng), true, nil)
		if err != nil {
			return err
		}
		e.addSpeech(r, l.label)
	}
	return nil
}

func runSpeechStream(ctx context.Context, e *Env) error {
	rng := Rand(e.Seed, e.Start, e.Index, "stream")
	for _, l := range []struct{ label, text string }{
		{"@short", ShortText(rng)}, {"@sentence", OneSentence(rng)}, {"@long", LongText(rng)},
	} {
		r, err := e.say(ctx, l.text, false, nil)
		if err != nil {
			return err
		}
		e.Add("first_byte"+l.label, r.FirstByte())
		e.Add("total"+l.label, r.Total())
		e.Add("first_share"+l.label, r.FirstByte()/r.Total())
		if s := r.Audio.Seconds(); s > 0 {
			e.Add("audio"+l.label, s)
			e.Add("dry"+l.label, ms(r.Dry))
		}
		if err := e.besideWhole(ctx, l.label, l.text, &r); err != nil {
			return err
		}
	}
	return nil
}

// besideWhole compares a stream with answers in one piece: of the same sentence,
// and, where there are several, of the first one alone.
func (e *Env) besideWhole(ctx context.Context, label, text string, r *SpeechResult) error {
	first, _, several := strings.Cut(text, ". ")
	if several {
		text = first + "."
	}
	whole, err := e.say(ctx, text, true, nil)
	if err != nil {
		return err
	}
	if several {
		e.Add("clause"+label, whole.Total())
		e.Add("first_of_clause"+label, r.FirstByte()/whole.Total())
		return nil
	}
	e.Add("whole"+label, whole.Total())
	e.Add("first_of_whole"+label, r.FirstByte()/whole.Total())
	e.Add("total_of_whole"+label, r.Total()/whole.Total())
	return nil
}

func runCachedSpeech(ctx context.Context, e *Env) error {
	r, err := e.say(ctx, "Hello from one process.", true, nil)
	if err == nil {
		e.addSpeech(r, "")
		e.Add("first_byte", r.FirstByte())
	}
	return err
}

// runSpeechClients does the same work twice with different seeds of the text,
// so that the second time is not answered from a cache.
func runSpeechClients(ctx context.Context, e *Env) error {
	work := func(clients, total int, purpose string) (wall, audio time.Duration, err error) {
		var sum counter
		queue := make(chan string, total)
		rng := Rand(e.Seed, e.Start, e.Index, purpose)
		for i := range total {
			queue <- lengths[i%2].make(rng)
		}
		close(queue)
		errs := make([]error, clients)
		began := time.Now()
		crowd(clients, func(client int) {
			for text := range queue {
				r, err := e.say(ctx, text, false, nil)
				if err != nil {
					errs[client] = err
					continue
				}
				label := fmt.Sprintf("@%d", clients)
				e.Add("total"+label, r.Total())
				e.Add("first_byte"+label, r.FirstByte())
				sum.add(int(r.Audio))
			}
		})
		return time.Since(began), time.Duration(sum.value()), errors.Join(errs...)
	}
	total := e.Clients * e.Requests
	one, audioOne, err := work(1, total, "one")
	if err != nil {
		return err
	}
	many, audioMany, err := work(e.Clients, total, "many")
	if err != nil {
		return err
	}
	e.Add("wall@1", ms(one))
	e.Add(fmt.Sprintf("wall@%d", e.Clients), ms(many))
	ratio := float64(many) / float64(one)
	if audioOne > 0 && audioMany > 0 { // the texts differ, so the work is counted in audio
		ratio *= float64(audioOne) / float64(audioMany)
	}
	e.Add("wall_ratio", ratio)
	return e.sameBytes(ctx)
}

// sameBytes sends one text from all clients at once, another between, and
// counts answers that differ.
func (e *Env) sameBytes(ctx context.Context) error {
	texts := [2]string{ShortText(Rand(e.Seed, e.Start, e.Index, "same/0")), ShortText(Rand(e.Seed, e.Start, e.Index, "same/1"))}
	results := make([]SpeechResult, e.Clients)
	errs := make([]error, e.Clients)
	crowd(e.Clients, func(i int) { results[i], errs[i] = e.say(ctx, texts[i%2], false, nil) })
	if err := errors.Join(errs...); err != nil {
		return err
	}
	wrong := 0
	for i, r := range results {
		if r.Sum != results[i%2].Sum || (i%2 == 1 && r.Sum == results[0].Sum) {
			wrong++
		}
	}
	e.Add("mixed_up", float64(wrong))
	return nil
}

func runSpeechBeside(ctx context.Context, e *Env) error {
	rng := Rand(e.Seed, e.Start, e.Index, "beside")
	long := make([]string, e.Clients)
	for i := range long {
		long[i] = LongText(rng)
	}
	short := ShortText(rng)
	var failed error
	crowd(e.Clients+1, func(i int) {
		if i < e.Clients {
			if r, err := e.say(ctx, long[i], false, nil); err == nil {
				e.Add("total@long", r.Total())
			}
			return
		}
		select { // the long ones first
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
		r, err := e.say(ctx, short, false, nil)
		if failed = err; err == nil {
			e.Add("total@short", r.Total())
		}
	})
	return failed
}
