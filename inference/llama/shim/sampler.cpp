// The sampler: making one, its history, its choice.
#include "sampler.h"

#include "grammar.h"
#include "vec.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

rp_sampler::~rp_sampler() {
    if (grammar) {
        rp::free_grammar(grammar);
    }
    if (reference) {
        common_sampler_free(reference);
    }
}

void rp_sampler::remember(int32_t token) {
    if (reference) {
        common_sampler_accept(reference, token, false);
        return;
    }
    if (!penalties) {
        return;
    }
    counts[token]++;
    if (params.penalty_last_n < 0) {
        return;
    }
    if (window.size() < (size_t) params.penalty_last_n) {
        window.push_back(token);
        return;
    }
    auto old = counts.find(window[window_at]);
    if (--old->second == 0) {
        counts.erase(old);
    }
    window[window_at] = token;
    window_at         = (window_at + 1) % window.size();
}

void rp_sampler::accept(int32_t token) {
    if (reference) {
        common_sampler_accept(reference, token, true);
        return;
    }
    if (grammar) {
        rp::advance_grammar(*grammar, token);
    }
    remember(token);
}

void rp_sampler::patch(float * logits) {
    undo.clear();
    for (const auto & b : bias) {
        undo.emplace_back(b.first, logits[b.first]);
        logits[b.first] += b.second;
    }
    if (!penalties) {
        return;
    }
    for (const auto & c : counts) {
        float & l = logits[c.first];
        undo.emplace_back(c.first, l);
        l = l <= 0 ? l * params.repeat_penalty : l / params.repeat_penalty;
        l -= (float) c.second * params.frequency_penalty + params.presence_penalty;
    }
}

void rp_sampler::restore(float * logits) {
    for (size_t i = undo.size(); i-- > 0;) {
        logits[undo[i].first] = undo[i].second;
    }
    undo.clear();
}

int32_t rp_sampler::sample(llama_context * ctx, int32_t row, float * logits, bool refused) {
    if (reference) {
        return common_sampler_sample(reference, ctx, row);
    }
    if (plain() && !refused) {
        const int32_t t = rp::row_argmax(logits, (size_t) core->n_vocab);
        if (t < 0) {
            throw std::runtime_error("the model gave no usable logits");
        }
        return t;
    }
    struct patched { // the row is whole again however this ends
        rp_sampler * s;
        float *      l;
        patched(rp_sampler * s, float * l) : s(s), l(l) { s->patch(l); }
        ~patched() { s->restore(l); }
    } hold(this, logits);

    if (!refused) {
        const int32_t t = choose(logits);
        if (!grammar || allowed(t)) {
            return t;
        }
    }
    return choose_allowed(logits);
}

bool rp_sampler::allowed(int32_t token) {
    llama_token_data       one{token, 1.0f, 0.0f};
    llama_token_data_array arr{&one, 1, -1, false};
    rp::apply_grammar(*grammar, &arr);
    return one.logit != -INFINITY;
}

void rp_sampler::keep_allowed() {
    if (!ask_all) {
        rp::drop_by_lead(*core, *grammar, cand);
    }
    llama_token_data_array arr{cand.data(), cand.size(), -1, false};
    rp::apply_grammar(*grammar, &arr);
    cand.erase(std::remove_if(cand.begin(), cand.end(), [](const cand_t & c) { return c.logit == -INFINITY; }), cand.end());
}

