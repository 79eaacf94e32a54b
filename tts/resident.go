package tts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"repartee/tts/audio"
	"repartee/tts/espeak"
	"repartee/tts/text"
	"repartee/tts/voice"
)

// phonemizer is what a Service needs of espeak-ng.
type phonemizer interface {
	Phonemes(ctx context.Context, language string, segments ...string) ([]string, error)
	Close()
}

// resident is a loaded voice with what its language needs.
type resident struct {
	name  string
	voice voice.Voice
	info  voice.Info
	text  *text.Normaliser
	gain  float32  // of the first speaker
	why   string   // it is computed where it is
	path  string   // of its graph
	files [32]byte // its fingerprint; 0 = not computed

	mu    sync.Mutex
	gains map[string]float32 // of other speakers and of mixes, once they spoke
}

// warmUp holds sounds of several lengths: they are spoken once at load, so that
// memory is there and the loudness is known when the first request comes.
var warmUp = []string{
	"həlˈoʊ wˈɜːld.",
	"ðə kwˈɪk bɹˈaʊn fˈɑːks dʒˈʌmps ˌoʊvɚ ðə lˈeɪzi dˈɑːɡ, ænd ðɛn ˈoʊvɚ ðə hˈaɪ stˈoʊn wˈɔːl.",
}

// Every voice is brought to the same loudness, within bounds.
const (
	wantedRMS        = 0.12
	minGain, maxGain = 0.25, 4
)

