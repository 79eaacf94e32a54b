package kvtypes

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"repartee/inference/llama"
)

// Pair is the types of keys and values.
type Pair struct{ K, V llama.KVType }

// String is K/V.
func (p Pair) String() string { return string(p.K) + "/" + string(p.V) }

// Config says what to measure.
type Config struct {
	Path    string // GGUF file
	Text    string // what is read; it must have Tokens · Windows tokens
	Pairs   []Pair // the first is what the others are compared with
	Tokens  int    // of a piece of the text, and the depth at which tokens are generated
	Windows int    // pieces of the text, each read from its beginning
	Rounds  int    // of the speeds, in turn over the pairs; medians are kept
	Threads int
	// Progress is told what is being measured; nil = nobody.
	Progress io.Writer
}

// chunk is how many rows a step reads at most, as in serving.
const chunk = 512

// decoded is how many tokens are generated a round.
const decoded = 32

// Result is what one pair gave.
type Result struct {
	Pair       Pair    `json:"-"`
	Name       string  `json:"types"`
	Perplexity float64 `json:"perplexity"` // of the text's own tokens
	// Divergence is the mean Kullback–Leibler divergence of the distribution of
	// the next token from that of the first pair, nats, and DivergenceError its
	// standard error; Same is the share of places where the likeliest token is the
	// same one.
	Divergence      float64 `json:"divergence"`
	DivergenceError float64 `json:"divergence_error"`
	Same            float64 `json:"same"`
	Bytes           float64 `json:"bytes_per_token"` // of the cache
	Read            float64 `json:"read_tokens_per_second"`
	Step            float64 `json:"step_ms"` // one row at the depth of Tokens
}

// Report is the results in the order of Config.Pairs.
type Report struct {
	Model   string   `json:"model"`
	Places  int      `json:"places"` // tokens that were predicted
	Tokens  int      `json:"tokens"`
	Results []Result `json:"results"`
}

// Measure loads the model and measures all pairs. Perplexities and divergences
// do not depend on what else the machine does, speeds do.
func Measure(ctx context.Context, cfg Config) (*Report, error) {
	runtime.LockOSThread() // OpenMP keeps helpers for every thread that computes
	defer runtime.UnlockOSThread()
	defer llama.ReleaseThreads()
	if cfg.Progress == nil {
		cfg.Progress = io.Discard
	}
	m, err := llama.LoadModel(llama.ModelParams{Path: cfg.Path})
	if err != nil {
		return nil, fmt.Errorf("kvtypes: %w", err)
	}
	defer m.Close()
	windows, err := cut(m, cfg)
	if err != nil {
		return nil, err
	}
	r := &Report{Model: m.Info().Description, Tokens: cfg.Tokens, Results: make([]Result, len(cfg.Pairs))}
	contexts := make([]*llama.Context, len(cfg.Pairs))
	for i, p := range cfg.Pairs {
		c, err := m.NewContext(llama.ContextParams{
			Cells: cfg.Tokens + 2*decoded, Sequences: 1, Batch: chunk, Outputs: scored, Threads: cfg.Threads, FlashAttn: 1, SWAFull: true, TypeK: p.K, TypeV: p.V,
		})
		if err != nil {
			return nil, fmt.Errorf("kvtypes: %s: %w", p, err)
		}
		defer c.Close()
		contexts[i] = c
		r.Results[i] = Result{Pair: p, Name: p.String(), Bytes: float64(c.Memory().KV) / float64(c.Params().Cells)}
	}
	sums := make([]sum, len(cfg.Pairs))
	for n, w := range windows {
		var first []thought
		for i, c := range contexts {
			fmt.Fprintf(cfg.Progress, "piece %d of %d, %s\n", n+1, len(windows), cfg.Pairs[i])
			thoughts, err := think(ctx, m, c, w)
			if err != nil {
				return nil, fmt.Errorf("kvtypes: %s: %w", cfg.Pairs[i], err)
			}
			if first == nil {
				first = thoughts
			}
			sums[i].add(first, thoughts)
		}
	}
	r.Places = sums[0].n
	for i := range sums {
		sums[i].into(&r.Results[i])
	}
	return r, speeds(ctx, cfg, contexts, windows[0], r.Results)
}

// cut tokenises the text and cuts it into pieces of cfg.Tokens, each behind the
// tokens that begin every text of this model.
func cut(m *llama.Model, cfg Config) ([][]llama.Token, error) {
	whole, err := m.Tokenize(nil, cfg.Text, true, false)
	if err != nil {
		return nil, fmt.Errorf("kvtypes: %w", err)
	}
	bare, err := m.Tokenize(nil, cfg.Text, false, false)
	if err != nil {
		return nil, fmt.Errorf("kvtypes: %w", err)
	}
	start := whole[:len(whole)-len(bare)]
	own := cfg.Tokens - len(start)
	if own < 2 || len(bare) < own*cfg.Windows {
		return nil, fmt.Errorf("kvtypes: the text has %d tokens, %d pieces of %d want %d", len(bare), cfg.Windows, own, own*cfg.Windows)
	}
	windows := make([][]llama.Token, cfg.Windows)
	for i := range windows {
		windows[i] = slices.Concat(start, bare[i*own:(i+1)*own])
	}
	return windows, nil
}

// speeds reads a piece and generates behind it, in turn over the pairs.
func speeds(ctx context.Context, cfg Config, contexts []*llama.Context, tokens []llama.Token, out []Result) error {
	read, step := make([][]float64, len(contexts)), make([][]float64, len(contexts))
	var b llama.Batch
	for round := range cfg.Rounds {
		for i, c := range contexts {
			fmt.Fprintf(cfg.Progress, "speed, round %d of %d, %s\n", round+1, cfg.Rounds, cfg.Pairs[i])
			if err := c.Clear(); err != nil {
				return fmt.Errorf("kvtypes: %s: %w", cfg.Pairs[i], err)
			}
			began := time.Now()
			for at := 0; at < len(tokens); at += chunk {
				b.Reset()
				for j := at; j < min(at+chunk, len(tokens)); j++ {
					b.Add(tokens[j], llama.Pos(j), 0)
				}
				if err := c.Step(&b); err != nil {
					return fmt.Errorf("kvtypes: %s: %w", cfg.Pairs[i], err)
				}
			}
			read[i] = append(read[i], float64(len(tokens))/time.Since(began).Seconds())
			began = time.Now()
			for j := range decoded {
				b.Reset()
				b.Add(tokens[j], llama.Pos(len(tokens)+j), 0)
				if err := c.Step(&b); err != nil {
					return fmt.Errorf("kvtypes: %s: %w", cfg.Pairs[i], err)
				}
			}
			step[i] = append(step[i], time.Since(began).Seconds()*1000/decoded)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	for i := range out {
		out[i].Read, out[i].Step = median(read[i]), median(step[i])
	}
	return nil
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}
