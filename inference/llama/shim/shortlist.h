// The best tokens of every row, chosen where the logits are computed. Only they
// are copied to the host, and samplers choose among them.
//
// The library's own samplers put a request's parameters into the compute graph, so
// a new request means a new graph. Here the graph holds one thing, the same for
// every request and every sequence: the `width` largest logits of each row. What a
// request wants is done with them on the host, by the same code as with all logits,
// so the tokens are the same. Where they do not decide it (see
// rp_sampler::sample_listed) the row is copied after all, alone.
#pragma once

#include "../shim.h"

#include "llama.h"

#include <cstddef>
#include <cstdint>
#include <vector>

struct ggml_tensor;
struct llama_context;

namespace rp {

class shortlist {
  public:
    // As many as the usual top-k wants, and more for bias and penalties to reorder.
    static constexpr int32_t most = 128;

    explicit shortlist(int32_t n_vocab);
    ~shortlist();
    shortlist(const shortlist &)             = delete;
    shortlist & operator=(const shortlist &) = delete;

    // What makes the library build the list into its graphs, one entry for each
    // sequence id 0 … ids−1. They must stay as long as the context.
    std::vector<llama_sampler_seq_config> & attach(int32_t ids);

    int32_t width() const { return k; }
    // Copies the lists of a computed step of n rows with logits; false: this step's
    // graph has none.
    bool fetch(int32_t n);
    const int32_t * ids(int32_t out) const { return id_rows.data() + (size_t) out * k; }
    const float *   values(int32_t out) const { return value_rows.data() + (size_t) out * k; }
    // Copies all logits of row `out` to `to`.
    void row(int32_t out, float * to) const;

    // Called while the library builds a graph.
    void begin() { listed = false; }
    void build(ggml_context * ctx, ggml_cgraph * gf, ggml_tensor * logits);

  private:
    int32_t                               n_vocab, k;
    bool                                  listed = false; // in the graph being built
    ggml_tensor *                         logits = nullptr;
    ggml_tensor *                         best   = nullptr; // of the last graph with logits
    ggml_tensor *                         value  = nullptr;
    std::vector<int32_t>                  id_rows;
    std::vector<float>                    value_rows;
    std::vector<llama_sampler_seq_config> attached;
};

// What choosing costs for n rows of a model: the list on its device, or all logits
// copied and searched for their best on the host, microseconds. device is 0 where
// the device cannot make the list.
void shortlist_cost(const llama_model * model, int32_t n, int64_t * device, int64_t * host);

} // namespace rp
