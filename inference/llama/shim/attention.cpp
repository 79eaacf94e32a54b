// Attention on the processor, in the place of the library's.
//
// The library has three kernels and takes one by the rows of a step and the cells
// in use, so that sums change with the company; the one for few rows works cell by
// cell. This one gives a row the same bits whatever else is computed: it goes
// through the row's own cells in the order of the buffer, in segments that are
// counted in those cells, and adds everything in an order that depends on nothing
// but their number. Rows of a sequence, and heads that share keys, read a tile of
// keys and values once. Threads, the rows of a step, and where the cells lie decide
// only who computes what.
//
// Within a segment softmax needs no rescaling: all scores are there before the
// first value is added (two passes, as in Milakov and Gimelshein 2018); segments
// are joined one after the other as in FlashAttention (Dao 2022).
//
// The linker puts it there (--wrap in native_flags.go); what it does not know goes
// to the library.
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized" // in the compiler's own header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <algorithm>
#include <atomic>
#include <vector>

#include "ggml-cpu-impl.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "lanes.h"

extern "C" {
// Weak: in the flavour with shared libraries nothing is wrapped.
__attribute__((weak)) void __real_ggml_compute_forward_flash_attn_ext(const ggml_compute_params * params, ggml_tensor * dst);
void                       __wrap_ggml_compute_forward_flash_attn_ext(const ggml_compute_params * params, ggml_tensor * dst);
}

namespace rp {
namespace {

constexpr int segment   = 256; // own cells whose scores are held at a time
constexpr int tile      = 64;  // cells whose keys or values are widened at a time
constexpr int most_rows = 16;  // of one sequence, computed together
constexpr int most_head = 256; // widest head
constexpr int most_share = 64; // query heads of a key head

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

// One query: a row and a head, with what has been added up for it.
struct query {
    int     row, head, cells; // cells: how many of the list it attends to
    float * q;                // dk floats, scaled
    float * score;            // segment floats
    float * out;              // dv floats
    float   max, sum;         // of the segments so far
};

// A thread's own memory.
struct scratch {
    std::vector<int32_t> list, next;
    std::vector<query>   queries;
    std::vector<float>   room;
    alignas(64) float tiles[tile * most_head];
    alignas(64) float add[most_head];

