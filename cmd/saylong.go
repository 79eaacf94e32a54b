package cmd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"repartee/tts"
)

// A long text is spoken into FILE.part, samples as they are made, and at times a
// line about it goes to FILE.part.json. When both are whole they are encoded to
// FILE and removed; when the command is interrupted they stay, and the same
// command goes on behind the last line.
type partial struct {
	samples, journal *os.File
	w                *bufio.Writer // to samples
	rate             int

	at      partialLine      // the last line of the journal
	pending []tts.Checkpoint // behind it
	written int64            // samples, from the beginning of the text
	words   []tts.Span       // of the lines so far, where subtitles are wanted
	saved   time.Time
}

// partialHead is the journal's first line.
type partialHead struct {
	Version int    `json:"version"`
	Key     string `json:"key"` // of the speech: text, voice, settings, program
	Rate    int    `json:"rate"`
}

// partialLine is every other one.
type partialLine struct {
	Pieces  int        `json:"pieces"`
	Samples int64      `json:"samples"` // from the beginning of the text
	Final   bool       `json:"final,omitempty"`
	Words   []tts.Span `json:"words,omitempty"` // since the line before
}

const (
	partialVersion = 1
	// saveEvery bounds how much is lost with the machine.
	saveEvery = 3 * time.Second
)

// openPartial opens the files beside file, to go on if they belong to the same
// speech, else anew. rate is the samples' in Hz.
func openPartial(file, key string, rate int, words bool) (_ *partial, err error) {
	p := &partial{rate: rate, saved: time.Now()}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %q: %w", file, errors.Join(err, p.close()))
		}
	}()
	if p.samples, err = os.OpenFile(file+".part", os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	if err = lockFile(p.samples); err != nil {
		return nil, fmt.Errorf("another process is at it: %w", err)
	}
	if p.journal, err = os.OpenFile(file+".part.json", os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return nil, err
	}
	st, err := p.samples.Stat()
	if err != nil {
		return nil, err
	}
	head := partialHead{partialVersion, key, rate}
	end, err := p.read(head, st.Size(), words)
	if err != nil {
		return nil, err
	}
	if end == 0 { // another speech, or none
		line, err := json.Marshal(head)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(p.journal.Truncate(0), p.samples.Truncate(0)); err != nil {
			return nil, err
		}
		line = append(line, '\n')
		if _, err := p.journal.WriteAt(line, 0); err != nil {
			return nil, err
		}
		end = int64(len(line))
	}
	p.written = p.at.Samples
	if err := errors.Join(p.journal.Truncate(end), p.samples.Truncate(2*p.written)); err != nil {
		return nil, err
	}
	for f, at := range map[*os.File]int64{p.journal: end, p.samples: 2 * p.written} {
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			return nil, err
		}
	}
	p.w = bufio.NewWriterSize(p.samples, 1<<16)
	return p, nil
}

// read reads the journal and gives the length of what can be trusted of it: 0
// when it belongs to another speech.
func (p *partial) read(head partialHead, size int64, words bool) (end int64, err error) {
	r := bufio.NewReader(p.journal)
	for first := true; ; first = false {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return end, nil // what a line lacks was never written
		}
		if err != nil {
			return 0, err
		}
		if first {
			var h partialHead
			if json.Unmarshal(line, &h) != nil || h != head {
				return 0, nil
			}
		} else {
			var l partialLine
			if json.Unmarshal(line, &l) != nil || l.Samples < p.at.Samples || l.Pieces <= p.at.Pieces || 2*l.Samples > size {
				return end, nil
			}
			if words {
				p.words = append(p.words, l.Words...)
			}
			l.Words = nil
			p.at = l
		}
		end += int64(len(line))
	}
}

// add writes samples that begin at base, and notes checkpoints.
func (p *partial) add(b []byte, base int64, points []tts.Checkpoint, words bool) error {
	if _, err := p.w.Write(b); err != nil {
		return err
	}
	p.written += int64(len(b) / 2)
	for _, c := range points {
		c.Samples += base
		shift := time.Duration(base) * time.Second / time.Duration(p.rate)
		for i := range c.Captions.Words {
			c.Captions.Words[i].Start += shift
			c.Captions.Words[i].End += shift
		}
		if !words {
			c.Captions = tts.Captions{}
		}
		p.pending = append(p.pending, c)
	}
	if time.Since(p.saved) < saveEvery {
		return nil
	}
	return p.save()
}

