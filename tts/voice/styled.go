package voice

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"repartee/tts/onnx"
	"repartee/tts/onnx/graph"
)

const (
	// styledRate is the sample rate of Kokoro and Kitten, Hz.
	styledRate = 24000
	// maxStyledUnits keeps an inference well below the 510 phonemes that the
	// networks can take, where they begin to hurry.
	maxStyledUnits = 250
	// maxStyledIDs is what they can take, pads aside.
	maxStyledIDs = 510
	// A phoneme lasts a whole number of frames of 25 ms and at least one, so
	// beyond this speed the sound no longer gets shorter in proportion.
	slowestStyled, fastestStyled = 0.5, 1.5
	// durationsOut is the output by which a graph tells its durations.
	durationsOut = "repartee_durations"
	noiseInput   = "repartee_noise"
)

// styled is a voice of the StyleTTS 2 kind, Kokoro or Kitten: phonemes, one
// style vector and a speed go in, samples come out.
type styled struct {
	info    Info
	styles  []style
	symbols map[rune]int64
	tail    []int64 // ids behind the phonemes
	rewrite bool    // phonemes are rewritten in Kokoro's alphabet

	p         *part
	tokens    string // name of the input for the phonemes
	durations bool
	seeded    bool
	noise     noise
}

// styledInput is the name under which the graph takes phonemes.
func styledInput(m *graph.Model) string {
	for _, n := range []string{"tokens", "input_ids"} {
		if _, ok := m.Input(n); ok {
			return n
		}
	}
	return ""
}

// loadStyled loads Kokoro or Kitten. They have the same inputs: Kitten calls its
// second output duration, and its style packs have another height.
func loadStyled(m *graph.Model, path string, o Options) (Voice, error) {
	styles, err := findStyles(path, m)
	if err != nil {
		return nil, err
	}
	v := &styled{tokens: styledInput(m), info: Info{
		Family: "kokoro", Language: "en-US", Licence: o.Licence, SampleRate: styledRate,
		Espeak: "en-us", MaxUnits: maxStyledUnits, Device: o.device(), Cores: max(o.Threads, 1), Blends: true, Timed: true,
		Slowest: slowestStyled, Fastest: fastestStyled,
	}}
	rows := len(styles[0].data) / styleWidth
	_, kitten := m.Output("duration")
	if kitten || rows < 500 {
		v.info.Family, v.symbols, v.tail = "kitten", symbolIDs(kittenSymbols), []int64{0}
		if rows > 1 { // from version 0.8 on, texts end with an ellipsis
			v.tail = []int64{10, 0}
		}
	} else {
		v.symbols, v.tail, v.rewrite = symbolIDs(kokoroSymbols), []int64{0}, true
	}
	if v.info.Licence == "" {
		v.info.Licence = cardLicence(path)
	}
	for _, s := range styles {
		accent := "en-us"
		if v.rewrite {
			if accent = kokoroAccent(s.name); accent == "" {
				continue // read by other means than espeak-ng
			}
		}
		v.styles = append(v.styles, s)
		v.info.Speakers = append(v.info.Speakers, s.name)
		v.info.Accents = append(v.info.Accents, accent)
	}
	if len(v.styles) == 0 {
		return nil, fmt.Errorf("none of the %d style packs is of a language that can be read", len(styles))
	}
	v.info.Espeak, v.info.Language = v.info.Accents[0], language("", v.info.Accents[0])
	if v.durations, err = exposeRounded(m); err != nil {
		return nil, err
	}
	v.info.Timed = v.durations
	if v.seeded, err = m.SeedNoise(noiseInput); err != nil {
		return nil, err
	}
	m.FloatInputs("speed")
	if o.CUDA { // which has no kernel for integer convolutions; a CPU's are faster than its float ones
		m.FloatConvs()
	} else {
		m.GemmConvs()
	}
	m.Outputs = styledOutputs(m)
	if v.p, err = newPart(m, o.session(max(o.Threads, 1))); err != nil {
		return nil, err
	}
	return v, nil
}

// styledOutputs keeps the samples and the durations.
func styledOutputs(m *graph.Model) []graph.Value {
	out := m.Outputs[:1:1]
	if d, ok := m.Output(durationsOut); ok {
		out = append(out, d)
	}
	return out
}

