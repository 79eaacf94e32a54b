// One segment of attention.cpp: scores of queries against keys, their weights, and
// the weighted sum of values.
#pragma once

#include <algorithm>
#include <vector>

#include "attention_job.h"

namespace rp {
namespace {

// One query: a row and a head, with what has been added up for it. It attends to
// `cells` of the list, the first of which is the list's `skip`-th.
struct query {
    int     row, head, skip, cells;
    float * q;        // dk floats, scaled
    float * score;    // run floats: a run's own weights, 0 elsewhere
    float * out;      // dv floats
    float   max, sum; // of the segments so far

    // How many cells of its segment from `first` on it has.
    int own(int first) const { return std::clamp(cells - first, 0, segment); }
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
        const size_t each = (size_t) j.dk + run + j.dv;
        if (room.size() < each * (size_t) n) {
            room.resize(each * (size_t) n);
        }
        for (int i = 0; i < n; i++) {
            queries[i].q     = room.data() + each * (size_t) i;
            queries[i].score = queries[i].q + j.dk;
            queries[i].out   = queries[i].score + run;
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

// Adds weighted values of a tile, its cells from … to−1, to count queries' sums,
// 4 · lanes columns or fewer. The tile begins at `tile_at` of the run.
template <int count, int columns> void add_values(query * const * q, int tile_at, const float * values, int dv, int at, int from, int to) {
    vfloat acc[count][columns];
    for (int i = 0; i < count; i++) {
        for (int c = 0; c < columns; c++) {
            acc[i][c] = load(q[i]->out + at + c * lanes);
        }
    }
    for (int t = from; t < to; t++) {
        vfloat v[columns];
        for (int c = 0; c < columns; c++) {
            v[c] = load(values + (size_t) t * dv + at + c * lanes);
        }
        for (int i = 0; i < count; i++) {
            const vfloat w = all(q[i]->score[tile_at + t]);
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

template <int count> void add_values_of(query * const * q, int tile_at, const float * values, int dv, int from, int to) {
    int at = 0;
    for (; at + 4 * lanes <= dv; at += 4 * lanes) {
        add_values<count, 4>(q, tile_at, values, dv, at, from, to);
    }
    for (; at + 2 * lanes <= dv; at += 2 * lanes) {
        add_values<count, 2>(q, tile_at, values, dv, at, from, to);
    }
    for (; at < dv; at += lanes) {
        add_values<count, 1>(q, tile_at, values, dv, at, from, to);
    }
}

#if defined(__AVX512F__)
constexpr int together = 4; // queries whose sums are held in registers
#else
constexpr int together = 2;
#endif

// The segment of n queries with the same keys that begins with the first-th own cell
// of each. What they attend to overlaps, so that one run of the list holds all:
// queries whose windows begin later have theirs further back in it. score and out
// hold the segment's own weights and sums behind it, max and total what weigh() gave.
void run_segment(const job & j, scratch & s, int head_kv, int first, query * qs, int n, float * max, float * total) {
    int begin = INT32_MAX, end = 0; // of the run, in the list
    for (int i = 0; i < n; i++) {
        if (const int own = qs[i].own(first); own > 0) {
            begin = std::min(begin, qs[i].skip + first);
            end   = std::max(end, qs[i].skip + first + own);
        }
    }
    const int       length = std::max(end - begin, 0);
    const int32_t * list   = s.list.data() + (length > 0 ? begin : 0);
    for (int t = 0; t < length; t += tile) {
        const int have = std::min(tile, length - t), full = (have + lanes - 1) / lanes * lanes;
        widen_tile(j.k, head_kv, list + t, have, j.dk, s.tiles);
        std::fill(s.tiles + (size_t) have * j.dk, s.tiles + (size_t) full * j.dk, 0.0f);
        for (int i = 0; i < n; i++) {
            const int at = qs[i].skip + first - begin, low = std::max(at - t, 0), high = std::min(at + qs[i].own(first) - t, have);
            if (high > low) {
                const int from = low / lanes * lanes;
                score_tile(qs[i].q, s.tiles + (size_t) from * j.dk, j.dk, (high - from + lanes - 1) / lanes * lanes, qs[i].score + t + from);
            }
        }
    }
    for (int i = 0; i < n; i++) {
        const int at = qs[i].skip + first - begin, own = qs[i].own(first);
        max[i]   = -INFINITY;
        total[i] = 0;
        if (own > 0) {
            weigh(qs[i].score + at, own, max[i], total[i]);
            std::fill(qs[i].score, qs[i].score + at, 0.0f);
            std::fill(qs[i].score + at + own, qs[i].score + run, 0.0f);
        }
        std::fill(qs[i].out, qs[i].out + j.dv, 0.0f);
    }
    for (int t = 0; t < length; t += tile) {
        const int have = std::min(tile, length - t);
        widen_tile(j.v, head_kv, list + t, have, j.dv, s.tiles);
        query * group[together];
        int     held = 0, from = have, to = 0; // from … to−1 of the tile is somebody's
        auto    flush = [&] {
            if (held == together) {
                add_values_of<together>(group, t, s.tiles, j.dv, from, to);
            } else {
                for (int i = 0; i < held; i++) {
                    add_values_of<1>(group + i, t, s.tiles, j.dv, from, to);
                }
            }
            held = to = 0;
            from      = have;
        };
        for (int i = 0; i < n; i++) {
            const int at = qs[i].skip + first - begin, low = std::max(at - t, 0), high = std::min(at + qs[i].own(first) - t, have);
            if (high > low) {
                group[held++] = &qs[i];
                from          = std::min(from, low);
                to            = std::max(to, high);
                if (held == together) {
                    flush();
                }
            }
        }
        flush();
    }
}

} // namespace
} // namespace rp
