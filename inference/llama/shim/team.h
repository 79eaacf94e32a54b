// The OpenMP team of the calling thread: the threads that compute the model's
// graphs there, awake for a while behind each.
#pragma once

#include <cstdint>

namespace rp {

// Calls f(data) on n threads, the caller being one of them, and returns when all
// have. n should be what the graphs are computed with: another number makes OpenMP
// end threads and start them. f does not throw. Without OpenMP the caller alone calls
// f; work is therefore to be shared out by f itself.
void on_team(int32_t n, void (*f)(void *), void * data);

} // namespace rp