static bool better(const llama_token_data & a, const llama_token_data & b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

void rp_sampler::best(const float * x, size_t k) {
    const size_t n = (size_t) core->n_vocab;
    k              = std::min(k, n);
    cand.clear();
    float        above = -FLT_MAX; // −inf and NaN never enter
    const size_t room  = 2 * k + 64;
    auto         cut   = [&]() {
        if (cand.size() > k) {
            std::nth_element(cand.begin(), cand.begin() + k, cand.end(), better);
            cand.resize(k);
            above = std::min_element(cand.begin(), cand.end(), [](const cand_t & a, const cand_t & b) {
                        return a.logit < b.logit;
                    })->logit;
        }
    };
    for (size_t i = 0; i < n; i += rp::lanes) {
        const size_t len = std::min(rp::lanes, n - i);
        if (len == rp::lanes && !rp::row_reaches(x + i, above)) {
            continue;
        }
        for (size_t j = 0; j < len; j++) {
            if (x[i + j] >= above) {
                cand.push_back({(int32_t) (i + j), x[i + j], 0.0f});
            }
        }
        if (cand.size() >= room) {
            cut();
        }
    }
    cut();
    std::sort(cand.begin(), cand.end(), better);
}

void rp_sampler::everything(const float * x) {
    const size_t n = (size_t) core->n_vocab;
    cand.resize(n);
    for (size_t i = 0; i < n; i++) {
        cand[i] = {(int32_t) i, x[i] == x[i] ? x[i] : -INFINITY, 0.0f};
    }
}

int32_t rp_sampler::choose(const float * x) {
    if (params.temperature <= 0) {
        const int32_t t = rp::row_argmax(x, (size_t) core->n_vocab);
        if (t < 0) {
            throw std::runtime_error("no token is left to choose from");
        }
        return t;
    }
    if (params.top_k > 0 && params.top_k < core->n_vocab) {
        best(x, (size_t) params.top_k);
        return finish(true);
    }
    return choose_from_all(x);
}

// The same choice among the tokens the grammar takes. What is left after top-k
// is decided by the best tokens, so the grammar is asked about few at first.
int32_t rp_sampler::choose_allowed(const float * x) {
    const bool   greedy = params.temperature <= 0;
    const bool   top_k  = params.top_k > 0 && params.top_k < core->n_vocab;
    const size_t want   = greedy ? 1 : top_k ? (size_t) params.top_k : 0;
    if (want > 0) {
        for (size_t ask = std::max<size_t>(64, 4 * want); ask < (size_t) core->n_vocab / 4; ask *= 8) {
            best(x, ask);
            keep_allowed();
            if (cand.size() >= want) {
                cand.resize(want);
                return greedy ? cand[0].id : finish(true);
            }
        }
    }
    everything(x);
    keep_allowed();
    if (cand.empty()) {
        throw std::runtime_error("the grammar takes no token here");
    }
    if (greedy) {
        return std::min_element(cand.begin(), cand.end(), better)->id;
    }
    if (top_k && cand.size() > want) {
        std::partial_sort(cand.begin(), cand.begin() + want, cand.end(), better);
        cand.resize(want);
        return finish(true);
    }
    return finish(false);
}

// No top-k: the whole vocabulary takes part.
int32_t rp_sampler::choose_from_all(const float * x) {
    const size_t n       = (size_t) core->n_vocab;
    const bool   typical = params.typical_p > 0 && params.typical_p < 1;
    if (typical) {
        best(x, n);
        return finish(true);
    }
    const float max = rp::row_max(x, n);
    if (max == -INFINITY) {
        throw std::runtime_error("no token is left to choose from");
    }
    if (params.top_p < 1) {
        const float total = (float) rp::row_exp_sum(x, n, max, 1.0f, nullptr);
        for (size_t k = 256;; k *= 8) {
            best(x, k);
            if (keep_top_p(total, k >= n)) {
                break;
            }
        }
        keep_min_p(true);
        return draw();
    }
    if (params.min_p > 0) {
        const float least = max + logf(params.min_p);
        cand.clear();
        for (size_t i = 0; i < n; i++) {
            if (x[i] >= least) {
                cand.push_back({(int32_t) i, x[i], 0.0f});
            }
        }
        return draw();
    }
    prob.resize(n);
    const double target = rp::row_exp_sum(x, n, max, 1.0f / params.temperature, prob.data()) *
                          std::uniform_real_distribution<double>(0.0, 1.0)(rng);
    return (int32_t) rp::row_pick(prob.data(), n, target);
}

// Typical, top-p, min-p and the choice, over what top-k left in cand.
int32_t rp_sampler::finish(bool sorted) {
    if (cand.empty()) {
        throw std::runtime_error("no token is left to choose from");
    }
    const bool typical = params.typical_p > 0 && params.typical_p < 1;
    if (!sorted && (typical || params.top_p < 1)) {
        std::sort(cand.begin(), cand.end(), better);
        sorted = true;
    }
    if (typical) {
        keep_typical();
        sorted = false;
    }
    if (params.top_p < 1) {
        if (!sorted) {
            std::sort(cand.begin(), cand.end(), better);
            sorted = true;
        }
        float total = 0;
        for (const auto & c : cand) {
            total += expf(c.logit - cand[0].logit);
        }
        keep_top_p(total, true);
    }
    keep_min_p(sorted);
    return draw();
}

// cand is sorted; total is the sum of exp(logit − best logit) over all tokens.
bool rp_sampler::keep_top_p(float total, bool all) {
    float run = 0;
    for (size_t i = 0; i < cand.size(); i++) {
        run += expf(cand[i].logit - cand[0].logit) / total;
        if (run >= params.top_p) {
            cand.resize(i + 1);
            return true;
        }
    }
    return all;
}

void rp_sampler::keep_min_p(bool sorted) {
    if (params.min_p <= 0 || cand.empty()) {
        return;
    }
    const float max = sorted ? cand[0].logit : std::min_element(cand.begin(), cand.end(), better)->logit;
    const float least = max + logf(params.min_p);
    cand.erase(std::remove_if(cand.begin(), cand.end(), [&](const cand_t & c) { return c.logit < least; }), cand.end());
}

// Keeps the tokens whose surprise is nearest to the entropy, up to a mass of
// typical_p. cand is sorted by logit before and by typicality afterwards.
void rp_sampler::keep_typical() {
    float total = 0;
    for (auto & c : cand) {
        c.p = expf(c.logit - cand[0].logit);
        total += c.p;
    }
    float entropy = 0;
    for (auto & c : cand) {
        c.p /= total;
        entropy += c.p > 0 ? -c.p * logf(c.p) : 0;
    }
    auto far = [&](const cand_t & c) { return c.p > 0 ? fabsf(-logf(c.p) - entropy) : INFINITY; };
    std::stable_sort(cand.begin(), cand.end(), [&](const cand_t & a, const cand_t & b) { return far(a) < far(b); });
    float run = 0;
    for (size_t i = 0; i < cand.size(); i++) {
        run += cand[i].p;
        if (run > params.typical_p) {
            cand.resize(i + 1);
            return;
        }
    }
}

// One draw by the softmax of logit / temperature over cand, in cand's order.
int32_t rp_sampler::draw() {
    const double u = std::uniform_real_distribution<double>(0.0, 1.0)(rng);
    float max = -INFINITY;
    for (auto & c : cand) {
        c.logit /= params.temperature;
        max = std::max(max, c.logit);
    }
    double total = 0;
    for (auto & c : cand) {
        c.p = expf(c.logit - max);
        total += c.p;
    }
    const double target = total * u;
    double       run    = 0;
    for (const auto & c : cand) {
        run += c.p;
        if (run >= target && c.p > 0) {
            return c.id;
        }
    }
    if (cand.empty()) {
        throw std::runtime_error("no token is left to choose from");
    }
    return std::min_element(cand.begin(), cand.end(), better)->id;
}

int32_t rp_sampler::logprobs(const float * x, int32_t chosen, int32_t cap, int32_t * token, float * value) {
    const size_t n    = (size_t) core->n_vocab;
    const float  max  = rp::row_max(x, n);
    const double norm = (double) max + log(rp::row_exp_sum(x, n, max, 1.0f, nullptr));
    int32_t      used = 0;
    auto         put  = [&](int32_t t) {
        if (used < cap) {
            token[used]   = t;
            value[used++] = (float) (x[t] - norm);
        }
    };
    put(chosen);
    if (params.logprobs > 0) {
        best(x, (size_t) params.logprobs);
        for (const auto & c : cand) {
            put(c.id);
        }
    }
    return used;
}