// save makes what is spoken so far outlive the process and the machine.
func (p *partial) save() error {
	line := p.at
	n := 0
	for _, c := range p.pending {
		if c.Samples > p.written {
			break
		}
		n++
		line.Pieces, line.Samples, line.Final = c.Pieces, c.Samples, c.Final
		line.Words = append(line.Words, c.Captions.Words...)
	}
	if n == 0 {
		return nil
	}
	p.pending = p.pending[n:]
	p.words = append(p.words, line.Words...)
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if err := errors.Join(p.w.Flush(), p.samples.Sync()); err != nil {
		return err
	}
	if _, err := p.journal.Write(append(b, '\n')); err != nil {
		return err
	}
	line.Words = nil
	p.at, p.saved = line, time.Now()
	return p.journal.Sync()
}

// close closes the files.
func (p *partial) close() error {
	var errs []error
	for _, f := range []*os.File{p.samples, p.journal} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// sayLong speaks a long text into a file, going on where an earlier command was
// interrupted.
func sayLong(ctx context.Context, con *console, service *tts.Service, r tts.Request, file, srt string) (err error) {
	made := r
	made.Format, made.SampleRate, made.Whole, made.Checkpoints = tts.FormatPCM, 0, true, true
	key, err := service.Key(made)
	if err != nil {
		return err
	}
	speech, err := service.Say(ctx, made) // what is wrong with it is said before a file is touched
	if err != nil {
		return err
	}
	defer func() { speech.Close() }()
	info := speech.Info()
	p, err := openPartial(file, key, info.SampleRate, srt != "")
	if err != nil {
		return err
	}
	closed := false
	defer func() {
		if !closed {
			err = errors.Join(err, p.close())
		}
	}()
	if p.at.Pieces > 0 {
		fmt.Fprintf(con.err, "%s: going on behind %.0f s of speech\n", file, float64(p.at.Samples)/float64(p.rate))
		speech.Close()
		if !p.at.Final {
			made.From = p.at.Pieces
			if speech, err = service.Say(ctx, made); err != nil {
				return err
			}
		}
	}
	began := time.Now()
	if !p.at.Final {
		err = p.speak(ctx, speech, con.progress(speech, len(r.Text)), srt != "")
	}
	if err == nil && !p.at.Final {
		err = errors.New("the speech ended without its last word")
	}
	if err != nil {
		if p.at.Pieces > 0 {
			fmt.Fprintf(con.err, "%s: %.0f s of speech are kept beside it; the same command goes on there\n", file, float64(p.at.Samples)/float64(p.rate))
		}
		return err
	}
	if _, err := p.samples.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("writing %q: %w", file, err)
	}
	if err := writeFile(file, func(w io.Writer) error {
		return tts.Transcode(ctx, w, bufio.NewReaderSize(p.samples, 1<<16), p.at.Samples, p.rate, r.Format, r.SampleRate)
	}); err != nil {
		return err
	}
	if srt != "" {
		if err := writeFile(srt, func(w io.Writer) error { return writeSRT(w, p.words) }); err != nil {
			return err
		}
	}
	closed = true
	if err := errors.Join(p.close(), os.Remove(file+".part"), os.Remove(file+".part.json")); err != nil {
		return err
	}
	fmt.Fprintf(con.err, "%s: %.2f s of speech by %s in %d ms\n", file, float64(p.at.Samples)/float64(p.rate), info.Voice, time.Since(began).Milliseconds())
	return nil
}

// speak appends a speech that begins where the partial ends.
func (p *partial) speak(ctx context.Context, speech *tts.Speech, told func(), words bool) error {
	base := p.at.Samples
	for {
		told()
		b, err := speech.Next(ctx)
		if err == nil {
			err = p.add(b, base, speech.Checkpoints(), words)
		}
		if err != nil {
			ended := errors.Is(err, io.EOF)
			if ended {
				err = p.add(nil, base, speech.Checkpoints(), words)
			}
			if saved := p.save(); saved != nil || ended {
				err = errors.Join(err, saved)
			}
			return err
		}
	}
}