    void prepare(const job & j, int n) {
        list.resize((size_t) j.cells + lanes);
        next.resize((size_t) j.cells + lanes);
        queries.resize((size_t) n);
        const size_t each = (size_t) j.dk + segment + j.dv;
        if (room.size() < each * (size_t) n) {
            room.resize(each * (size_t) n);
        }
        for (int i = 0; i < n; i++) {
            queries[i].q     = room.data() + each * (size_t) i;
            queries[i].score = queries[i].q + j.dk;
            queries[i].out   = queries[i].score + segment;
        }
    }
};

thread_local scratch mine;

void widen_tile(const ggml_tensor * t, int head, const int32_t * cells, int n, int width, float * out) {
    const char * base = (const char *) t->data + (size_t) head * t->nb[2];
    if (t->type == GGML_TYPE_F16) {
        for (int i = 0; i < n; i++) {
            widen((const ggml_fp16_t *) (base + (size_t) cells[i] * t->nb[1]), out + (size_t) i * width, width);
        }
        return;
    }
    const auto to_float = ggml_get_type_traits(t->type)->to_float;
    for (int i = 0; i < n; i++) {
        to_float(base + (size_t) cells[i] * t->nb[1], out + (size_t) i * width, width);
    }
}

// Scores of a query against n keys, n a multiple of lanes.
void score_tile(const float * q, const float * keys, int dk, int n, float * out) {
    for (int i = 0; i < n; i += lanes) {
        vfloat acc[lanes] = {};
        for (int d = 0; d < dk; d += lanes) {
            const vfloat x = load(q + d);
#pragma GCC unroll 16
            for (int c = 0; c < lanes; c++) {
                acc[c] = fma(x, load(keys + (size_t) (i + c) * dk + d), acc[c]);
            }
        }
        store(out + i, sums(acc));
    }
}

// Turns the n scores of a segment into weights: e to the score less the greatest,
// 0 behind the end. Returns the greatest and the weights' sum.
void weigh(float * score, int n, float & max, float & total) {
    const int padded = (n + lanes - 1) / lanes * lanes;
    for (int i = n; i < padded; i++) {
        score[i] = -INFINITY;
    }
    vfloat m = load(score);
    for (int i = lanes; i < padded; i += lanes) {
        const vfloat s = load(score + i);
        m              = m > s ? m : s;
    }
    max = m[0];
    for (int l = 1; l < lanes; l++) {
        max = std::max(max, m[l]);
    }
    vfloat add = {};
    for (int i = 0; i < padded; i += lanes) {
        const vfloat w = exponential(load(score + i) - all(max));
        store(score + i, w);
        add += w;
    }
    total = sum(add);
}

// Adds n weighted values to count queries' sums, 4 · lanes columns or fewer.
template <int count, int columns> void add_values(query * const * q, int from, const float * values, int dv, int at, int n) {
    vfloat acc[count][columns];
    for (int i = 0; i < count; i++) {
        for (int c = 0; c < columns; c++) {
            acc[i][c] = load(q[i]->out + at + c * lanes);
        }
    }
    for (int t = 0; t < n; t++) {
        vfloat v[columns];
        for (int c = 0; c < columns; c++) {
            v[c] = load(values + (size_t) t * dv + at + c * lanes);
        }
        for (int i = 0; i < count; i++) {
            const vfloat w = all(q[i]->score[from + t]);
            for (int c = 0; c < columns; c++) {
                acc[i][c] = fma(w, v[c], acc[i][c]);
            }
        }
    }
    for (int i = 0; i < count; i++) {
        for (int c = 0; c < columns; c++) {
            store(q[i]->out + at + c * lanes, acc[i][c]);
        }
    }
}

template <int count> void add_values_of(query * const * q, int from, const float * values, int dv, int n) {
    int at = 0;
    for (; at + 4 * lanes <= dv; at += 4 * lanes) {
        add_values<count, 4>(q, from, values, dv, at, n);
    }
    for (; at + 2 * lanes <= dv; at += 2 * lanes) {
        add_values<count, 2>(q, from, values, dv, at, n);
    }
    for (; at < dv; at += lanes) {
        add_values<count, 1>(q, from, values, dv, at, n);
    }
}

#if defined(__AVX512F__)
constexpr int together = 4; // queries whose sums are held in registers
#else
constexpr int together = 2;
#endif

// One segment of the list for n queries with the same keys. score and out hold the
// segment's own weights and sums behind it, max and total what weigh() gave.
void run_segment(const job & j, scratch & s, int head_kv, int first, query * qs, int n, float * max, float * total) {
    int end = 0;
    for (int i = 0; i < n; i++) {
        end = std::max(end, std::min(qs[i].cells - first, segment));
    }
    const int32_t * list = s.list.data() + first;
    for (int t = 0; t < end; t += tile) {
        const int have = std::min(tile, end - t), full = (have + lanes - 1) / lanes * lanes;
        widen_tile(j.k, head_kv, list + t, have, j.dk, s.tiles);
        std::fill(s.tiles + (size_t) have * j.dk, s.tiles + (size_t) full * j.dk, 0.0f);
        for (int i = 0; i < n; i++) {
            const int need = std::min(qs[i].cells - first - t, have);
            if (need > 0) {
                score_tile(qs[i].q, s.tiles, j.dk, (need + lanes - 1) / lanes * lanes, qs[i].score + t);
            }
        }
    }
    for (int i = 0; i < n; i++) {
        const int own = std::min(qs[i].cells - first, segment);
        max[i]        = -INFINITY;
        total[i]      = 0;
        if (own > 0) {
            weigh(qs[i].score, own, max[i], total[i]);
            std::fill(qs[i].score + own, qs[i].score + segment, 0.0f);
        }
        std::fill(qs[i].out, qs[i].out + j.dv, 0.0f);
    }
    for (int t = 0; t < end; t += tile) {
        const int have = std::min(tile, end - t);
        widen_tile(j.v, head_kv, list + t, have, j.dv, s.tiles);
        query * group[together];
        int     held = 0;
        auto    flush = [&] {
            if (held == together) {
                add_values_of<together>(group, t, s.tiles, j.dv, have);
            } else {
                for (int i = 0; i < held; i++) {
                    add_values_of<1>(group + i, t, s.tiles, j.dv, have);
                }
            }
            held = 0;
        };
        for (int i = 0; i < n; i++) {
            if (qs[i].cells - first - t > 0) {
                group[held++] = &qs[i];
                if (held == together) {
                    flush();
                }
            }
        }
        flush();
    }
}

// Joins a segment (max, total, out) to what was before it (m, sum, acc).
void join(float & m, float & total, float * acc, float max_seg, float total_seg, const float * out, int dv) {
    if (total_seg == 0) {
        return;
    }
    if (total == 0) {
        m     = max_seg;
        total = total_seg;
        memcpy(acc, out, sizeof(float) * (size_t) dv);
        return;
    }
    const float both = std::max(m, max_seg), before = expf(m - both), behind = expf(max_seg - both);
    for (int d = 0; d < dv; d += lanes) {
        store(acc + d, fma(load(acc + d), all(before), load(out + d) * all(behind)));
    }
    total = total * before + total_seg * behind;
    m     = both;
}

void finish(float * out, const float * acc, float total, int dv) {
    const float inverse = total > 0 ? 1 / total : 0;
    for (int d = 0; d < dv; d += lanes) {
        store(out + d, load(acc + d) * all(inverse));
    }
}

void set_query(const job & j, query & q, int row, int head, int cells) {
    q.row          = row;
    q.head         = head;
    q.cells        = cells;
    const float *x = (const float *) ((const char *) j.q->data + (size_t) row * j.q->nb[1] + (size_t) head * j.q->nb[2]);
    for (int d = 0; d < j.dk; d += lanes) {
        store(q.q + d, load(x + d) * all(j.scale));
    }
}

// Rows first … first+n−1, whose lists are beginnings of s.list, with one key head.
void run_rows(const job & j, scratch & s, int head_kv, int first, int n, const int * cells) {
    const int count = n * j.share;
    for (int i = 0; i < count; i++) {
        set_query(j, s.queries[i], first + i / j.share, head_kv * j.share + i % j.share, cells[i / j.share]);
        s.queries[i].max = s.queries[i].sum = 0;
    }
    float max[most_rows * most_share], total[most_rows * most_share];
    int   longest = 0;
    for (int i = 0; i < n; i++) {
        longest = std::max(longest, cells[i]);
    }
    for (int at = 0; at < longest; at += segment) {
        run_segment(j, s, head_kv, at, s.queries.data(), count, max, total);
        for (int i = 0; i < count; i++) {
            query & q = s.queries[i];
            join(q.max, q.sum, j.out(q.row, q.head), max[i], total[i], q.out, j.dv);
        }
    }
    for (int i = 0; i < count; i++) {
        query & q = s.queries[i];
        finish(j.out(q.row, q.head), j.out(q.row, q.head), q.sum, j.dv);
    }
}

// Many rows: a thread takes a few rows with all their cells, and all key heads where
// there are rows enough: the rows' lists are made once then.
void by_rows(const job & j, scratch & s, const ggml_compute_params * params, int block) {
    const int  blocks = (j.rows + block - 1) / block;
    const bool whole  = blocks >= 4 * params->nth;
    s.prepare(j, block * j.share);
    for (int b = 0; b < blocks; b++) {
        if (whole && b % params->nth != params->ith) {
            continue;
        }
        const int last = std::min(j.rows, (b + 1) * block);
        for (int row = b * block; row < last;) {
            int cells[most_rows], n = 0;
            for (; row + n < last; n++) {
                int have = attended(j.masks(row + n), j.cells, s.next.data());
                if (n > 0 && (have < cells[n - 1] || memcmp(s.next.data(), s.list.data(), sizeof(int32_t) * (size_t) cells[n - 1]) != 0)) {
                    break;
                }
                std::swap(s.next, s.list);
                cells[n] = have;
            }
            for (int h = 0; h < j.heads_kv; h++) {
                if (whole || (b * j.heads_kv + h) % params->nth == params->ith) {
                    run_rows(j, s, h, row, n, cells);
                }
            }
            row += n;
        }
    }
}

// Few rows: the segments of a row are divided too. Each leaves its sums behind,
// which are joined in order when all are there.
void by_segments(const job & j, scratch & s, const ggml_compute_params * params, int most_segments) {
    const int each = j.dv + 2;
    auto      kept = [&](int row, int head, int seg) {
        return (float *) params->wdata + (((size_t) row * j.heads + head) * most_segments + seg) * each;
    };
    s.prepare(j, j.share);
    int task = 0;
    for (int row = 0; row < j.rows; row++) {
        const int cells = attended(j.masks(row), j.cells, s.list.data());
        for (int h = 0; h < j.heads_kv; h++) {
            for (int at = 0; at < cells; at += segment) {
                if (task++ % params->nth != params->ith) {
                    continue;
                }
                for (int i = 0; i < j.share; i++) {
                    set_query(j, s.queries[i], row, h * j.share + i, cells);
                }
                float max[most_share], total[most_share];
                run_segment(j, s, h, at, s.queries.data(), j.share, max, total);
                for (int i = 0; i < j.share; i++) {
                    float * to = kept(row, h * j.share + i, at / segment);
                    to[0]      = max[i];
                    to[1]      = total[i];
                    memcpy(to + 2, s.queries[i].out, sizeof(float) * (size_t) j.dv);
                }
            }
        }
    }
    ggml_barrier(params->threadpool);
    for (int row = 0; row < j.rows; row++) {
        const int cells = attended(j.masks(row), j.cells, s.list.data());
        for (int head = params->ith; head < j.heads; head += params->nth) {
            float m = 0, total = 0;
            for (int at = 0; at < cells; at += segment) {
                const float * part = kept(row, head, at / segment);
                join(m, total, s.add, part[0], part[1], part + 2, j.dv);
            }
            if (total == 0) {
                std::fill(s.add, s.add + j.dv, 0.0f);
            }
            finish(j.out(row, head), s.add, total, j.dv);
        }
    }
}

} // namespace
} // namespace rp

