// The compute threads that OpenMP keeps for each thread that computes.
#include "team.h"

#include "shim.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>

#ifdef __linux__
#include <sched.h>
#endif

// Weak: a build without OpenMP has none. GOMP_parallel is what a compiler makes of
// "#pragma omp parallel" for GCC's runtime; LLVM's has it too.
extern "C" {
int  omp_pause_resource_all(int kind) __attribute__((weak));
void GOMP_parallel(void (*f)(void *), void * data, unsigned threads, unsigned flags) __attribute__((weak));
}

namespace rp {

void on_team(int32_t n, void (*f)(void *), void * data) {
    if (n > 1 && GOMP_parallel) {
        GOMP_parallel(f, data, (unsigned) n, 0);
    } else {
        f(data);
    }
}

} // namespace rp

extern "C" {

void rp_threads_release(void) {
    constexpr int soft = 1; // omp_pause_soft of the OpenMP 5.0 API
    if (omp_pause_resource_all) {
        omp_pause_resource_all(soft);
    }
}

#ifdef __linux__

int32_t rp_threads_pin(int32_t n, const int32_t * cpus, int32_t n_cpus) {
    struct job {
        cpu_set_t            set;
        std::atomic<int32_t> error{0};
    } j;
    CPU_ZERO(&j.set);
    for (int32_t i = 0; i < n_cpus; i++) {
        if (cpus[i] < 0 || cpus[i] >= CPU_SETSIZE) {
            return EINVAL;
        }
        CPU_SET(cpus[i], &j.set);
    }
    rp::on_team(
        n,
        [](void * data) {
            job * j = (job *) data;
            if (sched_setaffinity(0, sizeof(j->set), &j->set) != 0) {
                j->error.store(errno);
            }
        },
        &j);
    return j.error.load();
}

#else

int32_t rp_threads_pin(int32_t, const int32_t *, int32_t) {
    return ENOSYS;
}

#endif

} // extern "C"
