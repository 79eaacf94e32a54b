package synthetic

import (
	"fmt"

	"repartee/inference/llama/gguf"
)

// By is what a draft head guesses from.
type By int

const (
	// ByToken guesses what follows the newest token: every guess of a draft is right.
	ByToken By = iota
	// ByState guesses from the hidden state of the token before: the first guess of a
	// draft is right, and the others, made from the head's own states, are wrong.
	ByState
)

// EAGLE3 is a head of the architecture "eagle3" for c's Model: it attends to its own
// row, whose value is the token, or passes the first of the states on. Its own
// vocabulary is smaller and in another order than the model's, as that of heads that
// people train.
func (c Chain) EAGLE3(by By) []byte {
	l := c.language()
	var stands []int64 // for a token of the model, by token of the head
	for t := len(l.next) - 1; t >= chainFirst; t-- {
		stands = append(stands, int64(t))
	}
	return c.eagle3(l, by, stands)
}

// EAGLE3With is EAGLE3 whose tokens stand for others of the model.
func (c Chain) EAGLE3With(stands []int64) []byte { return c.eagle3(c.language(), ByToken, stands) }

func (c Chain) eagle3(l chain, by By, stands []int64) []byte {
	b := c.builder("eagle3", 1)
	b.Int32s("eagle3.target_layers", []int32{0, 1, int32(c.layers() - 1)})
	b.Uint32("eagle3.target_hidden_size", chainWidth)
	b.Bool("eagle3.norm_before_residual", by == ByToken)
	const w = chainWidth
	none := constant(0)
	fc, steps, state := none, 1, float32(0.1)
	heads := map[string]func(int) float32{}
	if by == ByState {
		fc, steps, state = picks(3*w, 0, 1, all), 2, 1
	} else {
		near := picks(2*w, 0, sharp/2, all) // its own row is the likest
		heads["attn_q"], heads["attn_k"] = near, near
		heads["attn_v"], heads["attn_output"] = picks(2*w, 0, 1, all), picks(w, 0, 1, all)
	}
	b.Tensor("fc.weight", []int64{3 * w, w}, fc)
	b.Tensor("output_norm.weight", []int64{w}, constant(1))
	logits := l.output(steps)
	b.Tensor("output.weight", []int64{w, int64(len(stands))}, func(i int) float32 {
		if t := stands[i/w]; t >= 0 && t < int64(len(l.next)) {
			return logits(int(t)*w + i%w)
		}
		return 0
	})
	b.Int64Tensor("d2t", stands)
	b.Tensor("blk.0.attn_norm_2.weight", []int64{w}, constant(state))
	block(b, 0, 2*w, heads)
	return b.Bytes()
}

// MTP is Model of an architecture that carries a layer for multi-token prediction.
func (c Chain) MTP(by By) []byte {
	l, n := c.language(), c.layers()
	b := c.builder("glm4moe", uint32(n+1))
	b.Uint32("glm4moe.nextn_predict_layers", 1)
	b.Uint32("glm4moe.expert_count", 2)
	b.Uint32("glm4moe.expert_used_count", 1)
	b.Uint32("glm4moe.expert_shared_count", 1)
	b.Uint32("glm4moe.expert_feed_forward_length", chainWidth)
	b.Uint32("glm4moe.leading_dense_block_count", uint32(n))
	const w = chainWidth
	vocab := int64(len(l.next))
	b.Tensor("token_embd.weight", []int64{w, vocab}, l.embedding)
	b.Tensor("output_norm.weight", []int64{w}, constant(1))
	b.Tensor("output.weight", []int64{w, vocab}, l.output(1))
	for i := range n {
		glmBlock(b, i)
	}
	name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", n, s) }
	attention(b, n)
	for _, m := range []string{"ffn_gate_exps", "ffn_down_exps", "ffn_up_exps"} {
		b.Tensor(name(m), []int64{w, w, 2}, constant(0))
	}
	for _, m := range []string{"ffn_gate_shexp", "ffn_down_shexp", "ffn_up_shexp"} {
		b.Tensor(name(m), []int64{w, w}, constant(0))
	}
	b.Tensor(name("ffn_gate_inp"), []int64{w, 2}, constant(0))
	b.Tensor(fmt.Sprintf("blk.%d.exp_probs_b.bias", n), []int64{2}, constant(0))
	from, steps := 0, 1
	if by == ByState {
		from, steps = w, 2
	}
	b.Tensor(name("nextn.eh_proj"), []int64{2 * w, w}, picks(2*w, from, 1, all))
	b.Tensor(name("nextn.enorm"), []int64{w}, constant(1))
	b.Tensor(name("nextn.hnorm"), []int64{w}, constant(1))
	b.Tensor(name("nextn.shared_head_norm"), []int64{w}, constant(1))
	b.Tensor(name("nextn.shared_head_head"), []int64{w, vocab}, l.output(steps))
	return b.Bytes()
}

// attention adds a layer's attention, which adds nothing to the stream.
func attention(b *gguf.Builder, n int) {
	const w = chainWidth
	name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", n, s) }
	b.Tensor(name("attn_norm"), []int64{w}, constant(1))
	for _, m := range []string{"attn_q", "attn_k", "attn_v", "attn_output"} {
		b.Tensor(name(m), []int64{w, w}, constant(0))
	}
	b.Tensor(name("post_attention_norm"), []int64{w}, constant(1))
}

func glmBlock(b *gguf.Builder, n int) {
	const w = chainWidth
	attention(b, n)
	for _, m := range []string{"ffn_gate", "ffn_down", "ffn_up"} {
		b.Tensor(fmt.Sprintf("blk.%d.%s.weight", n, m), []int64{w, w}, constant(0))
	}
}

// DFlash is a head of the architecture "dflash" that guesses blocks of so many tokens
// less one: each masked one attends to the newest token and says what follows that, so
// the first guess is right.
func (c Chain) DFlash(size int) []byte {
	b := c.builder("dflash", 1)
	b.Int32s("dflash.target_layers", []int32{0, 1})
	b.Uint32("dflash.block_size", uint32(size))
	const w = chainWidth
	b.Tensor("fc.weight", []int64{2 * w, w}, constant(0))
	b.Tensor("enc.output_norm.weight", []int64{w}, constant(1))
	b.Tensor("output_norm.weight", []int64{w}, constant(1))
	b.Tensor("blk.0.attn_q_norm.weight", []int64{w}, constant(sharp))
	b.Tensor("blk.0.attn_k_norm.weight", []int64{w}, constant(1))
	block(b, 0, w, map[string]func(int) float32{
		"attn_q":      turns(masked, slow),
		"attn_k":      turns(present, slow),
		"attn_v":      picks(w, 0, 1, func(d int) bool { return d > masked }),
		"attn_output": picks(w, 0, 1, all),
	})
	return b.Bytes()
}
