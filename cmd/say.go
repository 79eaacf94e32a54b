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

	"repartee/tts"
)

type sayCmd struct {
	voiceFlags
	Text   string  `arg:"" help:"What to say, or - for standard input."`
	Output string  `short:"o" required:"" help:"Audio file; its extension is the format: mp3, wav, opus, flac, pcm. - = standard output, as WAV." placeholder:"FILE"`
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
	return c.say(ctx, con, tts.Request{Text: text, Speed: c.Speed, Pause: c.Pause}, c.Output)
}

// sayTo speaks text into a file with default settings.
func (v *voiceFlags) sayTo(ctx context.Context, con *console, text, file string) error {
	return v.say(ctx, con, tts.Request{Text: text}, file)
}

// say runs one request and writes it to file, which is complete or absent.
func (v *voiceFlags) say(ctx context.Context, con *console, r tts.Request, file string) error {
	r.Format = strings.ToLower(strings.TrimPrefix(filepath.Ext(file), "."))
	if file == "-" {
		r.Format = tts.FormatWAV
	}
	switch r.Format {
	case tts.FormatMP3, tts.FormatWAV, tts.FormatPCM, tts.FormatOpus, tts.FormatFLAC, tts.FormatULaw:
	default:
		return usagef("output file %q: its extension must be one of mp3, wav, opus, flac, pcm, ulaw", file)
	}
	r.Whole = file != "-"
	service, err := v.loadVoices(nil)
	if err != nil {
		return err
	}
	defer service.Close()
	speech, err := service.Say(ctx, r)
	if err != nil {
		return err
	}
	defer speech.Close()
	if file == "-" {
		return copySpeech(ctx, con.out, speech)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".repartee-*")
	if err != nil {
		return fmt.Errorf("writing %q: %w", file, err)
	}
	defer os.Remove(tmp.Name())
	w := bufio.NewWriter(tmp)
	if err := errors.Join(copySpeech(ctx, w, speech), w.Flush(), tmp.Chmod(0o644), tmp.Close()); err != nil {
		return fmt.Errorf("writing %q: %w", file, err)
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return fmt.Errorf("writing %q: %w", file, err)
	}
	t := speech.Timings()
	fmt.Fprintf(con.err, "%s: %.2f s of speech by %s in %d ms\n", file, t.Audio.Seconds(), speech.Info().Voice, t.Total.Milliseconds())
	return nil
}

// copySpeech writes audio as it is made.
func copySpeech(ctx context.Context, w io.Writer, speech *tts.Speech) error {
	for {
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
