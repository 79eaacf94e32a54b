package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-json"

	"repartee/bench"
	"repartee/bench/peers"
)

// BenchCmd is "repartee bench": load on a server, latencies as a client sees
// them, comparison with a second server.
type BenchCmd struct {
	Chat  benchChat  `cmd:"" help:"Chat completions over the OpenAI API."`
	TTS   benchTTS   `cmd:"" name:"tts" help:"Speech."`
	WS    benchWS    `cmd:"" name:"ws" help:"Turns over the project's WebSocket."`
	Mixed benchMixed `cmd:"" help:"Chats and speech at once, for a time."`
	KV    benchKV    `cmd:"" name:"kv" help:"What types of the KV cache lose and cost, on a text."`
	GPU   benchGPU   `cmd:"" name:"gpu" help:"Prove the program on a machine with a GPU, and write a report."`
	List  benchList  `cmd:"" help:"List the workloads."`
	Peers benchPeers `cmd:"" help:"Build or install the peers, so that a measurement need not, and print what starts them."`
}

type benchChat struct {
	Workload string `arg:"" optional:"" default:"hot" help:"What to do; \"repartee bench list\" says what there is."`
	benchFlags
}

type benchTTS struct {
	Workload string `arg:"" optional:"" default:"texts" help:"What to do; \"repartee bench list\" says what there is."`
	benchFlags
}

type benchWS struct {
	Workload string `arg:"" optional:"" default:"chat" help:"What to do; \"repartee bench list\" says what there is."`
	benchFlags
}

type benchMixed struct {
	Workload string `arg:"" optional:"" default:"mixed" help:"What to do; \"repartee bench list\" says what there is."`
	benchFlags
}

// Run runs a chat workload.
func (c *benchChat) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, "chat", c.Workload)
}

// Run runs a speech workload.
func (c *benchTTS) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, "tts", c.Workload)
}

// Run runs a WebSocket workload.
func (c *benchWS) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, "ws", c.Workload)
}

// Run runs a workload of chats and speech at once.
func (c *benchMixed) Run(ctx context.Context, con *console) error {
	return c.run(ctx, con, "mixed", c.Workload)
}

