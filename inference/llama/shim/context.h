#pragma once

#include "model.h"

#include <atomic>
#include <vector>

struct rp_context {
    rp::model_ptr     core;
    llama_context *   ctx = nullptr;
    llama_memory_t    mem = nullptr;
    rp_context_params params{};
    int32_t           n_ctx = 0, n_swa = 0;
    bool              partial = true; // a tail of a sequence can be removed
    bool              dead = false;   // after RP_FATAL
    std::atomic<int>  abort{0};

    // Scratch of a step, sized once.
    std::vector<int32_t>       token, pos, seq, n_seq;
    std::vector<int32_t *>     seq_ptr;
    std::vector<int8_t>        output;
    std::vector<int32_t>       first_pos, next_pos, last_row; // by sequence
    std::vector<uint32_t>      stamp;                         // by sequence: touched in step n
    std::vector<int32_t>       touched;                       // sequences of the step
    std::vector<std::string>   errors;                        // by group
    uint32_t                   step = 0;

    ~rp_context();
    void need_alive() const;
    void need_seq(int32_t s, const char * what) const;
    // The tail from p on is there to be attended to (sliding windows forget).
    bool window_kept(int32_t s, int32_t p) const;
};
