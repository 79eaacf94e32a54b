package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"repartee/dialogue"
	"repartee/inference/llama"
)

type chatCmd struct {
	modelFlags
	System      string   `help:"System prompt."`
	MaxTokens   int      `help:"Longest answer, tokens; 0 = until the context is full." default:"512"`
	Temperature *float64 `help:"Randomness, 0 … 2: 0 always takes the likeliest token, above 1.2 small models lose the thread. Without it, what the model's authors recommend."`
	Seed        int64    `help:"Seed of the random choices; the same seed gives the same answer." default:"1"`
	Speak       string   `help:"Also write the answer as audio to this file (mp3, wav, …)." placeholder:"FILE" type:"path"`
	Prompt      string   `arg:"" optional:"" help:"What to say; without it the chat is interactive."`
	voiceFlags
}

// Run chats on the terminal.
func (c *chatCmd) Run(ctx context.Context, con *console) error {
	set, err := c.loadModels(con)
	if err != nil {
		return err
	}
	defer set.Close()
	if set.DefaultName() == "" {
		return usagef("--model none leaves nothing to chat with")
	}
	if t := c.Temperature; t != nil && !(*t >= 0 && *t <= 2) {
		return usagef("--temperature %g: want 0 … 2", *t)
	}
	talk := &talk{service: newDialogue(set, &c.modelFlags), session: dialogue.NewID(), cmd: c, con: con}
	if c.Prompt != "" {
		answer, err := talk.turn(ctx, c.Prompt)
		if err != nil || c.Speak == "" {
			return err
		}
		return c.voiceFlags.sayTo(ctx, con, answer, c.Speak)
	}
	lines := bufio.NewScanner(con.in)
	lines.Buffer(nil, 1<<20)
	fmt.Fprintln(con.err, "Type a message; an empty line or Ctrl-D ends.")
	for {
		fmt.Fprint(con.err, "> ")
		if !lines.Scan() || strings.TrimSpace(lines.Text()) == "" {
			return lines.Err()
		}
		answer, err := talk.turn(ctx, lines.Text())
		if err != nil {
			return err
		}
		if c.Speak != "" {
			if err := c.voiceFlags.sayTo(ctx, con, answer, c.Speak); err != nil {
				return err
			}
		}
	}
}

// talk is a conversation on the terminal.
type talk struct {
	service *dialogue.Service
	session string
	cmd     *chatCmd
	con     *console
}

// turn sends a message, prints the answer as it comes and returns it.
func (t *talk) turn(ctx context.Context, message string) (string, error) {
	run, err := t.service.Start(ctx, dialogue.Turn{
		Session: t.session, System: t.cmd.System, Messages: []llama.Message{{Role: "user", Content: message}},
		MaxTokens: t.cmd.MaxTokens, Sampling: dialogue.Sampling{Temperature: t.cmd.Temperature, Seed: &t.cmd.Seed, Logprobs: -1},
	})
	if err != nil {
		return "", err
	}
	defer run.Close()
	for {
		d, err := run.Next(ctx)
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(t.con.out)
			return run.Result().Text, nil
		}
		if err != nil {
			return "", err
		}
		fmt.Fprint(t.con.out, d.Text)
	}
}
