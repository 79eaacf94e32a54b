// What a call of attention.cpp works on: the tensors, whether they are of a kind
// that it knows, and which cells a row attends to.
#pragma once

#include <algorithm>
#include <cstring>

#include "ggml.h"
#include "lanes.h"

namespace rp {
namespace {

constexpr int segment   = 256; // own cells whose scores are held at a time
constexpr int tile      = 64;  // cells whose keys or values are widened at a time
constexpr int most_rows = 16;  // of one sequence, computed together
constexpr int most_skip = 32;  // cells by which the windows of rows computed together begin later than the first's
constexpr int most_head = 256; // widest head
constexpr int most_share = 64; // query heads of a key head
constexpr int run = segment + most_skip + lanes; // cells of a segment of rows computed together, and what is padded

// What a call works on.
struct job {
    const ggml_tensor *q, *k, *v, *mask;
    ggml_tensor *      dst;
    int                dk, dv, heads, heads_kv, share, rows, cells;
    float              scale;

    explicit job(ggml_tensor * d) : q(d->src[0]), k(d->src[1]), v(d->src[2]), mask(d->src[3]), dst(d) {
        dk       = (int) k->ne[0];
        dv       = (int) v->ne[0];
        heads    = (int) q->ne[2];
        heads_kv = (int) k->ne[2];
        share    = heads_kv > 0 ? heads / heads_kv : 0;
        rows     = (int) q->ne[1];
        cells    = (int) k->ne[1];
        memcpy(&scale, (const float *) d->op_params, sizeof(float));
    }

    const ggml_fp16_t * masks(int row) const { return (const ggml_fp16_t *) ((const char *) mask->data + (size_t) row * mask->nb[1]); }

    float * out(int row, int head) const { return (float *) ((char *) dst->data + ((size_t) row * dst->ne[1] + head) * dst->nb[1]); }
};

bool wide(const ggml_tensor * t) {
    return t->type == GGML_TYPE_F16 || t->type == GGML_TYPE_BF16 || t->type == GGML_TYPE_Q8_0 || t->type == GGML_TYPE_Q4_0;
}

// Whether a call is one of those that this file is for.
bool known(const ggml_tensor * d) {
    const ggml_tensor *q = d->src[0], *k = d->src[1], *v = d->src[2], *mask = d->src[3];
    float              bias, cap;
    memcpy(&bias, (const float *) d->op_params + 1, sizeof(float));
    memcpy(&cap, (const float *) d->op_params + 2, sizeof(float));
    return mask && !d->src[4] && bias == 0 && cap == 0 && q->type == GGML_TYPE_F32 && wide(k) && wide(v) && mask->type == GGML_TYPE_F16 &&
           q->ne[3] == 1 && k->ne[3] == 1 && v->ne[3] == 1 && mask->ne[2] == 1 && mask->ne[3] == 1 && k->ne[0] % 32 == 0 && v->ne[0] % 32 == 0 &&
           k->ne[0] <= most_head && v->ne[0] <= most_head && q->ne[0] == k->ne[0] && v->ne[2] == k->ne[2] && v->ne[1] == k->ne[1] &&
           q->ne[2] % k->ne[2] == 0 && q->ne[2] / k->ne[2] <= most_share && d->ne[0] == v->ne[0] && d->ne[1] == q->ne[2] && mask->ne[1] >= q->ne[1] && mask->ne[0] >= k->ne[1] &&
           q->nb[0] == sizeof(float) && d->nb[0] == sizeof(float) && mask->nb[0] == sizeof(ggml_fp16_t);
}

// The cells that a row attends to. The mask is 0 there and −∞ elsewhere: models
// with another bias are not known().
int attended(const ggml_fp16_t * mask, int n, int32_t * out) {
    int at = 0, i = 0;
#if defined(__AVX512BW__)
    for (; i + 32 <= n; i += 32) {
        const __m512i word = _mm512_loadu_si512((const void *) (mask + i));
        for (uint32_t bits = _mm512_testn_epi16_mask(word, word); bits; bits &= bits - 1) {
            out[at++] = i + __builtin_ctz(bits);
        }
    }
#else
    for (; i + 4 <= n; i += 4) { // four −∞ at once, as most are
        uint64_t word;
        memcpy(&word, mask + i, sizeof(word));
        if (word == 0xFC00FC00FC00FC00u) {
            continue;
        }
        for (int j = i; j < i + 4; j++) {
            if (mask[j] == 0) {
                out[at++] = j;
            }
        }
    }
#endif
    for (; i < n; i++) {
        if (mask[i] == 0) {
            out[at++] = i;
        }
    }
    return at;
}

// Where a row's list of n cells lies in the list of the rows before it, had cells
// long, whose last one began at `from`; −1 where it is no run of that list, or one
// that goes on behind it.
int found(const int32_t * list, int had, int from, const int32_t * row, int n) {
    const int last = std::min(had, most_skip + 1);
    while (from < last && n > 0 && list[from] != row[0]) {
        from++;
    }
    const bool same = from < last && n >= had - from && memcmp(list + from, row, sizeof(int32_t) * (size_t) (had - from)) == 0;
    return same ? from : -1;
}

} // namespace
} // namespace rp
