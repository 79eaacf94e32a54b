package cmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"repartee/tts"
)

type sayCmd struct {
	voiceFlags
	Text       string  `arg:"" help:"What to say, or - for standard input."`
	Output     string  `short:"o" help:"Audio file; its extension is the format: mp3, wav, opus, flac, pcm, ulaw. - = standard output, as WAV unless --format says otherwise. A long text that was interrupted goes on where it was when the same command is given again." placeholder:"FILE"`
	Play       bool    `help:"Play it while it is made: with aplay, paplay or ffplay, whichever is installed."`
	Format     string  `help:"Format, in place of the extension's: mp3, wav, opus, flac, pcm (16 bit), ulaw (8 kHz, for telephony)." default:"" placeholder:"FORMAT"`
	SampleRate int     `name:"sample-rate" help:"Sample rate in Hz, 8000 … 48000; 0 = the voice's own, or the nearest that the format has." default:"0" placeholder:"HZ"`
	SRT        string  `help:"Subtitles of what is said, with times; needs a voice that knows them." placeholder:"FILE"`
	Speaker    string  `help:"Speaker of a voice with several, by name or number, or a mix such as af_bella(2)+af_sky(1)." default:"" placeholder:"NAME"`
	Speed      float64 `help:"Speed of speech, 0.25 … 4; 2 halves the length." default:"1"`
	Pause      string  `help:"natural puts room between clauses and sentences, none leaves it out." enum:"natural,none" default:"natural"`
	Seed       uint64  `help:"Varies the reading; the same seed gives the same bytes." default:"0"`
	SSML       bool    `name:"ssml" help:"The text is SSML."`
	Lexicon    string  `help:"JSON file of words and how they are read, e.g. {\"SQL\":\"sequel\",\"Nguyen\":\"/wˈɪn/\"}." placeholder:"FILE" type:"existingfile"`
}

// maxSay bounds the text of one command, in bytes.
const maxSay = 16 << 20

// longSay is the text from which on an interrupted command can go on.
const longSay = 4000

// Run speaks a text into a file, to standard output or through the speakers.
func (c *sayCmd) Run(ctx context.Context, con *console) error {
	r := tts.Request{Text: c.Text, Speed: c.Speed, Pause: c.Pause, Speaker: c.Speaker, Format: c.Format, SampleRate: c.SampleRate, Seed: c.Seed, SSML: c.SSML, Timestamps: c.SRT != ""}
	switch {
	case c.Output == "" && !c.Play:
		return usagef("where to: want --output FILE (- is standard output) or --play")
	case c.Output != "" && c.Play:
		return usagef("--output and --play: want one of them")
	}
	if err := outputFormat(&r, c.Output); err != nil {
		return err
	}
	if c.Lexicon != "" {
		b, err := os.ReadFile(c.Lexicon)
		if err == nil {
			err = json.Unmarshal(b, &r.Lexicon)
		}
		if err != nil {
			return usagef("--lexicon %s: want a JSON object of words and readings: %v", c.Lexicon, err)
		}
	}
	if r.Text == "-" {
		b, err := io.ReadAll(io.LimitReader(con.in, maxSay+1))
		if err != nil {
			return fmt.Errorf("reading standard input: %w", err)
		}
		if len(b) > maxSay {
			return usagef("standard input: more than %d bytes", maxSay)
		}
		r.Text = string(b)
	}
	c.maxText = maxSay
	if c.Play {
		return c.play(ctx, con, r, c.SRT)
	}
	return c.say(ctx, con, r, c.Output, c.SRT)
}

// sayTo speaks text into a file with default settings.
func (v *voiceFlags) sayTo(ctx context.Context, con *console, text, file string) error {
	r := tts.Request{Text: text}
	if err := outputFormat(&r, file); err != nil {
		return err
	}
	return v.say(ctx, con, r, file, "")
}

// outputFormat finds the format by the file's extension unless the request has one.
func outputFormat(r *tts.Request, file string) error {
	known := []string{tts.FormatMP3, tts.FormatWAV, tts.FormatOpus, tts.FormatFLAC, tts.FormatPCM, tts.FormatULaw}
	if r.Format != "" {
		if !slices.Contains(known, r.Format) {
			return usagef("--format %q: want one of %s", r.Format, strings.Join(known, ", "))
		}
		return nil
	}
	if file == "-" || file == "" {
		r.Format = tts.FormatWAV
		return nil
	}
	r.Format = strings.ToLower(strings.TrimPrefix(filepath.Ext(file), "."))
	if !slices.Contains(known, r.Format) {
		return usagef("output file %q: its extension must be one of mp3, wav, opus, flac, pcm, ulaw", file)
	}
	return nil
}

// say runs one request and writes it to file, and its subtitles to srt unless that
// is empty; each of them is complete or absent.
func (v *voiceFlags) say(ctx context.Context, con *console, r tts.Request, file, srt string) error {
	service, err := v.loadVoices(nil, nil)
	if err != nil {
		return err
	}
	if service == nil {
		return usagef("--voice none leaves nothing to speak with")
	}
	defer service.Close()
	if file != "-" && len(r.Text) >= longSay {
		return sayLong(ctx, con, service, r, file, srt)
	}
	r.Whole = file != "-"
	speech, err := service.Say(ctx, r)
	if err != nil {
		return err
	}
	defer speech.Close()
	if file == "-" {
		err = copySpeech(ctx, con.out, speech, func() {})
	} else {
		told := con.progress(speech, len(r.Text))
		err = writeFile(file, func(w io.Writer) error { return copySpeech(ctx, w, speech, told) })
	}
	if err == nil && srt != "" {
		err = writeFile(srt, func(w io.Writer) error { return writeSRT(w, speech.Captions().Words) })
	}
	if err != nil || file == "-" {
		return err
	}
	t := speech.Timings()
	fmt.Fprintf(con.err, "%s: %.2f s of speech by %s in %d ms\n", file, t.Audio.Seconds(), speech.Info().Voice, t.Total.Milliseconds())
	return nil
}

// writeFile writes a file that is complete or absent.
func writeFile(file string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".repartee-*")
	if err != nil {
		return fmt.Errorf("writing %q: %w", file, err)
	}
	defer os.Remove(tmp.Name())
	w := bufio.NewWriter(tmp)
	if err := errors.Join(write(w), w.Flush(), tmp.Chmod(0o644), tmp.Close()); err != nil {
		return fmt.Errorf("writing %q: %w", file, err)
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return fmt.Errorf("writing %q: %w", file, err)
	}
	return nil
}

// progress shows how far a speech is each time the result is called: a bar on a
// terminal, elsewhere a line every ten seconds.
func (con *console) progress(speech *tts.Speech, size int) func() {
	if isTerminal(con.err) {
		bar := progressbar.NewOptions(max(size, 1), progressbar.OptionSetWriter(con.err), progressbar.OptionSetDescription("speaking"), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
		return func() { _ = bar.Set(min(speech.Spoken(), size)) } // a bar that cannot be drawn is no reason to stop
	}
	next := time.Now().Add(10 * time.Second)
	return func() {
		if time.Now().After(next) {
			next = time.Now().Add(10 * time.Second)
			fmt.Fprintf(con.err, "speaking: %d of %d bytes, %.1f s of speech so far\n", speech.Spoken(), size, speech.Timings().Audio.Seconds())
		}
	}
}

// copySpeech writes audio as it is made and calls told behind each piece.
func copySpeech(ctx context.Context, w io.Writer, speech *tts.Speech, told func()) error {
	for {
		told()
		b, err := speech.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
}
