// Which draft heads there are, and what one takes of its model: the library asserts,
// and writes where a table says, so it is checked here.
#include "head.h"

#include "context.h"

#include "llama-arch.h"
#include "llama-ext.h"
#include "llama-model.h"

#include "ggml-backend.h"

namespace rp {

// The architectures whose layers for multi-token prediction the library computes, as
// of the pin, and whose memory can be cut back.
static bool predicts(llm_arch arch) {
    switch (arch) {
        case LLM_ARCH_BAILINGMOE3:
        case LLM_ARCH_COHERE2MOE:
        case LLM_ARCH_DEEPSEEK2:
        case LLM_ARCH_DEEPSEEK32:
        case LLM_ARCH_GLM4_MOE:
        case LLM_ARCH_GLM_DSA:
        case LLM_ARCH_HY_V3:
        case LLM_ARCH_MIMO2:
        case LLM_ARCH_STEP35:
            return true;
        default:
            return false;
    }
}

rp_head_kind head::kind_of(const llama_model * m) {
    switch (m->arch) {
        case LLM_ARCH_EAGLE3:
            return RP_HEAD_EAGLE3;
        case LLM_ARCH_DFLASH:
            return m->dspark_markov_w1 ? RP_HEAD_DSPARK : RP_HEAD_DFLASH;
        default:
            break;
    }
    if (m->hparams.n_layer_nextn > 0 && predicts(m->arch)) {
        return RP_HEAD_MTP;
    }
    throw std::runtime_error(std::string("the library computes no draft head of the architecture ") + llm_arch_name(m->arch));
}

[[noreturn]] static void mismatch(const std::string & what, int64_t has, int64_t wants) {
    throw std::runtime_error(what + ": the head has " + std::to_string(has) + ", the model " + std::to_string(wants));
}

void head::check() const {
    const llama_model * t = c->core->model;
    const llama_model * h = own->model;
    if (!c->partial) {
        throw std::runtime_error("the model's state cannot be cut back to a prefix");
    }
    if (own->n_vocab != c->core->n_vocab) {
        mismatch("tokens", own->n_vocab, c->core->n_vocab);
    }
    if (what == RP_HEAD_MTP) {
        if (h->arch != t->arch) {
            throw std::runtime_error(std::string("the head is of the architecture ") + llm_arch_name(h->arch) + ", the model " +
                                     llm_arch_name(t->arch));
        }
        if (llama_model_n_embd_out(h) != llama_model_n_embd_out(t)) {
            mismatch("width", llama_model_n_embd_out(h), llama_model_n_embd_out(t));
        }
        return;
    }
    const int64_t n = llama_model_target_layer_ids_n(h), layers = llama_model_n_layer(t);
    const int32_t * ids = llama_model_target_layer_ids(h);
    if (n <= 0 || (what == RP_HEAD_EAGLE3 && n != 3)) {
        throw std::runtime_error("the head names " + std::to_string(n) + " layers to read");
    }
    for (int64_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] > layers) {
            throw std::runtime_error("the head reads layer " + std::to_string(ids[i]) + ", the model has " + std::to_string(layers));
        }
    }
    if (h->hparams.n_embd_inp_enc() != (uint32_t) (n * llama_model_n_embd(t))) {
        mismatch("width of the states", h->hparams.n_embd_inp_enc() / n, llama_model_n_embd(t));
    }
    check_shared();
    if (h->d2t) {
        const int64_t rows = ggml_nelements(h->d2t);
        std::vector<int64_t> to((size_t) rows);
        if (h->d2t->type != GGML_TYPE_I64) {
            throw std::runtime_error("the table of the head's tokens is not of type I64");
        }
        ggml_backend_tensor_get(h->d2t, to.data(), 0, to.size() * sizeof(int64_t));
        for (int64_t i = 0; i < rows; i++) {
            if (to[(size_t) i] < 0 || to[(size_t) i] >= own->n_vocab) {
                throw std::runtime_error("token " + std::to_string(i) + " of the head stands for " + std::to_string(to[(size_t) i]) +
                                         ", the model has " + std::to_string(own->n_vocab));
            }
        }
    }
}

// The matrices that a head without its own takes from the model.
void head::check_shared() const {
    const llama_model * t = c->core->model;
    const llama_model * h = own->model;
    const int64_t       width = llama_model_n_embd(h);
    auto fits = [&](const char * name, const ggml_tensor * own_one, const ggml_tensor * shared) {
        const ggml_tensor * x = own_one ? own_one : shared;
        if (!x) {
            throw std::runtime_error(std::string(name) + ": neither the head nor the model has any");
        }
        if (x->ne[0] != width) {
            mismatch(std::string("width of ") + name, width, x->ne[0]);
        }
        return x->ne[1];
    };
    const int64_t tokens = fits("token embeddings", h->tok_embd, t->tok_embd);
    if (tokens < c->core->n_vocab) {
        mismatch("rows of token embeddings", tokens, c->core->n_vocab);
    }
    const int64_t out = fits("output", h->output, t->output), wants = h->d2t ? ggml_nelements(h->d2t) : own->n_vocab;
    if (out != wants) {
        mismatch("rows of output", out, wants);
    }
    if (what != RP_HEAD_EAGLE3) {
        char text[32] = {};
        if (llama_model_meta_val_str(h, "dflash.block_size", text, sizeof(text)) >= 0 && (atoi(text) < 2 || atoi(text) > 256)) {
            throw std::runtime_error(std::string("blocks of ") + text + " tokens: 2 … 256 can be computed");
        }
        const int32_t mask = llama_vocab_mask(llama_model_get_vocab(h));
        if (mask < 0 || mask >= own->n_vocab) {
            throw std::runtime_error("the head's vocabulary has no mask token");
        }
    }
}

} // namespace rp