static std::atomic<int64_t> computed{0}, handed_on{0};

extern "C" int64_t rp_attention_count(bool own) {
    return own ? computed.load() : handed_on.load();
}

extern "C" void __wrap_ggml_compute_forward_flash_attn_ext(const ggml_compute_params * params, ggml_tensor * dst) {
    const bool own = !params->use_ref && rp::known(dst);
    if (params->ith == 0) {
        (own ? computed : handed_on).fetch_add(1, std::memory_order_relaxed);
    }
    if (!own) {
        __real_ggml_compute_forward_flash_attn_ext(params, dst);
        return;
    }
    const rp::job j(dst);
    // Every thread comes to the same choice.
    const int    segments = (j.cells + rp::segment - 1) / rp::segment;
    const size_t need     = sizeof(float) * (size_t) j.rows * (size_t) j.heads * (size_t) segments * (size_t) (j.dv + 2);
    if (j.rows * j.heads_kv < 4 * params->nth && need <= params->wsize) {
        rp::by_segments(j, rp::mine, params, segments);
        return;
    }
    int block = std::min(rp::most_rows, std::max(1, rp::most_share / j.share));
    while (block > 1 && (j.rows + block - 1) / block * j.heads_kv < 4 * params->nth) {
        block /= 2;
    }
    rp::by_rows(j, rp::mine, params, block);
}
