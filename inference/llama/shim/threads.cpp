// The compute threads that OpenMP keeps for each thread that computes.
#include "shim.h"

// Weak: a build without OpenMP has none.
extern "C" int omp_pause_resource_all(int kind) __attribute__((weak));

extern "C" void rp_threads_release(void) {
    constexpr int soft = 1; // omp_pause_soft of the OpenMP 5.0 API
    if (omp_pause_resource_all) {
        omp_pause_resource_all(soft);
    }
}
