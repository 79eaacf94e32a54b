// The OpenMP team of the calling thread: the threads that compute the model's
// graphs there, awake for a while behind each.
#pragma once

#include <cstdint>
#include <vector>

namespace rp {

// Calls f(data) on n threads, the caller being one of them, and returns when all
// have. n should be what the graphs are computed with: another number makes OpenMP
// end threads and start them. f does not throw. Without OpenMP the caller alone calls
// f; work is therefore to be shared out by f itself.
void on_team(int32_t n, void (*f)(void *), void * data);

// Where the threads of a team belong: each on its share of a list of CPUs, all of it
// where there are fewer CPUs than threads.
struct places {
    std::vector<int32_t> cpus; // neighbours near each other; empty = anywhere
    int32_t              threads = 0;
    uint32_t             number  = 0; // of this list for these threads, in the process
};

// Puts the calling thread and the n−1 helpers where they belong; those that are there
// already cost a comparison. To be called before each graph: OpenMP may have ended
// helpers meanwhile, and new ones come up where the caller is. Returns an errno.
int32_t settle(places & p, int32_t n);

} // namespace rp
