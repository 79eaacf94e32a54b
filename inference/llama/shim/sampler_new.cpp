// Making samplers from parameters; every parameter is checked here.
#include "grammar.h"
#include "sampler.h"

#include <cmath>

namespace rp {

static void finite(const char * name, float v, float least, float most) {
    if (!std::isfinite(v) || v < least || v > most) {
        throw bad_argument(std::string(name) + " " + std::to_string(v) + " is outside " + std::to_string(least) + " … " +
                           std::to_string(most));
    }
}

static void check(const rp_sampling_params & p) {
    finite("temperature", p.temperature, -1e6f, 1e6f);
    finite("top_p", p.top_p, 0, 1e6f);
    finite("min_p", p.min_p, -1e6f, 1);
    finite("typical_p", p.typical_p, 0, 1e6f);
    finite("repeat_penalty", p.repeat_penalty, 1e-6f, 1e6f);
    finite("frequency_penalty", p.frequency_penalty, -1e6f, 1e6f);
    finite("presence_penalty", p.presence_penalty, -1e6f, 1e6f);
    if (p.penalty_last_n < -1 || p.penalty_last_n > (1 << 24)) {
        throw bad_argument("penalty_last_n " + std::to_string(p.penalty_last_n) + " is outside -1 … 16777216");
    }
    if (p.n_bias < 0 || p.n_bias > (1 << 20)) {
        throw bad_argument("too many biased tokens: " + std::to_string(p.n_bias));
    }
}

// What a row takes until one was measured, in nanoseconds: a look at every logit is
// some 0.1 ns an entry here, what else is asked for a multiple. It only has to tell
// microseconds from hundreds of them.
static float first_row_ns(const rp_sampling_params & p, int32_t n_vocab) {
    float passes = 1;
    if (p.temperature > 0) {
        passes += p.top_k > 0 ? 1 : 4;
    }
    if (p.logprobs >= 0) {
        passes += 4;
    }
    return 0.1f * (float) n_vocab * passes;
}

static common_sampler * make_reference(const rp_sampler & s) {
    common_params_sampling c;
    c.seed            = s.params.seed;
    c.temp            = s.params.temperature;
    c.top_k           = s.params.top_k;
    c.top_p           = s.params.top_p;
    c.min_p           = s.params.min_p;
    c.typ_p           = s.params.typical_p > 0 ? s.params.typical_p : 1.0f;
    c.penalty_last_n  = s.params.penalty_last_n;
    c.penalty_repeat  = s.params.repeat_penalty;
    c.penalty_freq    = s.params.frequency_penalty;
    c.penalty_present = s.params.presence_penalty;
    c.no_perf         = true;
    for (const auto & b : s.bias) {
        c.logit_bias.push_back({b.first, b.second});
    }
    return common_sampler_init(s.core->model, c);
}

} // namespace rp

extern "C" {

rp_code rp_sampler_new(const rp_model * model, const rp_sampling_params * p, const int32_t * bias_token,
                       const float * bias_value, const rp_grammar * grammar, rp_sampler ** out, char * msg, size_t cap) {
    *out = nullptr;
    return rp::guarded(msg, cap, [&]() -> rp_code {
        rp::check(*p);
        auto s       = std::make_unique<rp_sampler>();
        s->core      = model->core;
        s->params    = *p;
        s->penalties = p->penalty_last_n != 0 &&
                       (p->repeat_penalty != 1.0f || p->frequency_penalty != 0.0f || p->presence_penalty != 0.0f);
        s->rng.seed(p->seed);
        s->row_ns = rp::first_row_ns(*p, model->core->n_vocab);
        for (int32_t i = 0; i < p->n_bias; i++) {
            if (bias_token[i] < 0 || bias_token[i] >= model->core->n_vocab) {
                throw rp::bad_argument("biased token " + std::to_string(bias_token[i]) + " is outside 0 … " +
                                       std::to_string(model->core->n_vocab - 1));
            }
            if (std::isnan(bias_value[i]) || bias_value[i] == INFINITY) {
                throw rp::bad_argument("bias of token " + std::to_string(bias_token[i]) + " is not a number below infinity");
            }
            s->bias.emplace_back(bias_token[i], bias_value[i]);
        }
        if (p->ignore_eog) {
            for (int32_t t = 0; t < model->core->n_vocab; t++) {
                if (llama_vocab_is_eog(model->core->vocab, t)) {
                    s->bias.emplace_back(t, -INFINITY);
                }
            }
        }
        int32_t             n_suppress = 0;
        const llama_token * suppress   = llama_vocab_get_suppress_tokens(model->core->vocab, &n_suppress);
        for (int32_t i = 0; i < n_suppress; i++) {
            s->bias.emplace_back(suppress[i], -INFINITY);
        }
        if (grammar) {
            if (grammar->core != model->core) {
                throw rp::bad_argument("the grammar was compiled for another model");
            }
            s->grammar = rp::clone_grammar(*grammar->grammar);
        }
        if (p->reference) {
            s->reference = rp::make_reference(*s);
        }
        *out = s.release();
        return RP_OK;
    });
}

void rp_sampler_ask_all(rp_sampler * s) {
    s->ask_all = true;
}

void rp_sampler_free(rp_sampler * s) {
    rp::quietly([&]() -> rp_code {
        delete s;
        return RP_OK;
    });
}

rp_code rp_sampler_accept(rp_sampler * s, const int32_t * tokens, int32_t n, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        for (int32_t i = 0; i < n; i++) {
            if (tokens[i] < 0 || tokens[i] >= s->core->n_vocab) {
                throw rp::bad_argument("token " + std::to_string(tokens[i]) + " is outside 0 … " +
                                       std::to_string(s->core->n_vocab - 1));
            }
        }
        for (int32_t i = 0; i < n; i++) {
            s->remember(tokens[i]);
        }
        return RP_OK;
    });
}

} // extern "C"
