package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
)

// words are common English words; with a space before them nearly every
// tokenizer makes one token of each. Calibrate drops those that do not.
var words = strings.Fields(`time year people way day man thing woman life child world school state family student
group country problem hand part place case week company system program question work government number night point
home water room mother area money story fact month lot right study book eye job word business issue side kind head
house service friend father power hour game line end member law car city community name president team minute idea
body information back parent face others level office door health person art war history party result change morning
reason research girl guy moment air teacher force education good new first last long great little own other old big
high different small large next early young important few public bad same able make know take see come think look
want give use find tell ask seem feel try leave call keep let begin help show hear play run move live believe hold
bring happen write provide sit stand lose pay meet include continue set learn lead understand watch follow stop create
speak read allow add spend grow open walk win offer remember love consider appear buy wait serve die send expect build
stay fall cut reach kill remain`)

// lead opens every counted text, so that the first word has a space before it
// like all others.
const lead = "Words:"

// question closes a counted prompt, so that the answer is text and not a stop.
const question = "\nTell a long story with many of these words."

// Calibration is how a server counts: what a chat template adds and which
// words are one token each.
type Calibration struct {
	Words    []string `json:"-"`
	User     int      `json:"user_overhead"`   // tokens of a prompt of one user message beside its counted words
	System   int      `json:"system_overhead"` // the same with a system message (counted words there) before the user's
	Shared   int      `json:"shared_overhead"` // tokens beside the system words that two prompts with one system message share
	Verified bool     `json:"verified"`
}

// Calibrate finds out, by usage.prompt_tokens of short requests, which words
// the server counts as one token and what its template adds.
func Calibrate(ctx context.Context, t *Target) (Calibration, error) {
	count := func(m []Message) (ChatResult, error) {
		r, err := t.Chat(ctx, ChatRequest{Messages: m, MaxTokens: 1, Plain: true})
		if err == nil && r.Prompt == 0 {
			err = fmt.Errorf("bench: %s gives no usage.prompt_tokens: exact prompts cannot be made", t.Label)
		}
		return r, err
	}
	var c Calibration
	one, err := count(User(counted(words[:8]) + question))
	if err != nil {
		return c, err
	}
	two, err := count(User(counted(append(append([]string{}, words[:8]...), words[:8]...)) + question))
	if err != nil {
		return c, err
	}
	c.User = one.Prompt - 8
	// The first eight are one token each if eight more cost eight.
	if two.Prompt-one.Prompt != 8 {
		return c, fmt.Errorf("bench: %s counts %d tokens for 8 common words: exact prompts cannot be made with this vocabulary", t.Label, two.Prompt-one.Prompt)
	}
	var keep func(list []string) error
	keep = func(list []string) error {
		r, err := count(User(counted(list) + question))
		switch {
		case err != nil:
			return err
		case r.Prompt-c.User == len(list):
			c.Words = append(c.Words, list...)
			return nil
		case len(list) == 1:
			return nil // not one token: dropped
		}
		if err := keep(list[:len(list)/2]); err != nil {
			return err
		}
		return keep(list[len(list)/2:])
	}
	if err := keep(words); err != nil {
		return c, err
	}
	if len(c.Words) < 50 {
		return c, fmt.Errorf("bench: only %d of %d words are one token for %s: exact prompts cannot be made", len(c.Words), len(words), t.Label)
	}
	system := counted(c.Words[:16])
	first, err := count([]Message{{"system", system}, {"user", c.Words[0] + question}})
	if err != nil {
		return c, err
	}
	second, err := count([]Message{{"system", system}, {"user", c.Words[1] + question}})
	if err != nil {
		return c, err
	}
	c.System = first.Prompt - 16
	if second.Cached > 16 { // what the server itself found in common
		c.Shared = second.Cached - 16
	}
	c.Verified = first.Prompt == second.Prompt
	return c, nil
}

// counted joins words behind the lead, one token each.
func counted(list []string) string { return lead + " " + strings.Join(list, " ") }

// UserPrompt makes a user message whose whole prompt has n tokens. Different seeds
// give different first words, so that prompts share nothing but the template.
func (c *Calibration) UserPrompt(rng *rand.Rand, n int) []Message {
	return User(counted(c.pick(rng, n-c.User)) + question)
}

// SystemText makes a system message of n counted words.
func (c *Calibration) SystemText(rng *rand.Rand, n int) string { return counted(c.pick(rng, n)) }

// pick draws n words (at least one).
func (c *Calibration) pick(rng *rand.Rand, n int) []string {
	list := make([]string, max(n, 1))
	for i := range list {
		list[i] = c.Words[rng.IntN(len(c.Words))]
	}
	return list
}

// Rand is the source of a workload's choices: the same seed, start, round and
// purpose give the same choices on every machine.
func Rand(seed uint64, start, round int, purpose string) *rand.Rand {
	h := seed
	for _, b := range []byte(fmt.Sprintf("%d/%d/%s", start, round, purpose)) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h))
}
