// Attention on the processor, in the place of the library's.
//
// The library has three kernels and takes one by the rows of a step and the cells
// in use, so that sums change with the company; the one for few rows works cell by
// cell. This one gives a row the same bits whatever else is computed: it goes
// through the row's own cells in the order of the buffer, in segments that are
// counted in those cells, and adds everything in an order that depends on nothing
// but their number. Rows of a sequence, and heads that share keys, read a tile of
// keys and values once: also rows whose windows slide, each of which begins its
// segments at its own first cell. Threads, the rows of a step, and where the cells
// lie decide only who computes what.
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

#include "attention_segment.h"
#include "ggml-cpu-impl.h"
#include "ggml-cpu.h"

extern "C" {
// Weak: in the flavour with shared libraries nothing is wrapped.
__attribute__((weak)) void __real_ggml_compute_forward_flash_attn_ext(const ggml_compute_params * params, ggml_tensor * dst);
void                       __wrap_ggml_compute_forward_flash_attn_ext(const ggml_compute_params * params, ggml_tensor * dst);
}

namespace rp {
namespace {

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

void set_query(const job & j, query & q, int row, int head, int skip, int cells) {
    q.row          = row;
    q.head         = head;
    q.skip         = skip;
    q.cells        = cells;
    const float *x = (const float *) ((const char *) j.q->data + (size_t) row * j.q->nb[1] + (size_t) head * j.q->nb[2]);
    for (int d = 0; d < j.dk; d += lanes) {
        store(q.q + d, load(x + d) * all(j.scale));
    }
}

// Rows first … first+n−1 with one key head. The list of each is a run of s.list, cells
// long from skip on.
void run_rows(const job & j, scratch & s, int head_kv, int first, int n, const int * skip, const int * cells) {
    const int count = n * j.share;
    for (int i = 0; i < count; i++) {
        set_query(j, s.queries[i], first + i / j.share, head_kv * j.share + i % j.share, skip[i / j.share], cells[i / j.share]);
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
            int skip[most_rows] = {}, cells[most_rows], n = 1, have;
            have = cells[0] = attended(j.masks(row), j.cells, s.list.data());
            for (; row + n < last; n++) {
                cells[n] = attended(j.masks(row + n), j.cells, s.next.data());
                skip[n]  = found(s.list.data(), have, skip[n - 1], s.next.data(), cells[n]);
                if (skip[n] < 0) {
                    break;
                }
                std::copy(s.next.data() + (have - skip[n]), s.next.data() + cells[n], s.list.data() + have);
                have = skip[n] + cells[n];
            }
            for (int h = 0; h < j.heads_kv; h++) {
                if (whole || (b * j.heads_kv + h) % params->nth == params->ith) {
                    run_rows(j, s, h, row, n, skip, cells);
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
                    set_query(j, s.queries[i], row, h * j.share + i, 0, cells);
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
