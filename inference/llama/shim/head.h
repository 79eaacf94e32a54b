// A draft head: layers that read the hidden states of a context's model and guess
// what it says next. llama.cpp's common/speculative computes it; this keeps its
// memory in step with that of the context, whose sequences are shared, cut and given
// to others all the time.
#pragma once

#include "model.h"

#include "../shim.h"

#include "common.h"
#include "llama-cpp.h"
#include "speculative.h"

#include <vector>

struct rp_context;

namespace rp {

class head {
  public:
    // own holds the head's weights: a model of its own, or the context's, whose file
    // carries the layers. Throws what the two do not have in common.
    head(rp_context * target, model_ptr own, const rp_head_params & p);

    rp_head_kind kind() const { return what; }
    int32_t      most() const { return n_max; }
    bool         follows() const { return on; }

    // While off nothing is read; what was read before stays.
    void follow(bool yes) { on = yes && !broken; }
    // It failed an assertion: nobody knows what state it is in, and it is not asked again.
    void retire() { broken = true, on = false; }

    // Reads the rows of the context's last step. False when that failed: the head has
    // forgotten everything then.
    bool read(const rp_step * st, const int32_t * tokens, const int32_t * pos, const int32_t * seq);
    // Says how many of a sequence's n rows from pos on stay, drafted ones but the first.
    void keep(int32_t seq, int32_t pos, int32_t rows, int32_t kept);

    // What the context's memory goes through, numbers as in shim.h.
    void copy(int32_t src, int32_t dst, int32_t p0, int32_t p1);
    void remove(int32_t seq, int32_t p0, int32_t p1);
    void clear();

    struct wishes {
        int32_t         n, stride;
        const int32_t * seq, * last, * pos, * most;
        int32_t *       count, * out;
        float *         prob;
    };
    void draft(const wishes & d);

    void set_threads(int32_t n, int32_t n_batch);
    void memory(uint64_t * kv, uint64_t * compute) const;

  private:
    static constexpr int32_t unknown = -1;

    rp_context *  c;
    model_ptr     own;
    rp_head_kind  what;
    int32_t       n_max, drafting;
    bool          on = true, broken = false;
    llama_context_ptr      ctx;
    common_speculative_ptr spec; // before ctx goes
    llama_memory_t         mem;
    std::vector<int32_t>   next; // by sequence: the position behind what was read, unknown = a gap
    common_batch           rows, patch;
    std::vector<float>     zeros;
    std::vector<int32_t>   begins; // scratch: first row of each sequence of the step
    std::vector<llama_tokens>       guesses;
    std::vector<std::vector<float>> probs;
    llama_tokens                    nothing;

    static rp_head_kind kind_of(const llama_model * m); // throws where it has none
    void check() const;
    void check_shared() const;
    bool mend();
};

} // namespace rp