// benchFlags are what all workloads take. A size that is left out has the
// workload's own default. None of them is read from the environment: a
// server's REPARTEE_MODEL must not steer a measurement.
type benchFlags struct {
	URL       string `name:"url" env:"-" group:"Servers" help:"Server to measure, e.g. http://127.0.0.1:8080." placeholder:"URL"`
	Peer      string `env:"-" group:"Servers" help:"Second server: every round runs against both in turn, and ratios are printed." placeholder:"URL"`
	Start     string `env:"-" group:"Servers" help:"Start the server in the place of --url: repartee, llama-server, llama-server-split or piper, with more flags behind the name; or any command, where {port} stands for the port." placeholder:"CMD"`
	PeerStart string `env:"-" group:"Servers" help:"The same for the second server." placeholder:"CMD"`
	Ready     string `env:"-" group:"Servers" help:"Path that answers 200 when a server started by a command of your own is ready." default:"/health" placeholder:"PATH"`
	Starts    int    `env:"-" group:"Servers" help:"How often servers are started; medians over the starts are reported. One start can mislead by 5 %." default:"3" placeholder:"N"`
	ModelFile string `env:"-" group:"Servers" help:"GGUF file for servers started by name. Default: the default model." placeholder:"FILE" type:"path"`
	VoiceFile string `env:"-" group:"Servers" help:"ONNX voice for servers started by name. Default: the default voice." placeholder:"FILE" type:"path"`
	Threads   int    `env:"-" group:"Servers" help:"CPU threads for servers started by name." default:"2" placeholder:"N"`
	Slots     int    `env:"-" group:"Servers" help:"Sequences at once for servers started by name." default:"4" placeholder:"N"`
	CtxSize   int    `env:"-" group:"Servers" help:"KV cells of all slots together for servers started by name, tokens." default:"8192" placeholder:"N"`

	Model      string `env:"-" group:"Requests" help:"Model name in requests. Default: the first that the server lists." placeholder:"NAME"`
	PeerModel  string `env:"-" group:"Requests" help:"The same for the second server." placeholder:"NAME"`
	Voice      string `env:"-" group:"Requests" help:"Voice name in requests. Default: the server's." placeholder:"NAME"`
	PeerVoice  string `env:"-" group:"Requests" help:"The same for the second server." placeholder:"NAME"`
	Key        string `env:"REPARTEE_API_KEY" group:"Requests" help:"API key for both servers." placeholder:"KEY"`
	Extra      string `env:"-" group:"Requests" help:"JSON object added to every request, e.g. {\"speculate\":\"off\"}." placeholder:"JSON"`
	PeerExtra  string `env:"-" group:"Requests" help:"The same for the second server." placeholder:"JSON"`
	Speech     string `env:"-" group:"Requests" help:"How speech is asked for: own (/tts), openai (/v1/audio/speech), piper. Default: found out." enum:",own,openai,piper" default:""`
	PeerSpeech string `env:"-" group:"Requests" help:"The same for the second server." enum:",own,openai,piper" default:""`

	Rounds      int           `env:"-" group:"Work" help:"Repetitions a start." placeholder:"N"`
	Warmup      int           `env:"-" group:"Work" help:"Unrecorded rounds before them, --warmup=-1 for none." placeholder:"N"`
	Clients     int           `env:"-" group:"Work" help:"Clients at once, at most 256." placeholder:"N"`
	Requests    int           `env:"-" group:"Work" help:"Requests a client and round, at most 10000." placeholder:"N"`
	Rate        float64       `env:"-" group:"Work" help:"Open loop: requests a second at random moments, whether or not earlier ones are answered. 0 = closed loop." placeholder:"R"`
	Prompt      int           `env:"-" group:"Work" help:"Length of prompts, tokens by the server's own count." placeholder:"N"`
	Tokens      int           `env:"-" group:"Work" help:"Most tokens of an answer." placeholder:"N"`
	Turns       int           `env:"-" group:"Work" help:"Turns of a conversation." placeholder:"N"`
	Sessions    int           `env:"-" group:"Work" help:"Conversations." placeholder:"N"`
	Fresh       int           `env:"-" group:"Work" help:"Words of each later user message, one token each." placeholder:"N"`
	Delay       time.Duration `env:"-" group:"Work" help:"cancel: before the client leaves; mixed, soak: how long it goes on." placeholder:"D"`
	Temperature float64       `env:"-" group:"Work" help:"0 is greedy; above it answers are sampled with seeds." default:"0" placeholder:"T"`
	Format      string        `env:"-" group:"Work" help:"Format of speech." placeholder:"F"`
	Reference   string        `env:"-" group:"Work" help:"determinism: an earlier --json report whose texts are compared." placeholder:"FILE" type:"path"`
	Seed        uint64        `env:"-" group:"Work" help:"Seed of prompts and texts. 0 = 1 for servers that are started, else from the clock, so that a running server has not seen the prompts before." default:"0" placeholder:"N"`
	Limit       time.Duration `env:"-" group:"Work" help:"Longest time for all of it, at most 12h." default:"30m" placeholder:"D"`
	AllowRemote bool          `env:"-" group:"Work" help:"Send load to addresses that are not on this machine. Only to servers that are yours."`

	JSON     string `name:"json" env:"-" group:"Output" help:"Write everything to this file." placeholder:"FILE" type:"path"`
	Markdown bool   `env:"-" group:"Output" help:"Print the table as Markdown."`
	Quiet    bool   `short:"q" env:"-" group:"Output" help:"No progress on stderr."`
}

