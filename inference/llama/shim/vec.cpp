// Loops over a row of logits, written so that the compiler vectorises them, and
// compiled once for plain x86-64 and once for AVX2 machines: the shim itself may
// be built for any.
#include "vec.h"

#include <cmath>
#include <cstring>

#pragma GCC optimize("O3", "no-trapping-math", "no-signed-zeros")

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define RP_CLONES __attribute__((target_clones("arch=haswell", "default")))
#else
#define RP_CLONES
#endif

namespace rp {

RP_CLONES float row_max(const float * x, size_t n) {
    float m[lanes];
    for (size_t j = 0; j < lanes; j++) {
        m[j] = -INFINITY;
    }
    size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        for (size_t j = 0; j < lanes; j++) {
            m[j] = x[i + j] > m[j] ? x[i + j] : m[j];
        }
    }
    float best = -INFINITY;
    for (size_t j = 0; j < lanes; j++) {
        best = m[j] > best ? m[j] : best;
    }
    for (; i < n; i++) {
        best = x[i] > best ? x[i] : best;
    }
    return best;
}

int32_t row_argmax(const float * x, size_t n) {
    constexpr size_t block = 2048;
    float            best  = -INFINITY;
    size_t           at    = n;
    for (size_t i = 0; i < n; i += block) {
        const size_t len = n - i < block ? n - i : block;
        const float  m   = row_max(x + i, len);
        if (m > best) {
            best = m;
            at   = i;
        }
    }
    for (size_t i = at; i < n; i++) {
        if (x[i] == best) {
            return (int32_t) i;
        }
    }
    return -1;
}

// exp of 256 values ≤ 0 by 2^n · e^r; below −86 it is 0. The scales are built as
// integers in an array of their own, because a cast value by value would keep
// the compiler from using vectors.
static inline __attribute__((always_inline)) void exp_block(const float * x, size_t len, float max, float inv, float * out) {
    float   power[256];
    float   scale[256];
    int32_t bits[256];
    for (size_t j = 0; j < len; j++) {
        float c = (x[j] - max) * inv;
        c       = c < -87.5f ? -87.5f : c;

        const int32_t n = (int32_t) (c * 1.44269504088896341f - 0.5f);
        const float   f = (float) n;
        const float   r = (c - f * 0.693359375f) + f * 2.12194440e-4f;
        float         p = 1.0f / 5040;
        p               = p * r + 1.0f / 720;
        p               = p * r + 1.0f / 120;
        p               = p * r + 1.0f / 24;
        p               = p * r + 1.0f / 6;
        p               = p * r + 0.5f;
        p               = p * r + 1.0f;
        p               = p * r + 1.0f;
        power[j]        = p;
        bits[j]         = (n + 127) << 23;
    }
    memcpy(scale, bits, sizeof(bits));
    for (size_t j = 0; j < len; j++) {
        const float v = power[j] * scale[j];
        out[j]        = v < 3e-38f ? 0.0f : v;
    }
}

RP_CLONES double row_exp_sum(const float * x, size_t n, float max, float inv, float * out) {
    double total = 0;
    float  tmp[256];
    for (size_t i = 0; i < n; i += 256) {
        const size_t len = n - i < 256 ? n - i : 256;
        float *      o   = out ? out + i : tmp;
        exp_block(x + i, len, max, inv, o);
        float  part[lanes] = {0};
        size_t j           = 0;
        for (; j + lanes <= len; j += lanes) {
            for (size_t k = 0; k < lanes; k++) {
                part[k] += o[j + k];
            }
        }
        double sum = 0;
        for (size_t k = 0; k < lanes; k++) {
            sum += part[k];
        }
        for (; j < len; j++) {
            sum += o[j];
        }
        total += sum;
    }
    return total;
}

RP_CLONES size_t row_pick(const float * p, size_t n, double target) {
    double run  = 0;
    size_t last = n;
    for (size_t i = 0; i < n; i += 256) {
        const size_t len = n - i < 256 ? n - i : 256;
        double       sum = 0;
        for (size_t j = 0; j < len; j++) {
            sum += p[i + j];
        }
        if (run + sum < target && i + len < n) {
            run += sum;
            continue;
        }
        for (size_t j = 0; j < len; j++) {
            run += p[i + j];
            if (p[i + j] > 0) {
                last = i + j;
                if (run >= target) {
                    return last;
                }
            }
        }
    }
    return last;
}

RP_CLONES bool row_reaches(const float * x, float least) {
    int any = 0;
    for (size_t j = 0; j < lanes; j++) {
        any |= x[j] >= least;
    }
    return any != 0;
}

} // namespace rp
