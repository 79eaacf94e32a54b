// Loops over a row of logits, written so that the compiler can vectorise them.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace rp {

constexpr size_t lanes = 16;

// The largest value; NaN never wins.
inline float row_max(const float * x, size_t n) {
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

// The first index of the largest value, −1 when there is none (all −inf or NaN).
inline int32_t row_argmax(const float * x, size_t n) {
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

// exp for x ≤ 0, relative error below 3e-7; below −87 it is 0.
inline float fast_exp(float x) {
    const float magic = 12582912.0f; // 1.5 · 2²³: adding it rounds to an integer
    const float c     = x < -87.0f ? -87.0f : x;
    const float z     = c * 1.44269504088896341f + magic;
    const float n     = z - magic;
    const float r     = (c - n * 0.693359375f) + n * 2.12194440e-4f;
    float       p     = 1.0f / 5040;
    p                 = p * r + 1.0f / 720;
    p                 = p * r + 1.0f / 120;
    p                 = p * r + 1.0f / 24;
    p                 = p * r + 1.0f / 6;
    p                 = p * r + 0.5f;
    p                 = p * r + 1.0f;
    p                 = p * r + 1.0f;
    int32_t bits;
    memcpy(&bits, &z, 4);
    bits = (bits + 127) << 23; // the integer sits in the low bits of z
    float scale;
    memcpy(&scale, &bits, 4);
    const float v = p * scale;
    return x < -87.0f ? 0.0f : v;
}

// out[i] = exp((x[i] − max) · inv); returns the sum. out may be null.
inline double row_exp_sum(const float * x, size_t n, float max, float inv, float * out) {
    double total = 0;
    float  tmp[256];
    for (size_t i = 0; i < n; i += 256) {
        const size_t len = n - i < 256 ? n - i : 256;
        float *      o   = out ? out + i : tmp;
        for (size_t j = 0; j < len; j++) {
            o[j] = fast_exp((x[i + j] - max) * inv);
        }
        float part[lanes] = {0};
        size_t j = 0;
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

} // namespace rp