// exposeRounded adds the durations as an output: what comes of the division by
// the speed once it is rounded, and held to at least one frame.
func exposeRounded(m *graph.Model) (bool, error) {
	x := m.Index()
	t := "speed"
	for range 6 {
		var next *graph.Node
		for _, op := range []string{"Cast", "Div", "Round", "Clip", "Max", "Squeeze"} {
			if next = x.User(t, op); next != nil {
				break
			}
		}
		if next == nil {
			break
		}
		t = next.Out[0]
		if next.Op == "Clip" || next.Op == "Max" {
			m.Expose(t, durationsOut)
			return true, nil
		}
	}
	return false, nil
}

// kokoroAccent is the language that the first letter of a speaker's name
// stands for, as espeak-ng calls it; "" for those that espeak-ng cannot read.
func kokoroAccent(name string) string {
	if len(name) < 3 || name[2] != '_' {
		return "en-us"
	}
	switch name[0] {
	case 'a':
		return "en-us"
	case 'b':
		return "en-gb"
	case 'e':
		return "es"
	case 'f':
		return "fr-fr"
	case 'h':
		return "hi"
	case 'i':
		return "it"
	case 'p':
		return "pt-br"
	}
	return ""
}

// Info implements Voice.
func (v *styled) Info() Info { return v.info }

// Close implements Voice.
func (v *styled) Close() { v.p.close() }

// encode gives the ids of the phonemes the voice knows, between pads, and for
// each id the phoneme (0 for none).
func (v *styled) encode(units, espeak string) (ids []int64, marks []rune) {
	if v.rewrite {
		units = kokoroUnits(units, espeak)
	}
	ids, marks = append(ids, 0), append(marks, 0)
	for _, r := range units {
		id, ok := v.symbols[r]
		if !ok || id == 0 {
			continue
		}
		if len(ids) > maxStyledIDs-len(v.tail) {
			break
		}
		ids, marks = append(ids, id), append(marks, r)
	}
	for _, id := range v.tail {
		ids, marks = append(ids, id), append(marks, 0)
	}
	return ids, marks
}

// Speak implements Voice.
func (v *styled) Speak(ctx context.Context, u Utterance, gate Gate, emit func([]float32) error) ([]Mark, error) {
	ids, runes := v.encode(u.Units, v.info.Accent(u.Speaker))
	spoken := len(ids) - 1 - len(v.tail)
	if spoken <= 0 || strings.TrimSpace(u.Units) == "" {
		return nil, nil
	}
	row := spoken - 1
	if v.info.Family == "kitten" {
		row = utf8.RuneCountInString(u.Units)
	}
	s, err := mixed(v.styles, u.Speaker, row)
	if err != nil {
		return nil, err
	}
	speed := u.Speed
	if speed <= 0 {
		speed = 1
	}
	in := map[string]onnx.Tensor{
		v.tokens: onnx.Ints(ids, 1, int64(len(ids))),
		"style":  onnx.Floats(s, 1, styleWidth),
		"speed":  onnx.Floats([]float32{float32(speed)}, 1),
	}
	if v.seeded {
		n := make([]float32, maxKeptNoise)
		v.noise.fill(n, u.Seed)
		in[noiseInput] = onnx.Floats(n, int64(len(n)))
	}
	var out []onnx.Tensor
	err = gate(ctx, func() (err error) {
		out, err = v.p.run(ctx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	samples := out[0].F32
	if len(samples) == 0 {
		return nil, fmt.Errorf("voice: no samples for %d phonemes", spoken)
	}
	var marks []Mark
	if v.durations && len(out) > 1 && len(out[1].F32) == len(ids) {
		marks = placed(out[1].F32, runes, time.Duration(len(samples))*time.Second/styledRate)
	}
	return marks, emit(samples)
}

// placed turns durations in frames into marks over the whole length. Blanks
// belong to the unit before them; spaces part words and have no mark.
func placed(frames []float32, runes []rune, whole time.Duration) []Mark {
	sum := 0.0
	for _, f := range frames {
		sum += float64(f)
	}
	if !(sum > 0) {
		return nil
	}
	at := func(f float64) time.Duration { return time.Duration(f / sum * float64(whole)) }
	var out []Mark
	t, word, gap := 0.0, 0, false
	for i, f := range frames {
		r := runes[i]
		end := t + float64(f)
		switch {
		case r == ' ':
			gap = true
		case r != 0:
			if gap && len(out) > 0 {
				word++
			}
			gap = false
			out = append(out, Mark{Unit: string(r), Word: word, Start: at(t), End: at(end)})
		case !gap && len(out) > 0 && i < len(frames)-1:
			out[len(out)-1].End = at(end)
		}
		t = end
	}
	return out
}
