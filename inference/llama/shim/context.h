#pragma once

#include "cells.h"
#include "model.h"
#include "shortlist.h"
#include "team.h"

#include "llama-batch.h"

#include <atomic>
#include <vector>

namespace rp {
class head;
}

struct rp_context {
    rp::model_ptr     core;
    llama_context *   ctx = nullptr;
    llama_memory_t    mem = nullptr;
    rp::placed_memory * placed = nullptr; // mem, where cells can be chosen
    rp_context_params params{};
    int32_t           n_ctx = 0, n_swa = 0;
    bool              partial = true; // a tail of a sequence can be removed
    // The library's number of sequence s is s + base. It is told of no more
    // sequences than there are outputs, because each costs it a row of logits and
    // compute buffers; a unified KV buffer takes all ids all the same. Only
    // saving needs an id below the number it was told: 0 is kept for that.
    int32_t           base = 1;
    bool              dead = false;   // after RP_FATAL
    std::atomic<int>  abort{0};
    std::unique_ptr<rp::shortlist> list; // null: all logits are copied
    bool              listed = false;    // the last step has lists

    // Scratch of a step, sized once.
    std::unique_ptr<llama_batch_ext> batch;
    std::vector<int8_t>        output;
    std::vector<int32_t>       out_row;                       // by row with output: the how manieth
    std::vector<int32_t>       first_pos, next_pos, last_row; // by sequence
    std::vector<int32_t>       last_cell;                     // by sequence; see unknown
    std::vector<uint8_t>       taken;                         // by cell: in this step
    std::vector<uint32_t>      stamp;                         // by sequence: touched in step n
    std::vector<int32_t>       touched;                       // sequences of the step
    std::vector<std::string>   errors;                        // by group
    std::vector<float *>       logits;                        // by row, of those with outputs
    std::vector<float>         took_ns;                       // by group
    std::vector<int32_t>       order;                         // of the groups, the dearest first
    uint32_t                   step = 0;
    float                      asking_ns = 5'000; // what the team's help with sampling cost beside sampling
    int32_t                    threads  = 1; // of the next step
    rp::places                 where;        // its threads belong
    int32_t                    sampling = 0; // see rp_set_sampling

    std::unique_ptr<rp::head>  draft_head; // null = none

    static constexpr int32_t unknown = -2; // of last_cell: ask the memory

    ~rp_context();
    void need_alive() const;
    int32_t id(int32_t s, const char * what) const; // the library's, checked
    // The tail from p on is there to be attended to (sliding windows forget).
    bool window_kept(int32_t id, int32_t p) const;
};
