// A context: creation, sequence memory, state.
#include "context.h"
#include "head.h"

#include "llama-ext.h"

#include <cerrno>
#include <climits>
#include <algorithm>
#include <cstring>

rp_context::~rp_context() {
    draft_head.reset();
    if (ctx) {
        llama_free(ctx);
    }
}

void rp_context::need_alive() const {
    if (dead) {
        throw rp::assertion("the context failed before and must be closed");
    }
}

int32_t rp_context::id(int32_t s, const char * what) const {
    if (s < 0 || s >= params.sequences) {
        throw rp::bad_argument(std::string(what) + " " + std::to_string(s) + " is outside 0 … " +
                               std::to_string(params.sequences - 1));
    }
    return s + base;
}

bool rp_context::window_kept(int32_t id, int32_t p) const {
    if (n_swa <= 0 || p <= 0) {
        return true;
    }
    int32_t have = llama_memory_seq_pos_min(mem, id);
    int32_t need = p - n_swa;
    return have >= 0 && have <= (need > 0 ? need : 0);
}

static ggml_type cache_type(int32_t t) {
    switch (t) {
        case 0: return GGML_TYPE_F16;
        case 1: return GGML_TYPE_BF16;
        case 2: return GGML_TYPE_F32;
        case 3: return GGML_TYPE_Q8_0;
        case 4: return GGML_TYPE_Q4_0;
    }
    throw rp::bad_argument("unknown KV cache type");
}

static bool on_abort(void * data) {
    return static_cast<rp_context *>(data)->abort.load(std::memory_order_relaxed) != 0;
}

extern "C" {

rp_code rp_context_new(rp_model * model, const rp_context_params * p, rp_context ** out, char * msg, size_t cap) {
    *out = nullptr;
    return rp::guarded(msg, cap, [&]() -> rp_code {
        const llama_model * m = model->core->model;
        auto                c = std::make_unique<rp_context>();
        c->core               = model->core;
        c->params             = *p;
        c->partial            = !llama_model_is_recurrent(m) && !llama_model_is_hybrid(m);
        c->base               = c->partial ? 1 : 0;

        llama_context_params cp = llama_context_default_params();
        cp.n_ctx               = p->cells;
        cp.n_batch             = p->batch;
        cp.n_ubatch            = p->ubatch;
        cp.n_seq_max           = c->base ? std::min(p->sequences, p->outputs) : p->sequences;
        cp.n_outputs_max       = std::max<int32_t>(p->outputs, cp.n_seq_max);
        cp.n_threads           = p->threads;
        cp.n_threads_batch     = p->threads_batch;
        cp.flash_attn_type     = (llama_flash_attn_type) p->flash_attn;
        cp.type_k              = cache_type(p->type_k);
        cp.type_v              = cache_type(p->type_v);
        cp.offload_kqv         = p->offload_kv;
        cp.swa_full            = p->swa_full;
        cp.kv_unified          = true;
        cp.no_perf             = true;
        cp.abort_callback      = on_abort;
        cp.abort_callback_data = c.get();

        if (p->shortlist) {
            c->list                  = std::make_unique<rp::shortlist>(c->core->n_vocab);
            auto & attached          = c->list->attach(p->sequences + c->base);
            cp.samplers              = attached.data();
            cp.n_samplers            = attached.size();
            cp.n_outputs_max_per_seq = 0; // as many as there are: drafted rows
        }
        c->ctx = llama_init_from_model(const_cast<llama_model *>(m), cp);
        if (!c->ctx) {
            throw std::runtime_error(rp::with_last_error("refused by the library"));
        }
        c->mem = llama_get_memory(c->ctx);
        if (!c->mem) {
            throw std::runtime_error("the model keeps no memory of a sequence, it cannot generate text");
        }
        c->placed = rp::placed_memory::install(c->ctx);
        if (c->placed) {
            c->mem = c->placed;
        } else if (p->ordered) {
            throw std::runtime_error("the cells of this model's memory cannot be chosen");
        }
        c->n_ctx        = (int32_t) llama_n_ctx(c->ctx);
        c->params.batch = (int32_t) llama_n_batch(c->ctx);
        c->n_swa        = llama_model_n_swa(m);

        size_t rows = (size_t) c->params.batch, seqs = (size_t) p->sequences;
        c->output.resize(rows);
        c->logits.resize(rows);
        c->order.reserve((size_t) p->outputs);
        c->took_ns.resize((size_t) p->outputs);
        c->threads = p->threads_batch;
        c->out_row.resize(rows);
        const llama_batch_ext like(c->ctx);
        c->batch = std::make_unique<llama_batch_ext>(like.n_tokens_max, like.n_embd_inp, like.n_embd_inp_enc,
                                                     p->sequences + c->base, like.mem, like.n_vocab, like.n_pos_per_embd);
        c->first_pos.resize(seqs);
        c->last_cell.assign(seqs, rp_context::unknown);
        c->taken.assign(c->placed ? (size_t) c->placed->size() : 0, 0);
        c->next_pos.resize(seqs);
        c->last_row.resize(seqs);
        c->stamp.assign(seqs, 0);
        c->touched.reserve(seqs);
        *out = c.release();
        return RP_OK;
    });
}

void rp_context_free(rp_context * ctx) {
    rp::quietly([&]() -> rp_code {
        delete ctx;
        return RP_OK;
    });
}

int32_t rp_context_cells(const rp_context * ctx) {
    return ctx->n_ctx;
}

rp_code rp_shortlist_cost(const rp_model * model, int32_t n, int64_t * device, int64_t * host, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        rp::shortlist_cost(model->core->model, n, device, host);
        return RP_OK;
    });
}

void rp_abort(rp_context * ctx) {
    ctx->abort.store(1);
}

