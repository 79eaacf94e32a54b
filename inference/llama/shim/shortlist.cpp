// See shortlist.h.
#include "shortlist.h"

#include "guard.h"
#include "vec.h"

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpp.h"

#include "llama-model.h"

#include <algorithm>
#include <chrono>

namespace rp {

shortlist::shortlist(int32_t n_vocab) : n_vocab(n_vocab), k(std::min(n_vocab, most)) {}

shortlist::~shortlist() {
    for (auto & a : attached) {
        llama_sampler_free(a.sampler);
    }
}

// The nodes: the places of the largest logits, and these logits.
struct list_nodes {
    ggml_tensor *best, *value;
};

static list_nodes list_of(ggml_context * ctx, ggml_tensor * logits, int32_t k) {
    list_nodes n;
    n.best  = ggml_top_k(ctx, logits, k);
    n.value = ggml_get_rows(ctx, ggml_reshape_3d(ctx, logits, 1, logits->ne[0], logits->ne[1]), n.best);
    return n;
}

void shortlist::build(ggml_context * ctx, ggml_cgraph * gf, ggml_tensor * all) {
    if (listed || all->ne[0] != n_vocab || all->ne[1] < 1) {
        return;
    }
    listed          = true;
    const auto made = list_of(ctx, all, k);
    for (ggml_tensor * t : {made.best, made.value}) {
        ggml_set_output(t); // it is read after the step: its memory is not used again
        ggml_build_forward_expand(gf, t);
    }
    logits = all;
    best   = made.best;
    value  = made.value;
}

// One entry of the library's table of samplers. It adds the list to the graph and
// leaves nothing for the library to choose.
static shortlist * of(const llama_sampler * s) { return static_cast<shortlist *>(s->ctx); }

static llama_sampler_i table() {
    llama_sampler_i t{};
    t.name         = [](const llama_sampler *) { return "shortlist"; };
    t.apply        = [](llama_sampler *, llama_token_data_array *) {};
    t.backend_init = [](llama_sampler *, ggml_backend_buffer_type_t, uint32_t) { return true; };
    t.backend_apply = [](llama_sampler * s, ggml_context * ctx, ggml_cgraph * gf, llama_sampler_data * data) {
        // The library gives a view of this sequence's row in a copy of all rows with
        // one more behind; where it only counts nodes it gives a lone row.
        const ggml_tensor * copy = data->logits ? data->logits->view_src : nullptr;
        if (copy && copy->op == GGML_OP_PAD && copy->src[0]) {
            of(s)->build(ctx, gf, copy->src[0]);
        }
        *data = {};
    };
    t.backend_reset = [](llama_sampler * s) { of(s)->begin(); };
    t.copy_state    = [](const llama_sampler *, llama_sampler *) {};
    return t;
}

std::vector<llama_sampler_seq_config> & shortlist::attach(int32_t ids) {
    static llama_sampler_i iface = table();
    for (int32_t i = 0; i < ids; i++) {
        llama_sampler * chain = llama_sampler_chain_init(llama_sampler_chain_default_params());
        attached.push_back({i, chain});
        llama_sampler_chain_add(chain, llama_sampler_init(&iface, this));
    }
    return attached;
}

bool shortlist::fetch(int32_t n) {
    if (!best || !best->buffer || best->ne[1] != n || logits->ne[1] != n) {
        return false;
    }
    id_rows.resize((size_t) n * k);
    value_rows.resize((size_t) n * k);
    ggml_backend_tensor_get(best, id_rows.data(), 0, id_rows.size() * sizeof(int32_t));
    ggml_backend_tensor_get(value, value_rows.data(), 0, value_rows.size() * sizeof(float));
    return true;
}

void shortlist::row(int32_t out, float * to) const {
    const size_t bytes = (size_t) n_vocab * sizeof(float);
    ggml_backend_tensor_get(logits, to, (size_t) out * bytes, bytes);
}

void shortlist_cost(const llama_model * model, int32_t n, int64_t * device, int64_t * host) {
    *device = *host = 0;
    using clock     = std::chrono::steady_clock;
    auto dev        = model->dev_output();
    if (!dev) {
        dev = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    }
    const int64_t    n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
    ggml_init_params room    = {16 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true};
    ggml_context_ptr ctx{ggml_init(room)};
    ggml_tensor *    logits = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, n_vocab, n);
    ggml_set_input(logits);
    const auto made = list_of(ctx.get(), logits, (int32_t) std::min<int64_t>(n_vocab, shortlist::most));
    if (!ggml_backend_dev_supports_op(dev, made.best) || !ggml_backend_dev_supports_op(dev, made.value)) {
        return;
    }
    ggml_cgraph * gf = ggml_new_graph(ctx.get());
    ggml_build_forward_expand(gf, made.value);
    ggml_backend_ptr backend{ggml_backend_dev_init(dev, nullptr)};
    if (!backend) {
        throw std::runtime_error("the device cannot be opened once more");
    }
    ggml_backend_buffer_ptr memory{ggml_backend_alloc_ctx_tensors(ctx.get(), backend.get())};
    if (!memory) {
        return; // no room on the device
    }
    std::vector<float> row((size_t) (n_vocab * n));
    uint32_t           seed = 1;
    for (auto & x : row) { // noise, as logits are to a sort
        seed = seed * 1664525 + 1013904223;
        x    = (float) (seed >> 8) / (float) (1 << 20);
    }
    ggml_backend_tensor_set(logits, row.data(), 0, row.size() * sizeof(float));
    std::vector<float> few((size_t) ggml_nelements(made.value));
    auto               best_of = [&](auto && f) {
        int64_t least = INT64_MAX;
        for (int i = 0; i < 4; i++) { // the first one loads kernels
            const auto t0 = clock::now();
            f();
            least = std::min<int64_t>(least, std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - t0).count());
        }
        return std::max<int64_t>(least, 1);
    };
    *device = best_of([&] {
        if (ggml_backend_graph_compute(backend.get(), gf) != GGML_STATUS_SUCCESS) {
            throw std::runtime_error("the device failed");
        }
        ggml_backend_tensor_get(made.best, few.data(), 0, ggml_nbytes(made.best));
        ggml_backend_tensor_get(made.value, few.data(), 0, ggml_nbytes(made.value));
    });
    *host = best_of([&] {
        ggml_backend_tensor_get(logits, row.data(), 0, row.size() * sizeof(float));
        for (int32_t i = 0; i < n; i++) {
            row_argmax(row.data() + (size_t) i * (size_t) n_vocab, (size_t) n_vocab); // the least that a choice takes
        }
    });
}

} // namespace rp
