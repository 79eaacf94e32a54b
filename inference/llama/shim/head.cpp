// Draft heads over llama.cpp's common/speculative.
#include "head.h"

#include "context.h"

#include "llama-arch.h"
#include "llama-context.h"
#include "llama-ext.h"
#include "llama-model.h"

#include <algorithm>

namespace rp {

static common_speculative_type type_of(rp_head_kind k) {
    switch (k) {
        case RP_HEAD_EAGLE3: return COMMON_SPECULATIVE_TYPE_DRAFT_EAGLE3;
        case RP_HEAD_MTP:    return COMMON_SPECULATIVE_TYPE_DRAFT_MTP;
        case RP_HEAD_DFLASH: return COMMON_SPECULATIVE_TYPE_DRAFT_DFLASH;
        case RP_HEAD_DSPARK: return COMMON_SPECULATIVE_TYPE_DRAFT_DSPARK;
    }
    return COMMON_SPECULATIVE_TYPE_NONE;
}

head::head(rp_context * target, model_ptr weights, const rp_head_params & p)
    : c(target), own(std::move(weights)), what(kind_of(own->model)), n_max(p.most), drafting(p.drafting) {
    check();
    const int32_t seqs = c->params.sequences + c->base;

    llama_context_params cp = llama_context_default_params();
    // Drafts lie behind the ends of their sequences, for a moment.
    cp.n_ctx                = (uint32_t) (c->n_ctx + p.drafting * (p.most + 2));
    cp.n_batch              = (uint32_t) std::max(c->params.batch, p.drafting * (p.most + 1));
    cp.n_ubatch             = cp.n_batch;
    if (what == RP_HEAD_EAGLE3) {
        // The library has it reserve logits for every row of a ubatch, its encoder's
        // too, which asks for none: 512 rows of a wide vocabulary are half a gigabyte.
        cp.n_ubatch = std::min<uint32_t>(cp.n_batch, (uint32_t) std::max(64, p.drafting));
    }
    cp.n_seq_max            = (uint32_t) seqs;
    cp.n_outputs_max        = std::max<uint32_t>(cp.n_seq_max, (uint32_t) (p.drafting * (p.most + 1)));
    cp.n_outputs_max_per_seq = what == RP_HEAD_DFLASH || what == RP_HEAD_DSPARK ? (uint32_t) p.most + 1 : 1; // a block at once
    cp.n_threads            = c->params.threads;
    cp.n_threads_batch      = c->params.threads_batch;
    cp.flash_attn_type      = (llama_flash_attn_type) c->params.flash_attn;
    cp.offload_kqv          = c->params.offload_kv;
    cp.swa_full             = c->params.swa_full;
    cp.kv_unified           = true;
    cp.no_perf              = true;
    cp.ctx_other            = c->ctx;
    cp.abort_callback       = [](void * data) { return static_cast<rp_context *>(data)->abort.load(std::memory_order_relaxed) != 0; };
    cp.abort_callback_data  = c;
    if (what == RP_HEAD_MTP) {
        cp.ctx_type = LLAMA_CONTEXT_TYPE_MTP;
    }
    ctx.reset(llama_init_from_model(own->model, cp));
    if (!ctx) {
        throw std::runtime_error(with_last_error("refused by the library"));
    }
    mem = llama_get_memory(ctx.get());
    if (!mem) {
        throw std::runtime_error("the head keeps no memory of a sequence");
    }

    common_params_speculative sp;
    sp.types                  = {type_of(what)};
    sp.draft.n_max            = p.most;
    sp.draft.n_min            = 0;
    sp.draft.p_min            = 0;
    sp.draft.backend_sampling = p.on_device;
    sp.draft.ctx_tgt          = c->ctx;
    sp.draft.ctx_dft          = ctx.get();
    try {
        spec.reset(common_speculative_init(sp, (uint32_t) seqs));
        if (!spec) {
            throw std::runtime_error("refused by the library");
        }
        n_max = common_speculative_n_max(spec.get());
        // The graph is built here once with what the head reads of it: an architecture
        // that does not give its states says so now.
        llama_graph_reserve(c->ctx, 1, 1, 1);
        bool last = what == RP_HEAD_MTP; // the states behind the last layer
        for (uint32_t i = 0; what == RP_HEAD_EAGLE3 && i < llama_model_target_layer_ids_n(own->model); i++) {
            last = last || llama_model_target_layer_ids(own->model)[i] == llama_model_n_layer(c->core->model);
        }
        if (last && !c->ctx->get_gf_res_reserve()->get_h_nextn()) {
            throw assertion("no states behind the last layer");
        }
    } catch (const assertion &) {
        for (uint32_t i = 0; what != RP_HEAD_MTP && i < llama_model_target_layer_ids_n(own->model); i++) {
            llama_set_embeddings_layer_inp(c->ctx, (uint32_t) llama_model_target_layer_ids(own->model)[i], false);
        }
        llama_set_embeddings_nextn(c->ctx, false, false);
        throw std::runtime_error(std::string("the library does not give the hidden states of models of the architecture ") +
                                 llm_arch_name(c->core->model->arch));
    }
    next.assign((size_t) c->params.sequences, unknown);
    begins.assign((size_t) c->params.sequences, 0);
    guesses.resize((size_t) c->params.sequences);
    probs.resize((size_t) c->params.sequences);
    patch = common_batch(ctx.get());
    zeros.assign((size_t) llama_model_n_embd(own->model), 0.0f);
}

bool head::read(const rp_step * st, const int32_t * tokens, const int32_t * pos, const int32_t * seq) {
    if (!on) {
        return true;
    }
    rows.clear();
    for (int32_t i = st->rows - 1; i >= 0; i--) {
        begins[(size_t) seq[i]] = i;
    }
    for (int32_t i = 0; i < st->rows; i++) {
        rows.add(tokens[i], pos[i], seq[i] + c->base, c->output[(size_t) i] != 0);
    }
    if (!mend() || !common_speculative_process(spec.get(), rows)) {
        clear();
        return false;
    }
    for (int32_t s : c->touched) {
        next[(size_t) s] = c->next_pos[(size_t) s];
    }
    return true;
}

// Brings the head's sequences to where the step's rows go on. What is behind is an
// old draft. What is missing may be one row: EAGLE-3 reads a row together with the
// token behind it, so a sequence that was taken over whole lacks its last. It is read
// without a state, so that all before it can be used; one taken over in the middle has
// that row, read with the other's token, and keeps it. A larger gap (a prefix from the
// tiers, steps that the head did not follow) cannot be filled, and the head begins anew
// behind it.
bool head::mend() {
    patch.clear();
    for (int32_t s : c->touched) {
        const int32_t id = s + c->base, p = c->first_pos[(size_t) s];
        llama_memory_seq_rm(mem, id, p, -1);
        const int32_t last = llama_memory_seq_pos_max(mem, id);
        if (last == p - 1 || last < 0) {
            continue;
        }
        if (what == RP_HEAD_EAGLE3 && last == p - 2) {
            if (next[(size_t) s] != p) { // else the library has the state
                patch.set_embd(patch.add(rows.tokens[(size_t) begins[(size_t) s]].id, p - 1, id, false), {zeros.data(), 1, zeros.size()});
            }
            continue;
        }
        llama_memory_seq_rm(mem, id, -1, -1);
    }
    return patch.size() == 0 || llama_process(ctx.get(), LLAMA_PROCESS_TYPE_DECODE, patch.get()) == 0;
}

void head::keep(int32_t s, int32_t pos, int32_t n, int32_t kept) {
    if (!on || next[(size_t) s] != pos + n) {
        return;
    }
    const int32_t id = s + c->base;
    if (c->first_pos[(size_t) s] == pos) {
        common_speculative_accept(spec.get(), id, (uint16_t) (kept - 1));
        next[(size_t) s] = pos + kept;
    } else {
        next[(size_t) s] = unknown; // its rows are not all drafted ones
    }
    // EAGLE-3's row before the first refused one was read together with that one: it
    // is read again with the right token.
    llama_memory_seq_rm(mem, id, pos + kept - (what == RP_HEAD_EAGLE3 && kept < n ? 1 : 0), -1);
}

void head::copy(int32_t src, int32_t dst, int32_t p0, int32_t p1) {
    // What dst has there is the head's reading of the same tokens, or old. It goes
    // first: a cell that is given to a sequence twice is counted twice.
    const int32_t to = dst + c->base;
    llama_memory_seq_rm(mem, to, p0, p1);
    const int32_t last = llama_memory_seq_pos_max(mem, to);
    if (last >= 0 && last < p0 - (what == RP_HEAD_EAGLE3 ? 2 : 1)) {
        llama_memory_seq_rm(mem, to, -1, -1); // a gap: it begins anew
    }
    llama_memory_seq_cp(mem, src + c->base, to, p0, p1);
    next[(size_t) dst] = unknown;
}

void head::remove(int32_t s, int32_t p0, int32_t p1) {
    llama_memory_seq_rm(mem, s + c->base, p0, p1);
    if (next[(size_t) s] > p0) {
        next[(size_t) s] = unknown;
    }
}

void head::clear() {
    llama_memory_clear(mem, false);
    std::fill(next.begin(), next.end(), unknown);
}

void head::draft(const wishes & d) {
    if (broken) {
        throw std::runtime_error("the head failed before");
    }
    if (d.n > drafting) {
        throw bad_argument(std::to_string(d.n) + " sequences draft at once, the head takes " + std::to_string(drafting));
    }
    for (int32_t i = 0; i < d.n; i++) {
        const int32_t s = d.seq[i];
        d.count[i]     = 0;
        if (s < 0 || s >= c->params.sequences || d.last[i] < 0 || d.last[i] >= c->core->n_vocab) {
            throw bad_argument("draft " + std::to_string(i) + ": sequence " + std::to_string(s) + " or token " +
                               std::to_string(d.last[i]) + " is not the context's");
        }
    }
    int32_t asked = 0;
    for (int32_t i = 0; i < d.n; i++) {
        const int32_t s    = d.seq[i];
        const int32_t most = std::min(d.most[i], d.stride);
        if (!on || next[(size_t) s] != d.pos[i] || most < 1) {
            continue; // it has not read what comes before
        }
        llama_memory_seq_rm(mem, s + c->base, d.pos[i], -1); // a draft that no step followed
        auto & g = guesses[(size_t) s];
        auto & p = probs[(size_t) s];
        g.clear();
        p.clear();
        auto & wish = common_speculative_get_draft_params(spec.get(), s + c->base);
        wish        = {true, most, d.pos[i], d.last[i], &nothing, &g};
        wish.probs  = &p;
        asked++;
    }
    if (asked == 0) {
        return;
    }
    settle(c->where, c->threads);
    common_speculative_draft(spec.get());
    for (int32_t i = 0; i < d.n; i++) {
        auto & g = guesses[(size_t) d.seq[i]];
        auto & p = probs[(size_t) d.seq[i]];
        const size_t at = (size_t) i * (size_t) d.stride;
        for (size_t k = 0; k < g.size() && (int32_t) k < std::min(d.most[i], d.stride); k++) {
            if (g[k] < 0 || g[k] >= c->core->n_vocab) {
                break;
            }
            d.out[at + k]  = g[k];
            d.prob[at + k] = k < p.size() ? p[k] : -1;
            d.count[i]++;
        }
        g.clear();
    }
}

void head::set_threads(int32_t n, int32_t n_batch) {
    llama_set_n_threads(ctx.get(), n, n_batch);
}

void head::memory(uint64_t * kv, uint64_t * compute) const {
    for (const auto & entry : llama_get_memory_breakdown(ctx.get())) {
        *kv += entry.second.context;
        *compute += entry.second.compute;
    }
}

} // namespace rp