void rp_set_threads(rp_context * ctx, int32_t n, int32_t n_batch) {
    rp::quietly([&]() -> rp_code {
        llama_set_n_threads(ctx->ctx, n, n_batch);
        ctx->threads = n_batch;
        if (ctx->draft_head) {
            ctx->draft_head->set_threads(n, n_batch);
        }
        return RP_OK;
    });
}

int32_t rp_context_pin(rp_context * ctx, const int32_t * cpus, int32_t n_cpus) {
    for (int32_t i = 0; i < n_cpus; i++) {
        if (cpus[i] < 0 || cpus[i] >= 1024) { // of one mask
            return EINVAL;
        }
    }
    int32_t error = 0;
    rp::quietly([&]() -> rp_code {
        ctx->where.cpus.assign(cpus, cpus + n_cpus);
        ctx->where.threads = 0; // another list
        error              = rp::settle(ctx->where, ctx->threads);
        return RP_OK;
    });
    return error;
}

void rp_set_sampling(rp_context * ctx, int32_t mode) {
    ctx->sampling = mode;
}

rp_code rp_seq_copy(rp_context * c, int32_t src, int32_t dst, int32_t p0, int32_t p1, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        c->need_alive();
        src = c->id(src, "source sequence");
        dst = c->id(dst, "target sequence");
        if (src == dst) {
            throw rp::bad_argument("source and target are the same sequence");
        }
        int32_t have = llama_memory_seq_pos_max(c->mem, src) + 1;
        int32_t end  = llama_memory_seq_pos_max(c->mem, dst) + 1;
        p0           = p0 < 0 ? 0 : p0;
        p1           = p1 < 0 ? have : p1;
        if (p1 > have || p0 > p1) {
            throw rp::bad_argument("positions " + std::to_string(p0) + " … " + std::to_string(p1) +
                                   " are not in the source, which ends at " + std::to_string(have));
        }
        if (p0 != end && !(p0 < end && c->placed && c->placed->is_gap(dst, p0, p1))) {
            throw rp::bad_argument("the target ends at position " + std::to_string(end) + ", the copy starts at " +
                                   std::to_string(p0));
        }
        if (p0 == p1) {
            return RP_OK;
        }
        if (!c->partial && (p0 != 0 || p1 != have)) {
            throw std::runtime_error("this model's state can only be copied whole");
        }
        if (p1 < have && !c->window_kept(src, p1)) {
            throw std::runtime_error("the sliding window before position " + std::to_string(p1) + " is gone");
        }
        llama_memory_seq_cp(c->mem, src, dst, p0, p1);
        c->last_cell[dst - c->base] = rp_context::unknown;
        if (c->draft_head) {
            c->draft_head->copy(src - c->base, dst - c->base, p0, p1);
        }
        return RP_OK;
    });
}

rp_code rp_seq_remove(rp_context * c, int32_t seq, int32_t p0, int32_t p1, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        c->need_alive();
        seq = c->id(seq, "sequence");
        int32_t end = llama_memory_seq_pos_max(c->mem, seq) + 1;
        p0          = p0 < 0 ? 0 : p0;
        c->last_cell[seq - c->base] = rp_context::unknown;
        if (end == 0 || p0 >= end || (p1 >= 0 && p1 <= p0)) {
            return RP_OK; // nothing there
        }
        if (p1 >= end) {
            p1 = -1;
        }
        if (p0 > 0 && !c->window_kept(seq, p0)) {
            throw std::runtime_error("the sliding window before position " + std::to_string(p0) + " is gone");
        }
        if (!llama_memory_seq_rm(c->mem, seq, p0, p1)) {
            throw std::runtime_error("this model's state cannot be removed in part");
        }
        if (c->draft_head) {
            c->draft_head->remove(seq - c->base, p0, p1);
        }
        return RP_OK;
    });
}

void rp_seq_range(rp_context * c, int32_t seq, int32_t * min, int32_t * max) {
    *min = *max = -1;
    rp::quietly([&]() -> rp_code {
        c->need_alive();
        seq = c->id(seq, "sequence");
        *min = llama_memory_seq_pos_min(c->mem, seq);
        *max = llama_memory_seq_pos_max(c->mem, seq);
        return RP_OK;
    });
}

rp_code rp_seq_cells(rp_context * c, int32_t seq, int32_t p0, int32_t p1, int32_t * out, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        c->need_alive();
        seq = c->id(seq, "sequence");
        if (!c->placed) {
            throw std::runtime_error("this model's memory has no cells to tell of");
        }
        if (p0 < 0 || p1 < p0) {
            throw rp::bad_argument("positions " + std::to_string(p0) + " … " + std::to_string(p1) + " are no range");
        }
        std::vector<int32_t> cells;
        c->placed->cells_of(seq, p0, p1, cells);
        std::copy(cells.begin(), cells.end(), out);
        return RP_OK;
    });
}

rp_code rp_clear(rp_context * c, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        c->need_alive();
        llama_memory_clear(c->mem, false);
        if (c->draft_head) {
            c->draft_head->clear();
        }
        std::fill(c->last_cell.begin(), c->last_cell.end(), rp_context::unknown);
        return RP_OK;
    });
}

void rp_memory(const rp_context * c, uint64_t * weights, uint64_t * kv, uint64_t * compute) {
    *weights = *kv = *compute = 0;
    rp::quietly([&]() -> rp_code {
        for (const auto & entry : llama_get_memory_breakdown(c->ctx)) {
            *weights += entry.second.model;
            *kv      += entry.second.context;
            *compute += entry.second.compute;
        }
        if (c->draft_head) {
            c->draft_head->memory(kv, compute);
        }
        return RP_OK;
    });
}

} // extern "C"
