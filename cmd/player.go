package cmd

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"repartee/tts"
)

// players take 16-bit little-endian mono samples on standard input.
var players = []struct {
	name string
	args func(rate string) []string
}{
	{"aplay", func(rate string) []string {
		return []string{"-q", "-t", "raw", "-f", "S16_LE", "-c", "1", "-r", rate, "-"}
	}},
	{"paplay", func(rate string) []string {
		return []string{"--raw", "--format=s16le", "--channels=1", "--rate=" + rate}
	}},
	{"ffplay", func(rate string) []string {
		return []string{"-loglevel", "error", "-nodisp", "-autoexit", "-f", "s16le", "-ar", rate, "-i", "-"}
	}},
}

// player finds an installed player for samples of a rate.
func player(ctx context.Context, rate int) (*exec.Cmd, error) {
	var names []string
	for _, p := range players {
		if path, err := exec.LookPath(p.name); err == nil {
			return exec.CommandContext(ctx, path, p.args(strconv.Itoa(rate))...), nil
		}
		names = append(names, p.name)
	}
	return nil, fmt.Errorf("nothing to play with: none of %s is installed; --output FILE writes a file", strings.Join(names, ", "))
}

// play speaks through a player while the speech is made.
func (v *voiceFlags) play(ctx context.Context, con *console, r tts.Request, srt string) error {
	if _, err := player(ctx, 0); err != nil { // before a voice is loaded
		return err
	}
	r.Format = tts.FormatPCM
	service, err := v.loadVoices(nil, nil)
	if err != nil {
		return err
	}
	if service == nil {
		return usagef("--voice none leaves nothing to speak with")
	}
	defer service.Close()
	speech, err := service.Say(ctx, r)
	if err != nil {
		return err
	}
	defer speech.Close()
	cmd, err := player(ctx, speech.Info().SampleRate)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = con.err, con.err
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.Path, err)
	}
	err = copySpeech(ctx, in, speech, func() {})
	_ = in.Close() // the player plays what it has
	if ended := cmd.Wait(); ended != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s: %w", cmd.Path, ended) // the reason why it took no more
	}
	if err == nil && srt != "" {
		err = writeFile(srt, func(w io.Writer) error { return writeSRT(w, speech.Captions().Words) })
	}
	return err
}
