package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// root is the command tree.
type root struct {
	Config kong.ConfigFlag `help:"YAML file with flag values, one \"flag-name: value\" a line. The command line and REPARTEE_… variables go before it." placeholder:"FILE" env:"-"`

	Serve   serveCmd   `cmd:"" help:"Run the server: REST, WebSocket, OpenAI and Ollama APIs."`
	Chat    chatCmd    `cmd:"" help:"Chat in the terminal, in this process; interactive without a prompt."`
	Say     sayCmd     `cmd:"" help:"Speak a text into an audio file; the format follows the extension."`
	Bench   BenchCmd   `cmd:"" help:"Put load on a server and print latencies."`
	Doctor  doctorCmd  `cmd:"" help:"Say what works on this machine, and why something does not."`
	Models  modelsCmd  `cmd:"" help:"List, show, pull and remove models and voices."`
	Version versionCmd `cmd:"" help:"Print the versions of repartee and of what is built in."`
}

// console is where a command reads and writes.
type console struct {
	in       io.Reader
	out, err io.Writer
	process  bool // it is the process's own
}

// Main runs the command line and returns the exit code.
func Main(args []string) int {
	return run(args, &console{os.Stdin, os.Stdout, os.Stderr, true})
}

func run(args []string, con *console) int {
	var cli root
	exited, code := false, 0
	parser, err := kong.New(&cli,
		kong.Name("repartee"),
		kong.Description("Answers in text and speech with the lowest latency a machine can give."),
		kong.DefaultEnvars("REPARTEE"),
		kong.Configuration(readConfig),
		kong.UsageOnError(),
		kong.ValueFormatter(withDefault),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Writers(con.out, con.err),
		kong.Exit(func(c int) { exited, code = true, c; panic(errExit) }),
		kong.Bind(con),
	)
	if err != nil {
		return fail(con, err, 1)
	}
	return guard(&exited, &code, func() int {
		k, err := parser.Parse(args)
		if err != nil {
			return fail(con, err, 2)
		}
		if name, _, _ := strings.Cut(k.Command(), " "); con.process && slices.Contains(computing, name) {
			useHugePages()
		}
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		if k.Selected() == nil || !strings.HasPrefix(k.Command(), "serve") { // serve drains by itself
			ctx, stop = signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
			defer stop()
		}
		k.BindTo(ctx, (*context.Context)(nil))
		if err := k.Run(ctx); err != nil {
			if errors.Is(err, context.Canceled) && ctx.Err() != nil {
				return fail(con, errors.New("interrupted"), 1)
			}
			var usage *usageError
			if errors.As(err, &usage) {
				return fail(con, err, 2)
			}
			return fail(con, err, 1)
		}
		return 0
	})
}

// withDefault ends a flag's help with its default and variable; kong would hide
// the default behind the placeholder.
func withDefault(v *kong.Value) string {
	var more []string
	if v.HasDefault && v.Default != "" && !v.IsBool() {
		more = append(more, "default "+v.Default)
	}
	if v.Tag != nil {
		for _, name := range v.Tag.Envs {
			more = append(more, "$"+name)
		}
	}
	if len(more) == 0 {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + " (" + strings.Join(more, ", ") + ")."
}

// errExit unwinds from kong's exit hook (--help).
var errExit = errors.New("exit")

func guard(exited *bool, code *int, f func() int) (result int) {
	defer func() {
		if p := recover(); p != nil {
			if !*exited || p != any(errExit) {
				panic(p)
			}
			result = *code
		}
	}()
	return f()
}

// usageError is an error of the caller's that parsing could not see.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// fail prints an error as one line.
func fail(con *console, err error, code int) int {
	fmt.Fprintf(con.err, "repartee: %s\n", strings.Join(strings.Fields(err.Error()), " "))
	return code
}
