#pragma once

#include "model.h"

#include "sampling.h"

#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

struct llama_grammar;

// One request's choice of tokens. The order is llama.cpp's default one: bias,
// penalties, top-k, typical, top-p, min-p, temperature, seeded choice; a grammar
// is asked about the token chosen, and only when it refuses it about the others.
//
// Nothing is built per vocabulary entry where that can be helped: bias and
// penalties are written into the logits and taken out again, and top-k is one
// pass with a threshold.
struct rp_sampler {
    rp::model_ptr                           core;
    rp_sampling_params                      params{};
    std::vector<std::pair<int32_t, float>>  bias;
    llama_grammar *                         grammar   = nullptr; // a clone, its own state
    common_sampler *                        reference = nullptr; // llama.cpp's own, in tests
    std::mt19937                            rng;

    ~rp_sampler();

    // Chooses a token from a row of logits, which is unchanged afterwards.
    // Throws when no token is left. refused: sample_listed said so of this row.
    int32_t sample(llama_context * ctx, int32_t row, float * logits, bool refused = false);
    // Chooses from the k best tokens of a row, in any order, what sample would
    // choose from all. undecided: the others count too, nothing has happened;
    // refused: the grammar does not take the choice.
    enum class from_list { chosen, undecided, refused };
    from_list sample_listed(const int32_t * id, const float * value, size_t k, int32_t & token);
    // Takes a chosen token into the history and the grammar.
    void accept(int32_t token);
    // Takes tokens of the prompt into the history of the penalties.
    void remember(int32_t token);
    // Log-softmax over the raw row: the chosen token, then the params.logprobs
    // best ones. Returns how many entries were written, at most cap.
    int32_t logprobs(const float * logits, int32_t chosen, int32_t cap, int32_t * token, float * value);

    bool plain() const { return params.temperature <= 0 && !grammar && bias.empty() && !penalties; }

    bool penalties = false;

    bool ask_all = false; // tests: the grammar is asked about every token

    // What a row cost lately, nanoseconds: what a step goes by when it shares its
    // groups out. A new sampler's is a guess from the vocabulary.
    float row_ns = 0;

  private:
    using cand_t = llama_token_data;

    std::unordered_map<int32_t, int32_t>   counts; // tokens in the penalty window
    std::vector<int32_t>                   window; // ring, unused when the window has no end
    size_t                                 window_at = 0;
    std::vector<std::pair<int32_t, float>> undo;
    std::vector<cand_t>                    cand;
    std::vector<float>                     prob;

    bool    patch_listed(const int32_t * id, const float * value, size_t k);
    void    patch(float * logits);
    void    restore(float * logits);
    int32_t choose(const float * logits);
    int32_t choose_allowed(const float * logits);
    int32_t choose_from_all(const float * logits);
    int32_t finish(bool sorted); // from cand, after top-k
    int32_t draw();              // from cand by its logits
    bool    allowed(int32_t token);
    void    keep_allowed();
    void    keep_typical();
    bool    keep_top_p(float total, bool all); // cand sorted; false = it needs more candidates
    void    keep_min_p(bool sorted);
    void    best(const float * logits, size_t k); // cand = the k best, sorted
    void    everything(const float * logits);
};