extern "C" {

rp_code rp_head_attach(rp_context * c, const rp_model * own, const rp_head_params * p, rp_head_kind * kind, int32_t * most, char * msg,
                       size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        c->need_alive();
        if (c->draft_head) {
            throw rp::bad_argument("the context has a head");
        }
        if (p->most < 1 || p->most > 64 || p->drafting < 1 || p->drafting > c->params.sequences) {
            throw rp::bad_argument("drafts of " + std::to_string(p->most) + " tokens for " + std::to_string(p->drafting) + " sequences");
        }
        c->draft_head = std::make_unique<rp::head>(c, own ? own->core : c->core, *p);
        *kind         = c->draft_head->kind();
        *most         = c->draft_head->most();
        return RP_OK;
    });
}

void rp_head_follow(rp_context * c, bool on) {
    if (c->draft_head) {
        c->draft_head->follow(on);
    }
}

rp_code rp_head_draft(rp_context * c, int32_t n, int32_t stride, const int32_t * seq, const int32_t * last, const int32_t * pos,
                      const int32_t * most, int32_t * count, int32_t * out, float * prob, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        c->need_alive();
        if (!c->draft_head) {
            throw rp::bad_argument("the context has no head");
        }
        try {
            c->draft_head->draft({n, stride, seq, last, pos, most, count, out, prob});
        } catch (const rp::bad_argument &) {
            throw;
        } catch (const std::exception & e) {
            c->draft_head->retire();
            throw std::runtime_error(std::string("the library gave up: ") + e.what());
        }
        return RP_OK;
    });
}

} // extern "C"
