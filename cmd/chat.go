package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"repartee/inference"
	"repartee/inference/llama"
)

type chatCmd struct {
	modelFlags
	System      string  `help:"System prompt."`
	MaxTokens   int     `help:"Longest answer, tokens; 0 = until the context is full." default:"512"`
	Temperature float32 `help:"Randomness, 0 … 2: 0 always takes the likeliest token, above 1.2 small models lose the thread." default:"0.7"`
	Seed        uint32  `help:"Seed of the random choices; the same seed gives the same answer." default:"1"`
	Speak       string  `help:"Also write the answer as audio to this file (mp3, wav, …)." placeholder:"FILE" type:"path"`
	Prompt      string  `arg:"" optional:"" help:"What to say; without it the chat is interactive."`
	voiceFlags
}

// Run chats on the terminal.
func (c *chatCmd) Run(ctx context.Context, con *console) error {
	set, err := c.loadModels(con)
	if err != nil {
		return err
	}
	defer set.Close()
	engine, ok := set.Get(set.DefaultName())
	if !ok {
		return usagef("--model none leaves nothing to chat with")
	}
	talk := &talk{engine: engine, cmd: c, con: con}
	if c.System != "" {
		talk.history = append(talk.history, llama.Message{Role: "system", Content: c.System})
	}
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

// talk is a conversation with its history.
type talk struct {
	engine  *inference.Engine
	cmd     *chatCmd
	con     *console
	history []llama.Message
}

// turn sends a message, prints the answer as it comes and returns it.
func (t *talk) turn(ctx context.Context, message string) (string, error) {
	history := append(t.history, llama.Message{Role: "user", Content: message})
	rendered, err := t.engine.Render(llama.TemplateInput{Messages: history})
	if err != nil {
		return "", err
	}
	prompt, err := t.engine.Tokenize(rendered.Prompt, false, true)
	if err != nil {
		return "", err
	}
	stream, err := t.engine.Submit(ctx, &inference.Request{
		Prompt: prompt, MaxTokens: t.cmd.MaxTokens, Stop: rendered.Stops,
		Sampling: llama.SamplingParams{Temperature: t.cmd.Temperature, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: t.cmd.Seed, Logprobs: -1},
	})
	if err != nil {
		return "", err
	}
	defer stream.Close()
	var answer strings.Builder
	for {
		chunk, err := stream.Next(ctx)
		fmt.Fprint(t.con.out, chunk.Text)
		answer.WriteString(chunk.Text)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
	}
	fmt.Fprintln(t.con.out)
	t.history = append(history, llama.Message{Role: "assistant", Content: answer.String()})
	return answer.String(), nil
}
