// Sampling behind one step, on the threads that have computed it.
#pragma once

#include "context.h"

#include <atomic>
#include <chrono>
#include <cstdint>

namespace rp {

// Nanoseconds of a clock that never goes back.
inline int64_t now_ns() {
    using namespace std::chrono;
    return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

// What sampling reads and writes; each group has rows, a sampler and an error of its
// own, and nothing else is written.
struct sampling {
    rp_context *         c;
    rp_step *            st;
    const int32_t *      tokens;
    int32_t *            out, * lp_n, * lp_token;
    float *              lp_value;
    std::atomic<int32_t> next{0}; // in c->order
    std::atomic<int32_t> listed{0}, whole{0}; // rows, by what their tokens were chosen from
};

// Samples every group, side by side where the samplers' own measurements say that it
// pays: what it saves is twice what asking the team cost lately, which is microseconds
// while its threads spin behind the graph and far more where they sleep or their
// cores are taken. Who samples a group does not change what it gives.
void sample_groups(sampling & s);

} // namespace rp
