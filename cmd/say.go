package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"

	"repartee/tts"
)

type sayCmd struct {
	voiceFlags
	Text   string  `arg:"" help:"What to say, or - for standard input."`
	Output string  `short:"o" required:"" help:"Audio file; its extension is the format: mp3, wav, opus, flac, pcm. - = standard output, as WAV, for a player such as aplay." placeholder:"FILE"`
	SRT    string  `help:"Subtitles of what is said, with times; needs a voice that knows them." placeholder:"FILE"`
	Speed  float64 `help:"Speed of speech, 0.25 … 4; 2 halves the length." default:"1"`
	Pause  string  `help:"natural puts room between clauses and sentences, none leaves it out." enum:"natural,none" default:"natural"`
}

// Run speaks a text into a file.
func (c *sayCmd) Run(ctx context.Context, con *console) error {
	text := c.Text
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(con.in, 16<<20))
		if err != nil {
			return fmt.Errorf("reading standard input: %w", err)
		}
		text = string(b)
	}
	return c.say(ctx, con, tts.Request{Text: text, Speed: c.Speed, Pause: c.Pause}, c.Output, c.SRT)
}

// sayTo speaks text into a file with default settings.
func (v *voiceFlags) sayTo(ctx context.Context, con *console, text, file string) error {
	return v.say(ctx, con, tts.Request{Text: text}, file, "")
}

// say runs one request and writes it to file, and its subtitles to srt unless that
// is empty; each of them is complete or absent.
func (v *voiceFlags) say(ctx context.Context, con *console, r tts.Request, file, srt string) error {
	r.Format = strings.ToLower(strings.TrimPrefix(filepath.Ext(file), "."))
	if file == "-" {
		r.Format = tts.FormatWAV
	}
	switch r.Format {
	case tts.FormatMP3, tts.FormatWAV, tts.FormatPCM, tts.FormatOpus, tts.FormatFLAC, tts.FormatULaw:
	default:
		return usagef("output file %q: its extension must be one of mp3, wav, opus, flac, pcm, ulaw", file)
	}
	r.Whole, r.Timestamps = file != "-", srt != ""
	service, err := v.loadVoices(nil, nil)
	if err != nil {
		return err
	}
	defer service.Close()
	speech, err := service.Say(ctx, r)
	if err != nil {
		return err
	}
	defer speech.Close()
	subtitles := func() error {
		if srt == "" {
			return nil
		}
		return writeFile(srt, func(w io.Writer) error { return writeSRT(w, speech.Captions().Words) })
	}
	if file == "-" {
		if err := copySpeech(ctx, con.out, speech, func() {}); err != nil {
			return err
		}
		return subtitles()
	}
	told := con.progress(speech, len(r.Text))
	err = writeFile(file, func(w io.Writer) error { return copySpeech(ctx, w, speech, told) })
	if err == nil {
		err = subtitles()
	}
	if err != nil {
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