// run carries a workload out and prints the report.
func (f *benchFlags) run(ctx context.Context, con *console, kind, name string) error {
	work, err := bench.FindWorkload(kind, name)
	if err != nil {
		return usagef("%v", err)
	}
	plan := bench.Plan{
		Workload: work, Starts: f.Starts, Seed: f.seed(), Limit: f.Limit, Command: os.Args, Progress: con.err,
		Options: bench.Options{
			Rounds: f.Rounds, Warmup: f.Warmup, Clients: f.Clients, Requests: f.Requests, Rate: f.Rate, Prompt: f.Prompt,
			Tokens: f.Tokens, Turns: f.Turns, Sessions: f.Sessions, Fresh: f.Fresh, Delay: f.Delay,
			Temperature: f.Temperature, Format: f.Format, Reference: f.Reference,
		},
	}
	if file, ok := con.err.(*os.File); ok {
		info, err := file.Stat()
		plan.Live = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if f.Quiet {
		plan.Progress = io.Discard
	}
	if err := f.bounds(); err != nil {
		return err
	}
	if f.URL == "" && f.Start == "" {
		return usagef("give --url URL of a running server, or --start NAME to have one started")
	}
	plan.A, err = f.side(ctx, kind, f.URL, f.Start, plan.Progress)
	if err != nil {
		return err
	}
	plan.A.Model, plan.A.Voice, plan.A.Speech = f.Model, f.Voice, bench.SpeechAPI(f.Speech)
	if plan.A.Extra, err = object("--extra", f.Extra); err != nil {
		return err
	}
	if f.Peer != "" || f.PeerStart != "" {
		b, err := f.side(ctx, kind, f.Peer, f.PeerStart, plan.Progress)
		if err != nil {
			return err
		}
		b.Model, b.Voice, b.Speech = f.PeerModel, f.PeerVoice, bench.SpeechAPI(f.PeerSpeech)
		if b.Extra, err = object("--peer-extra", f.PeerExtra); err != nil {
			return err
		}
		plan.B = &b
	}
	report, err := bench.Run(ctx, plan)
	if report != nil && (err == nil || report.A.Requests > 0) {
		if werr := report.Write(con.out, f.Markdown); werr != nil && err == nil {
			err = werr
		}
		if f.JSON != "" {
			if werr := report.WriteJSON(f.JSON); werr != nil && err == nil {
				err = werr
			}
		}
	}
	if err == nil && report.Failed() {
		errors := report.A.Errors
		if report.B != nil {
			errors += report.B.Errors
		}
		err = fmt.Errorf("bench: %d requests failed", errors)
	}
	return err
}

// bounds refuses what would run away.
func (f *benchFlags) bounds() error {
	for _, b := range []struct {
		flag    string
		v, most int
	}{{"--clients", f.Clients, 256}, {"--requests", f.Requests, 10000}, {"--rounds", f.Rounds, 10000}, {"--starts", f.Starts, 100}, {"--sessions", f.Sessions, 1000}, {"--turns", f.Turns, 1000}} {
		if b.v < 0 || b.v > b.most {
			return usagef("%s %d: want 0 (the default) … %d", b.flag, b.v, b.most)
		}
	}
	if f.Rate < 0 || f.Rate > 10000 {
		return usagef("--rate %g: want 0 … 10000 requests a second", f.Rate)
	}
	if f.Limit <= 0 || f.Limit > 12*time.Hour {
		return usagef("--limit %v: want more than 0, at most 12h", f.Limit)
	}
	return nil
}

func (f *benchFlags) seed() uint64 {
	switch {
	case f.Seed != 0:
		return f.Seed
	case f.URL == "" && f.Peer == "":
		return 1
	}
	return uint64(time.Now().UnixNano()) % 1e9
}

// side describes one of the servers.
func (f *benchFlags) side(ctx context.Context, kind, url, start string, progress io.Writer) (bench.Side, error) {
	s := bench.Side{URL: strings.TrimRight(url, "/"), Key: f.Key}
	switch {
	case url != "" && start != "":
		return s, usagef("a server is either running (--url, --peer) or started (--start, --peer-start), not both")
	case url != "":
		if !f.AllowRemote {
			if err := bench.Loopback(s.URL); err != nil {
				return s, usagef("%v", err)
			}
		}
		return s, nil
	}
	args, err := bench.SplitCommand(start)
	if err != nil || len(args) == 0 {
		return s, usagef("--start %q: want a name or a command: %v", start, err)
	}
	if !peers.Known(args[0]) {
		s.Launch = &bench.Launch{Args: args, Ready: f.Ready}
		return s, nil
	}
	s.Label = args[0]
	launch, err := peers.Launch(ctx, args[0], peers.Params{
		ModelFile: f.ModelFile, VoiceFile: f.VoiceFile, Threads: f.Threads, Slots: f.Slots, Context: f.CtxSize,
		Chat: kind != "tts", Speech: kind != "chat", Args: args[1:],
	}, progress)
	s.Launch = &launch
	return s, err
}

// object parses a flag that holds a JSON object.
func object(flag, text string) (map[string]any, error) {
	if text == "" {
		return nil, nil
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return nil, usagef("%s %q: want a JSON object: %v", flag, text, err)
	}
	return v, nil
}

type benchList struct{}

// Run prints the workloads.
func (benchList) Run(con *console) error {
	for _, w := range bench.Workloads() {
		fmt.Fprintf(con.out, "%-6s %-13s %s\n", w.Kind, w.Name, w.Help)
	}
	return nil
}

type benchPeers struct {
	Name []string `arg:"" optional:"" help:"llama-server, piper. Default: both." enum:"llama-server,piper"`
}

// Run builds or installs the peers.
func (c *benchPeers) Run(ctx context.Context, con *console) error {
	names := c.Name
	if len(names) == 0 {
		names = []string{"llama-server", "piper"}
	}
	for _, name := range names {
		launch, err := peers.Launch(ctx, name, peers.Params{Threads: 2, Slots: 4, Context: 8192, Chat: name != "piper", Speech: name == "piper"}, con.err)
		if err != nil {
			return err
		}
		fmt.Fprintf(con.out, "%s: %s\n", name, strings.Join(launch.Args, " "))
	}
	return nil
}