func newResident(ctx context.Context, name string, v voice.Voice) (*resident, error) {
	r := &resident{name: name, voice: v, info: v.Info(), gain: 1}
	r.text = text.NewNormaliser(r.info.Language)
	var all []float32
	for i := range warmUp {
		u := voice.Utterance{Units: r.phrase(i), Speed: 1}
		_, err := v.Speak(ctx, u, func(_ context.Context, f func() error) error { return f() }, func(s []float32) error {
			all = append(all, s...)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("tts: warming voice %q: %w", name, err)
		}
	}
	r.gain = r.gainFor(all)
	return r, nil
}

// gainFor brings samples to the loudness that every voice has.
func (r *resident) gainFor(s []float32) float32 {
	if rms, _ := audio.Loudness(s, r.info.SampleRate); rms > 0 {
		return float32(min(max(wantedRMS/rms, minGain), maxGain))
	}
	return 1
}

// maxGains bounds the speakers and mixes whose loudness is remembered.
const maxGains = 4096

// loudness gives a speaker's gain: speakers of one voice differ as much as voices
// do. Before somebody other than the first one speaks for the first time, a short
// phrase of theirs is measured.
func (r *resident) loudness(ctx context.Context, who voice.Speaker, gate voice.Gate) (float32, error) {
	if who.ID == 0 && len(who.Mix) == 0 {
		return r.gain, nil
	}
	key := fmt.Sprint(who)
	r.mu.Lock()
	gain, known := r.gains[key]
	r.mu.Unlock()
	if known {
		return gain, nil
	}
	u := voice.Utterance{Units: r.phrase(0), Speed: 1, Speaker: who}
	var all []float32
	if _, err := r.voice.Speak(ctx, u, gate, func(s []float32) error {
		all = append(all, s...)
		return nil
	}); err != nil {
		return 1, err
	}
	gain = r.gainFor(all)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gains == nil || len(r.gains) >= maxGains {
		r.gains = map[string]float32{}
	}
	r.gains[key] = gain
	return gain, nil
}

// phrase is the i-th of the warmUp for this voice.
func (r *resident) phrase(i int) string {
	if r.info.Characters {
		return "hello world, how are you today."
	}
	return warmUp[i]
}

// describe gives the voice as the API shows it.
func (r *resident) describe() Voice {
	return Voice{
		Name: r.name, Family: r.info.Family, Language: r.info.Language, SampleRate: r.info.SampleRate,
		Licence: r.info.Licence, Speakers: r.info.Speakers, Device: r.info.Device, DeviceWhy: r.why,
	}
}

// speaker finds a speaker by name or number, or a mix.
func (r *resident) speaker(name string) (voice.Speaker, error) {
	s, err := r.info.Speaker(name)
	if err != nil {
		return s, &FieldError{"speaker", fmt.Sprintf("voice %q: %v", r.name, err)}
	}
	return s, nil
}

// line is what is said in one inference.
type line struct {
	text   string // as written; empty for the later parts of a piece that was cut
	units  string
	pause  time.Duration // behind it, when pauses are natural
	wait   time.Duration // behind it, because the text says so
	more   bool          // the text goes on in the next line
	manner text.Manner
	piece  int // which one of the text's it is of, from 1
}

// pauses behind a piece by its end.
var pauses = map[text.End]time.Duration{
	text.EndCut:       30 * time.Millisecond,
	text.EndComma:     140 * time.Millisecond,
	text.EndClause:    200 * time.Millisecond,
	text.EndSentence:  330 * time.Millisecond,
	text.EndParagraph: 550 * time.Millisecond,
}

// reading is what a request says about how its words are read.
type reading struct {
	espeak  string // language of the phonemes, as espeak-ng calls it
	lexicon *text.Lexicon
	table   text.Phonemes
	plain   bool // the text has no markup of its own
}

// lines turns a piece of text into what the voice reads. The result is empty
// when there is nothing to say.
func (r *resident) lines(ctx context.Context, ph phonemizer, rd *reading, p text.Piece) ([]line, error) {
	bits := []text.Bit{{Text: p.Text}}
	if !rd.plain {
		bits = text.Inline(p.Text, &rd.table)
	}
	var out []line
	for i, b := range bits {
		end := p.End
		if i < len(bits)-1 {
			end = text.EndCut
		}
		units, err := r.units(ctx, ph, rd, b.Text, end)
		if err != nil {
			return nil, err
		}
		if units != "" {
			for _, u := range cutUnits(units, r.info.MaxUnits) {
				l := line{units: u, more: true, manner: text.Natural, pause: pauses[text.EndCut]}
				if strings.HasSuffix(u, ",") {
					l.pause = pauses[text.EndComma]
				}
				out = append(out, l)
			}
			out[len(out)-1].pause = pauses[end]
		}
		if b.Pause > 0 {
			if units == "" {
				out = append(out, line{more: true})
			}
			out[len(out)-1].wait = b.Pause
		}
	}
	if len(out) > 0 {
		out[0].text = p.Text
		out[len(out)-1].more = false
	}
	return out, nil
}

// units gives the phonemes (or letters) of a text with its clause marks.
func (r *resident) units(ctx context.Context, ph phonemizer, rd *reading, s string, end text.End) (string, error) {
	segs := text.Segments(r.text.Normalise(rd.lexicon.Apply(s, &rd.table)))
	var runs []text.Run // of all segments
	var ask []string    // those that the phonemizer is to read
	last := make([]int, len(segs))
	for i, seg := range segs {
		for _, run := range rd.table.Runs(seg.Text) {
			if run.IPA == "" {
				ask = append(ask, run.Text)
			} else if r.info.Characters {
				continue
			}
			runs = append(runs, run)
		}
		last[i] = len(runs)
	}
	if !r.info.Characters && len(ask) > 0 {
		var err error
		if ask, err = ph.Phonemes(ctx, rd.espeak, short(ask)...); err != nil {
			if errors.Is(err, espeak.ErrUnreadable) {
				err = &FieldError{"text", "the phonemizer cannot read it; leave out what is no language"}
			}
			return "", err
		}
	}
	var b strings.Builder
	k := 0
	for i, seg := range segs {
		said := false
		for ; k < last[i]; k++ {
			u := runs[k].IPA
			if u == "" {
				u, ask = ask[0], ask[1:]
			}
			if u = strings.TrimSpace(u); u == "" {
				continue
			}
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(u)
			said = true
		}
		mark := seg.Mark
		if mark == 0 && i == len(segs)-1 {
			mark = map[text.End]rune{text.EndSentence: '.', text.EndParagraph: '.', text.EndComma: ','}[end]
		}
		if mark == '…' {
			mark = '.'
		}
		if said && mark != 0 {
			b.WriteRune(mark)
		}
	}
	return b.String(), nil
}

// short bounds the segments to what the phonemizer takes.
func short(segs []string) []string {
	for i, s := range segs {
		if len(s) > espeak.MaxSegment {
			n := espeak.MaxSegment
			for !utf8.RuneStart(s[n]) {
				n--
			}
			segs[i] = s[:n]
		}
	}
	return segs
}

// cutUnits cuts phonemes into runs of at most limit code points: behind the
// last mark of the second half, else between words, else where it must be.
func cutUnits(units string, limit int) []string {
	var out []string
	for utf8.RuneCountInString(units) > limit {
		mark, space, end, n := 0, 0, 0, 0
		for i, r := range units {
			if n == limit {
				break
			}
			n++
			end = i + utf8.RuneLen(r)
			switch {
			case strings.ContainsRune(",;:.!?", r) && n > limit/3:
				mark = end
			case r == ' ' && n > limit/2:
				space = end
			}
		}
		at := end
		if mark > 0 {
			at = mark
		} else if space > 0 {
			at = space
		}
		if s := strings.TrimSpace(units[:at]); s != "" {
			out = append(out, s)
		}
		units = strings.TrimSpace(units[at:])
	}
	if units != "" {
		out = append(out, units)
	}
	return out
}
