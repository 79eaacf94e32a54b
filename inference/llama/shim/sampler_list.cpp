// The choice from the best tokens of a row alone: see shortlist.h.
#include "sampler.h"

#include <algorithm>
#include <cmath>

static bool better(const llama_token_data & a, const llama_token_data & b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// cand = the listed tokens with bias and penalties, in the order of their ids;
// false when a token outside the list may have become one of the best.
bool rp_sampler::patch_listed(const int32_t * id, const float * value, size_t k) {
    cand.resize(k);
    for (size_t i = 0; i < k; i++) {
        cand[i] = {id[i], value[i], 0.0f};
    }
    std::sort(cand.begin(), cand.end(), [](const cand_t & a, const cand_t & b) { return a.id < b.id; });
    const bool all  = k >= (size_t) core->n_vocab;
    auto       find = [&](int32_t token) {
        auto at = std::lower_bound(cand.begin(), cand.end(), token, [](const cand_t & a, int32_t t) { return a.id < t; });
        return at != cand.end() && at->id == token ? &*at : nullptr;
    };
    for (const auto & b : bias) {
        if (cand_t * c = find(b.first)) {
            c->logit += b.second;
        } else if (b.second > 0 && !all) {
            return false;
        }
    }
    if (!penalties) {
        return true;
    }
    if (!all && (params.repeat_penalty < 1 || params.frequency_penalty < 0 || params.presence_penalty < 0)) {
        return false;
    }
    for (auto & c : cand) {
        auto n = counts.find(c.id);
        if (n != counts.end()) { // as in patch
            c.logit = c.logit <= 0 ? c.logit * params.repeat_penalty : c.logit / params.repeat_penalty;
            c.logit -= (float) n->second * params.frequency_penalty + params.presence_penalty;
        }
    }
    return true;
}

rp_sampler::from_list rp_sampler::sample_listed(const int32_t * id, const float * value, size_t k, int32_t & token) {
    const bool greedy = params.temperature <= 0;
    const bool top_k  = params.top_k > 0 && params.top_k < core->n_vocab;
    const bool nucleus = params.top_p < 1 || (params.typical_p > 0 && params.typical_p < 1);
    if (reference || params.logprobs >= 0 || k == 0 || (!greedy && !top_k && (nucleus || params.min_p <= 0))) {
        return from_list::undecided; // all tokens count
    }
    // No token outside is above floor, before or after bias and penalties.
    float floor = INFINITY;
    for (size_t i = 0; i < k; i++) {
        if (value[i] != value[i]) {
            return from_list::undecided;
        }
        floor = std::min(floor, value[i]);
    }
    if (k >= (size_t) core->n_vocab) {
        floor = -INFINITY;
    }
    if (!patch_listed(id, value, k)) {
        return from_list::undecided;
    }
    cand.erase(std::remove_if(cand.begin(), cand.end(), [](const cand_t & c) { return !(c.logit > -INFINITY); }), cand.end());
    if (cand.empty()) {
        return from_list::undecided;
    }
    if (greedy) {
        const auto best = std::min_element(cand.begin(), cand.end(), better);
        if (best->logit <= floor) {
            return from_list::undecided; // an equal one outside may have the lower id
        }
        token = best->id;
    } else if (top_k) {
        const size_t want = (size_t) params.top_k;
        if (cand.size() < want && floor > -INFINITY) {
            return from_list::undecided;
        }
        if (cand.size() > want) {
            std::nth_element(cand.begin(), cand.begin() + want, cand.end(), better);
            cand.resize(want);
        }
        std::sort(cand.begin(), cand.end(), better);
        if (cand.back().logit <= floor) {
            return from_list::undecided;
        }
        token = finish(true);
    } else { // min-p alone, over the tokens in the order of their ids
        const float least = std::min_element(cand.begin(), cand.end(), better)->logit + logf(params.min_p);
        if (least <= floor) {
            return from_list::undecided;
        }
        cand.erase(std::remove_if(cand.begin(), cand.end(), [&](const cand_t & c) { return c.logit < least; }), cand.end());
        token = draw();
    }
    return grammar && !allowed(token) ? from_list::refused : from_list::chosen;
}
