// Sampling: each group's tokens, by as many threads as pay.
#include "step_sampling.h"

#include "sampler.h"
#include "team.h"

#include <algorithm>

namespace rp {

// Chooses behind a row. With a list of its best tokens the row itself is copied
// only when the list does not decide.
static int32_t choose(sampling & s, rp_sampler * by, int32_t row, float * logits) {
    rp_context * c = s.c;
    if (!c->listed) {
        return by->sample(c->ctx, row, logits);
    }
    const int32_t at = c->out_row[(size_t) row];
    int32_t       t  = -1;
    const auto    is = by->sample_listed(c->list->ids(at), c->list->values(at), (size_t) c->list->width(), t);
    if (is == rp_sampler::from_list::chosen) {
        s.listed++;
        return t;
    }
    s.whole++;
    c->list->row(at, logits);
    return by->sample(c->ctx, row, logits, is == rp_sampler::from_list::refused);
}

static void sample_rows(sampling & s, int32_t g) {
    rp_group & gr = s.st->groups[g];
    const int32_t stride = s.st->lp_stride;
    for (int32_t k = 0; k < gr.rows; k++) {
        const int32_t row    = gr.first + k;
        float *       logits = s.c->logits[(size_t) row];
        if (!logits) {
            throw std::runtime_error("row " + std::to_string(row) + " has no logits");
        }
        const int32_t t = choose(s, gr.sampler, row, logits);
        if (stride > 0 && gr.sampler->params.logprobs >= 0) {
            s.lp_n[row] = gr.sampler->logprobs(logits, t, stride, s.lp_token + (size_t) row * stride, s.lp_value + (size_t) row * stride);
        }
        gr.sampler->accept(t);
        s.out[row] = t;
        gr.accepted++;
        if (k + 1 < gr.rows && (t != s.tokens[row + 1] || llama_vocab_is_eog(s.c->core->vocab, t))) {
            break;
        }
    }
}

// Samples one group and notes what it cost. Nothing leaves it.
static void sample_group(sampling & s, int32_t g) noexcept {
    rp_group &    gr = s.st->groups[g];
    const int64_t t0 = now_ns();
    try {
        sample_rows(s, g);
    } catch (const std::exception & e) {
        gr.failed = 1;
        try {
            s.c->errors[(size_t) g] = e.what();
        } catch (...) { // out of memory: it failed without a word
        }
    }
    const float took       = (float) (now_ns() - t0);
    s.c->took_ns[(size_t) g] = took;
    if (gr.accepted > 0) {
        gr.sampler->row_ns += (took / (float) gr.accepted - gr.sampler->row_ns) / 4;
    }
}

// One thread's share: the dearest group that nobody has taken, until none is left.
static void sample_some(void * data) {
    sampling & s = *static_cast<sampling *>(data);
    guard      here; // assertions on helper threads are thrown too
    for (int32_t i = s.next++; i < s.st->n_groups; i = s.next++) {
        sample_group(s, s.c->order[(size_t) i]);
    }
}

// The least that a team must save to be asked, and the most that asking it is thought
// to cost, in nanoseconds.
static constexpr float least_saved_ns = 10'000, most_asking_ns = 1'000'000;

void sample_groups(sampling & s) {
    rp_context *  c = s.c;
    const int32_t n = s.st->n_groups, threads = std::min(c->threads, n);
    float         total = 0, dearest = 0;
    bool          alone = n < 2 || threads < 2 || c->sampling < 0;
    for (int32_t g = 0; g < n; g++) {
        const rp_group & gr = s.st->groups[g];
        alone               = alone || gr.sampler->reference; // llama.cpp's own asks the context
        total += gr.sampler->row_ns * (float) gr.rows;
        dearest = std::max(dearest, gr.sampler->row_ns * (float) gr.rows);
    }
    const float together = std::max(dearest, total / (float) threads);
    s.st->threads        = 1;
    const float saved = total - together;
    if (alone || (c->sampling == 0 && saved < std::max(least_saved_ns, 2 * c->asking_ns))) {
        if (!alone && saved >= least_saved_ns) {
            c->asking_ns -= c->asking_ns / 512; // asked again some time
        }
        for (int32_t g = 0; g < n; g++) {
            sample_group(s, g);
        }
        return;
    }
    c->order.resize((size_t) n);
    for (int32_t g = 0; g < n; g++) {
        c->order[(size_t) g] = g;
    }
    auto cost = [&](int32_t g) { return s.st->groups[g].sampler->row_ns * (float) s.st->groups[g].rows; };
    std::sort(c->order.begin(), c->order.end(), [&](int32_t a, int32_t b) { return cost(a) > cost(b) || (cost(a) == cost(b) && a < b); });
    s.st->threads = threads;
    const int64_t t0 = now_ns();
    on_team(c->threads, sample_some, &s);
    const float took = (float) (now_ns() - t0);
    float       spent = 0, longest = 0;
    for (int32_t g = 0; g < n; g++) {
        spent += c->took_ns[(size_t) g];
        longest = std::max(longest, c->took_ns[(size_t) g]);
    }
    const float asking = std::clamp(took - std::max(longest, spent / (float) threads), 0.0f, most_asking_ns);
    c->asking_ns += (asking - c->asking_ns) / 8;
}

} // namespace rp
