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
int  omp_get_thread_num(void) __attribute__((weak));
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

#ifdef __linux__

// The list that the thread was put on last.
static thread_local uint32_t settled = 0;

int32_t settle(places & p, int32_t n) {
    static std::atomic<uint32_t> lists{0};
    if (p.cpus.empty()) {
        return 0;
    }
    if (n != p.threads) {
        p.threads = n;
        p.number  = ++lists;
    }
    struct job {
        const places &       p;
        std::atomic<int32_t> error{0};
    } j{p};
    on_team(
        n,
        [](void * data) {
            job &          j = *(job *) data;
            const places & p = j.p;
            if (settled == p.number) {
                return;
            }
            const size_t i    = p.threads > 1 && omp_get_thread_num ? (size_t) omp_get_thread_num() : 0;
            const size_t all  = p.cpus.size(), n = (size_t) p.threads;
            const size_t from = i * all / n, to = (i + 1) * all / n;
            cpu_set_t    set;
            CPU_ZERO(&set);
            for (size_t k = from; k < (to > from ? to : from + 1); k++) {
                CPU_SET(p.cpus[k], &set);
            }
            if (sched_setaffinity(0, sizeof(set), &set) != 0) {
                j.error.store(errno);
            } else {
                settled = p.number;
            }
        },
        &j);
    return j.error.load();
}

#else

int32_t settle(places & p, int32_t) {
    return p.cpus.empty() ? 0 : ENOSYS;
}

#endif

} // namespace rp

extern "C" {

void rp_threads_release(void) {
    constexpr int soft = 1; // omp_pause_soft of the OpenMP 5.0 API
    if (omp_pause_resource_all) {
        omp_pause_resource_all(soft);
    }
}

} // extern "C"
