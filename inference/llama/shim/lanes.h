// Vectors of floats as wide as the processor's registers, for attention.cpp.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__F16C__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "ggml.h"

namespace rp {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#else
constexpr int lanes = 8;
#endif

typedef float   vfloat __attribute__((vector_size(lanes * sizeof(float)), aligned(4)));
typedef int32_t vint __attribute__((vector_size(lanes * sizeof(int32_t)), aligned(4)));

inline vfloat load(const float * p) {
    return *reinterpret_cast<const vfloat *>(p);
}

inline void store(float * p, vfloat v) {
    *reinterpret_cast<vfloat *>(p) = v;
}

inline vfloat all(float x) {
    return x - vfloat{};
}

// x·y + z in one rounding where the processor can.
inline vfloat fma(vfloat x, vfloat y, vfloat z) {
#if defined(__AVX512F__)
    return (vfloat) _mm512_fmadd_ps((__m512) x, (__m512) y, (__m512) z);
#elif defined(__FMA__)
    return (vfloat) _mm256_fmadd_ps((__m256) x, (__m256) y, (__m256) z);
#else
    return x * y + z;
#endif
}

// Lane l of the result is the sum of all lanes with l's place in the pair: those of
// a where bit `far` of l is clear, those of b where it is set.
template <int far> inline vfloat merge(vfloat a, vfloat b) {
    vint here, there;
    for (int l = 0; l < lanes; l++) {
        here[l]  = l & far ? lanes + l : l;
        there[l] = l & far ? lanes + (l ^ far) : l ^ far;
    }
    return __builtin_shuffle(a, b, here) + __builtin_shuffle(a, b, there);
}

// Lane l of the result is the sum of the lanes of a[l], added in one fixed order.
inline vfloat sums(const vfloat * a) {
    vfloat t[lanes / 2];
    for (int i = 0; i < lanes / 2; i++) {
        t[i] = merge<lanes / 2>(a[i], a[i + lanes / 2]);
    }
    for (int i = 0; i < lanes / 4; i++) {
        t[i] = merge<lanes / 4>(t[i], t[i + lanes / 4]);
    }
    for (int i = 0; i < lanes / 8; i++) {
        t[i] = merge<lanes / 8>(t[i], t[i + lanes / 8]);
    }
    if constexpr (lanes == 16) {
        t[0] = merge<1>(t[0], t[1]);
    }
    return t[0];
}

inline float sum(vfloat v) {
    float s[lanes];
    store(s, v);
    for (int n = lanes / 2; n > 0; n /= 2) {
        for (int i = 0; i < n; i++) {
            s[i] += s[i + n];
        }
    }
    return s[0];
}

// e^x for x ≤ 0, 0 below −87: the argument is reduced by multiples of ln 2, the rest
// is Taylor's polynomial of degree 6, whose remainder on ±ln 2 / 2 is below 1.3 · 10⁻⁷.
inline vfloat exponential(vfloat x) {
    const vfloat magic = all(12582912.0f); // 1.5 · 2²³ rounds to an integer
    const vint   live  = x > all(-87.0f);
    const vfloat n     = fma(x, all(1.44269504f), magic);
    const vfloat k     = n - magic;
    vfloat       r     = fma(k, all(-0.693359375f), x);
    r                  = fma(k, all(2.12194440e-4f), r);
    vfloat p           = all(1.0f / 720);
    p                  = fma(p, r, all(1.0f / 120));
    p                  = fma(p, r, all(1.0f / 24));
    p                  = fma(p, r, all(1.0f / 6));
    p                  = fma(p, r, all(0.5f));
    p                  = fma(p, r, all(1.0f));
    p                  = fma(p, r, all(1.0f));
    const vint scaled  = (vint) p + (((vint) n - (vint) magic) << 23);
    return (vfloat) (scaled & live);
}

// n floats, a multiple of lanes, of half precision.
inline void widen(const ggml_fp16_t * src, float * dst, int n) {
#if defined(__AVX512F__)
    for (int i = 0; i < n; i += lanes) {
        store(dst + i, (vfloat) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (src + i))));
    }
#elif defined(__F16C__)
    for (int i = 0; i < n; i += lanes) {
        store(dst + i, (vfloat) _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) (src + i))));
    }
#else
    ggml_fp16_to_fp32_row(src, dst, n);
#endif
}

} // namespace rp
