// Embeddings of texts: the mean over the last hidden states of their tokens.
#include "model.h"

#include <algorithm>
#include <cmath>
#include <vector>

struct rp_embedder {
    rp::model_ptr       core;
    llama_context *     ctx = nullptr;
    llama_batch         batch{};
    int32_t             width = 0, cells = 0, chunk = 0;
    std::vector<double> sum;

    ~rp_embedder() {
        llama_batch_free(batch);
        if (ctx) {
            llama_free(ctx);
        }
    }
};

extern "C" {

rp_code rp_embedder_new(rp_model * model, int32_t cells, int32_t chunk, int32_t threads, rp_embedder ** out, char * msg, size_t cap) {
    *out = nullptr;
    return rp::guarded(msg, cap, [&]() -> rp_code {
        const llama_model * m = model->core->model;
        auto                e = std::make_unique<rp_embedder>();
        e->core               = model->core;
        e->chunk              = chunk;

        llama_context_params cp = llama_context_default_params();
        cp.n_ctx           = (uint32_t) cells;
        cp.n_batch         = (uint32_t) chunk;
        cp.n_ubatch        = (uint32_t) chunk;
        cp.n_seq_max       = 1;
        cp.n_threads       = threads;
        cp.n_threads_batch = threads;
        cp.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_AUTO;
        cp.embeddings      = true;
        cp.pooling_type    = LLAMA_POOLING_TYPE_NONE; // done here, so that a text may take several chunks
        cp.no_perf         = true;

        e->ctx = llama_init_from_model(const_cast<llama_model *>(m), cp);
        if (!e->ctx || !llama_get_memory(e->ctx)) {
            throw std::runtime_error(rp::with_last_error("refused by the library"));
        }
        e->cells = (int32_t) llama_n_ctx(e->ctx);
        e->width = llama_model_n_embd_out(m);
        e->batch = llama_batch_init(chunk, 0, 1);
        e->sum.resize((size_t) e->width);
        *out = e.release();
        return RP_OK;
    });
}

void rp_embedder_free(rp_embedder * e) {
    rp::quietly([&]() -> rp_code {
        delete e;
        return RP_OK;
    });
}

int32_t rp_embedder_width(const rp_embedder * e) {
    return e->width;
}

rp_code rp_embed(rp_embedder * e, const int32_t * tokens, int32_t n, float * out, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        if (n < 1 || n > e->cells) {
            throw rp::bad_argument(std::to_string(n) + " tokens, 1 … " + std::to_string(e->cells) + " are taken");
        }
        for (int32_t i = 0; i < n; i++) {
            if (tokens[i] < 0 || tokens[i] >= e->core->n_vocab) {
                throw rp::bad_argument("token " + std::to_string(tokens[i]) + " is outside 0 … " + std::to_string(e->core->n_vocab - 1));
            }
        }
        llama_memory_clear(llama_get_memory(e->ctx), false);
        std::fill(e->sum.begin(), e->sum.end(), 0.0);
        for (int32_t at = 0; at < n; at += e->chunk) {
            const int32_t rows = std::min(e->chunk, n - at);
            for (int32_t i = 0; i < rows; i++) {
                e->batch.token[i]     = tokens[at + i];
                e->batch.pos[i]       = at + i;
                e->batch.n_seq_id[i]  = 1;
                e->batch.seq_id[i][0] = 0;
                e->batch.logits[i]    = 1;
            }
            e->batch.n_tokens = rows;
            const int32_t rc  = llama_decode(e->ctx, e->batch);
            if (rc != 0) {
                throw std::runtime_error(rp::with_last_error("code " + std::to_string(rc)));
            }
            for (int32_t i = 0; i < rows; i++) {
                const float * x = llama_get_embeddings_ith(e->ctx, i);
                if (!x) {
                    throw std::runtime_error("a token has no hidden state");
                }
                for (int32_t j = 0; j < e->width; j++) {
                    e->sum[(size_t) j] += x[j];
                }
            }
        }
        double square = 0;
        for (double s : e->sum) {
            square += s * s;
        }
        if (!(square > 0) || !std::isfinite(square)) {
            throw std::runtime_error("the model gave no usable hidden states");
        }
        const double scale = 1 / std::sqrt(square); // the mean's length falls out
        for (int32_t j = 0; j < e->width; j++) {
            out[j] = (float) (e->sum[(size_t) j] * scale);
        }
        return RP_OK;
    });
}

} // extern "C"
