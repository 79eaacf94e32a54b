package espeak

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// ErrClosed is returned by a closed Client.
var ErrClosed = errors.New("espeak: client is closed")

// ErrUnreadable means that a text ends the helper time and again.
var ErrUnreadable = errors.New("espeak: the text cannot be read")

// errDied means that a helper died twice over the same request.
var errDied = errors.New("espeak: helper died twice")

// Config of a Client.
type Config struct {
	Program string // the helper
	Library string // libespeak-ng shared object
	Data    string // espeak-ng-data directory
	// Processes run at once; 0 = 2.
	Processes int
	// Timeout of one request, process start included; 0 = 5 s.
	Timeout time.Duration
	// CacheSize is how many segments are remembered; 0 = 4096, < 0 = none.
	CacheSize int
}

// Client turns text into phonemes. Its methods may be called by any goroutine.
type Client struct {
	cfg  Config
	idle chan *process // nil = a process yet to be started; cap = Processes
	done chan struct{}
	once sync.Once

	mu    sync.Mutex
	cache map[string]string // recent answers
	old   map[string]string // the generation before
}

// New starts one helper, to find out whether it works, and the others when
// they are needed.
func New(cfg Config) (*Client, error) {
	if cfg.Processes <= 0 {
		cfg.Processes = 2
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.CacheSize == 0 {
		cfg.CacheSize = 4096
	}
	first, err := start(cfg)
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, idle: make(chan *process, cfg.Processes), done: make(chan struct{}),
		cache: map[string]string{}, old: map[string]string{},
	}
	for range cfg.Processes - 1 {
		c.idle <- nil
	}
	c.idle <- first
	return c, nil
}

// Close ends the helpers and waits for requests under way.
func (c *Client) Close() {
	c.once.Do(func() {
		close(c.done)
		for range c.cfg.Processes {
			if p := <-c.idle; p != nil {
				p.kill()
			}
		}
	})
}

// Phonemes gives the IPA of each segment, in the language espeak-ng calls by
// that name ("en-us"). Segments are at most 8 KiB of UTF-8 and should hold no
// clause punctuation, whose place the answer would not show. Language switches
// that espeak-ng marks in its answer are left out.
func (c *Client) Phonemes(ctx context.Context, language string, segments ...string) ([]string, error) {
	out := make([]string, len(segments))
	var ask []string
	var where []int
	for i, s := range segments {
		s = clean(s)
		if strings.TrimSpace(s) == "" {
			continue
		}
		if ipa, ok := c.lookup(language, s); ok {
			out[i] = ipa
			continue
		}
		ask = append(ask, s)
		where = append(where, i)
	}
	if len(ask) == 0 {
		return out, ctx.Err()
	}
	got, err := c.ask(ctx, language, ask)
	if errors.Is(err, errDied) {
		got, err = c.salvage(ctx, language, ask)
	}
	if err != nil {
		return nil, err
	}
	for k, ipa := range got {
		ipa = strings.TrimSpace(dropSwitches(ipa))
		out[where[k]] = ipa
		c.remember(language, ask[k], ipa)
	}
	return out, nil
}

// maxDeaths bounds the helpers that one request may cost.
const maxDeaths = 16

// salvage reads segments among which one kills the helper: each by itself, and
// that one in ever smaller parts, until only the word that does it is left out.
func (c *Client) salvage(ctx context.Context, language string, segments []string) ([]string, error) {
	deaths := 0
	var read func(s string) (string, error)
	read = func(s string) (string, error) {
		got, err := c.ask(ctx, language, []string{s})
		if !errors.Is(err, errDied) {
			return strings.Join(got, ""), err
		}
		if deaths += 2; deaths >= maxDeaths {
			return "", fmt.Errorf("%w: %w", ErrUnreadable, err)
		}
		words := strings.Fields(s)
		if len(words) < 2 {
			return "", nil
		}
		first, err := read(strings.Join(words[:len(words)/2], " "))
		if err != nil {
			return "", err
		}
		second, err := read(strings.Join(words[len(words)/2:], " "))
		return first + " " + second, err
	}
	out := make([]string, len(segments))
	for i, s := range segments {
		var err error
		if out[i], err = read(s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *Client) ask(ctx context.Context, language string, segments []string) ([]string, error) {
	var p *process
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
		return nil, ErrClosed
	case p = <-c.idle:
	}
	var keep *process
	defer func() { c.idle <- keep }()
	for try := 0; ; try++ {
		if err := ctx.Err(); err != nil {
			keep = p
			return nil, err
		}
		var err error
		if p == nil {
			if p, err = start(c.cfg); err != nil {
				return nil, err
			}
		}
		out, err := p.ask(language, segments, c.cfg.Timeout)
		if err == nil {
			keep = p
			return out, nil
		}
		if refused := (*errRefused)(nil); errors.As(err, &refused) {
			keep = p
			return nil, fmt.Errorf("espeak: language %q: %w", language, err)
		}
		p.kill()
		if said := p.said.String(); said != "" {
			err = errors.New(said)
		}
		p = nil
		if try > 0 { // once may be bad luck, twice is the text
			return nil, fmt.Errorf("%w: %w", errDied, err)
		}
	}
}

// maxWord is where longer words are cut, in bytes: espeak-ng's buffer for one
// overflows at 160.
const maxWord = 120

// clean drops what espeak-ng must not see: control characters, which end its
// input, the markers of its own phoneme notation, and words without end.
func clean(s string) string {
	return cutWords(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r == 0x7f || r == '\uFEFF' || r == '\uFFFD':
			return -1
		}
		return r
	}, strings.ReplaceAll(strings.ToValidUTF8(s, ""), "[[", " ")))
}

// cutWords puts spaces into words of more than maxWord bytes.
func cutWords(s string) string {
	from, at := 0, 0 // of the word; of what was copied
	var b strings.Builder
	for i, r := range s {
		if unicode.IsSpace(r) {
			from = i + utf8.RuneLen(r)
			continue
		}
		if i+utf8.RuneLen(r)-from > maxWord {
			b.WriteString(s[at:i])
			b.WriteByte(' ')
			from, at = i, i
		}
	}
	return b.String() + s[at:]
}

// dropSwitches removes "(en)" marks.
func dropSwitches(ipa string) string {
	for {
		i := strings.IndexByte(ipa, '(')
		if i < 0 {
			return ipa
		}
		j := strings.IndexByte(ipa[i:], ')')
		if j < 0 {
			return ipa
		}
		ipa = ipa[:i] + ipa[i+j+1:]
	}
}

func (c *Client) lookup(language, text string) (string, bool) {
	if c.cfg.CacheSize < 0 {
		return "", false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := language + "\x00" + text
	if ipa, ok := c.cache[key]; ok {
		return ipa, true
	}
	ipa, ok := c.old[key]
	if ok {
		c.put(key, ipa)
	}
	return ipa, ok
}

func (c *Client) remember(language, text, ipa string) {
	if c.cfg.CacheSize < 0 || len(text) > 512 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(language+"\x00"+text, ipa)
}

// put keeps two generations: when the young one is full it becomes the old one.
func (c *Client) put(key, ipa string) {
	if len(c.cache) >= max(c.cfg.CacheSize/2, 1) {
		c.cache, c.old = map[string]string{}, c.cache
	}
	c.cache[key] = ipa
}
