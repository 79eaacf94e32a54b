// One step: check everything, decode, sample every group.
#include "context.h"
#include "sampler.h"
#include "team.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace rp {

static int64_t now_ns() {
    using namespace std::chrono;
    return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

static int64_t now_us() {
    return now_ns() / 1000;
}

[[noreturn]] static void bad(const char * what, int32_t i, const std::string & why) {
    throw bad_argument(std::string(what) + " " + std::to_string(i) + ": " + why);
}

static void check_rows(rp_context * c, const rp_step * st, const int32_t * tokens, const int32_t * pos, const int32_t * seq) {
    if (st->rows <= 0) {
        throw bad_argument("the batch has no rows");
    }
    if (st->rows > c->params.batch) {
        throw bad_argument("the batch has " + std::to_string(st->rows) + " rows, the context takes " +
                           std::to_string(c->params.batch));
    }
    if (++c->step == 0) { // the counter came round
        std::fill(c->stamp.begin(), c->stamp.end(), 0);
        c->step = 1;
    }
    c->touched.clear();
    for (int32_t i = 0; i < st->rows; i++) {
        const int32_t s = seq[i];
        if (tokens[i] < 0 || tokens[i] >= c->core->n_vocab) {
            bad("row", i, "token " + std::to_string(tokens[i]) + " is outside 0 … " + std::to_string(c->core->n_vocab - 1));
        }
        if (s < 0 || s >= c->params.sequences) {
            bad("row", i, "sequence " + std::to_string(s) + " is outside 0 … " + std::to_string(c->params.sequences - 1));
        }
        if (c->stamp[s] != c->step) {
            c->stamp[s]    = c->step;
            c->next_pos[s] = llama_memory_seq_pos_max(c->mem, s + c->base) + 1;
            c->first_pos[s] = c->next_pos[s];
            c->touched.push_back(s);
        }
        if (pos[i] != c->next_pos[s]) {
            bad("row", i, "position " + std::to_string(pos[i]) + " of sequence " + std::to_string(s) + " must be " +
                              std::to_string(c->next_pos[s]));
        }
        if (pos[i] >= (1 << 30)) {
            bad("row", i, "position too large");
        }
        c->next_pos[s]++;
        c->last_row[s] = i;
    }
}

// The last cells noted when the step was checked are not the sequences' any more.
static void forget_cells(rp_context * c) {
    for (int32_t s : c->touched) {
        c->last_cell[(size_t) s] = rp_context::unknown;
    }
}

// The cells that the caller chose: there, free, different and, where the context
// is an ordered one, above those of the earlier positions.
static void check_cells(rp_context * c, const rp_step * st, const int32_t * seq, const int32_t * cell) {
    if (!c->placed) {
        throw bad_argument("the cells of this model's memory cannot be chosen");
    }
    int32_t done = 0;
    struct untake {
        rp_context *    c;
        const int32_t * cell;
        int32_t &       done;
        ~untake() {
            for (int32_t i = 0; i < done; i++) {
                c->taken[(size_t) cell[i]] = 0;
            }
        }
    } hold{c, cell, done};
    for (int32_t i = 0; i < st->rows; i++, done++) {
        if (cell[i] < 0 || cell[i] >= c->placed->size()) {
            bad("row", i, "cell " + std::to_string(cell[i]) + " is outside 0 … " + std::to_string(c->placed->size() - 1));
        }
        if (c->taken[(size_t) cell[i]]) {
            bad("row", i, "cell " + std::to_string(cell[i]) + " is an earlier row's");
        }
        if (!c->placed->is_free(cell[i])) {
            bad("row", i, "cell " + std::to_string(cell[i]) + " is not free");
        }
        c->taken[(size_t) cell[i]] = 1;
    }
    if (!c->params.ordered) {
        return;
    }
    for (int32_t i = 0; i < st->rows; i++) {
        int32_t & last = c->last_cell[(size_t) seq[i]];
        if (last == rp_context::unknown) {
            last = c->placed->last_cell(seq[i] + c->base);
        }
        if (cell[i] <= last) {
            const int32_t before = last;
            forget_cells(c);
            bad("row", i, "cell " + std::to_string(cell[i]) + " is not above the sequence's cell before, " + std::to_string(before));
        }
        last = cell[i];
    }
}

static void check_groups(rp_context * c, const rp_step * st, const int32_t * seq) {
    if (st->n_groups < 0 || st->n_groups > c->params.outputs) {
        throw bad_argument("the batch has " + std::to_string(st->n_groups) + " groups, the context takes " +
                           std::to_string(c->params.outputs) + " outputs");
    }
    int64_t outputs = 0;
    memset(c->output.data(), 0, (size_t) st->rows);
    for (int32_t g = 0; g < st->n_groups; g++) {
        rp_group & gr = st->groups[g];
        gr.accepted   = 0;
        gr.failed     = 0;
        if (!gr.sampler) {
            bad("group", g, "has no sampler");
        }
        if (gr.sampler->core != c->core) {
            bad("group", g, "its sampler belongs to another model");
        }
        if (gr.rows < 1 || gr.first < 0 || gr.first >= st->rows || gr.rows > st->rows - gr.first) {
            bad("group", g, "rows " + std::to_string(gr.first) + " + " + std::to_string(gr.rows) + " are not in the batch of " +
                                std::to_string(st->rows));
        }
        const int32_t s = seq[gr.first];
        for (int32_t i = gr.first; i < gr.first + gr.rows; i++) {
            if (seq[i] != s) {
                bad("group", g, "its rows belong to several sequences");
            }
            if (c->output[i]) {
                bad("group", g, "row " + std::to_string(i) + " belongs to another group too");
            }
            c->output[i] = 1;
        }
        if (gr.rows > 1) {
            if (!c->partial) {
                bad("group", g, "this model cannot take back drafted tokens");
            }
            if (c->last_row[s] != gr.first + gr.rows - 1) {
                bad("group", g, "drafted rows must be the last of their sequence");
            }
        }
        for (int32_t h = 0; h < g; h++) {
            if (st->groups[h].sampler == gr.sampler) {
                bad("group", g, "its sampler is used by group " + std::to_string(h) + " too");
            }
        }
        outputs += gr.rows;
    }
    if (outputs > c->params.outputs) {
        throw bad_argument("the batch wants " + std::to_string(outputs) + " outputs, the context takes " +
                           std::to_string(c->params.outputs));
    }
}

// Takes the rows of the step back out of the memory; whatever of them is there.
static void roll_back(rp_context * c) {
    forget_cells(c);
    for (int32_t s : c->touched) {
        if (!llama_memory_seq_rm(c->mem, s + c->base, c->first_pos[s], -1)) {
            llama_memory_seq_rm(c->mem, s + c->base, -1, -1); // recurrent: all or nothing
        }
    }
}

static rp_code decode(rp_context * c, const rp_step * st, const int32_t * tokens, const int32_t * pos, const int32_t * seq,
                      const int32_t * cell) {
    struct placing {
        placed_memory * p;
        placing(placed_memory * p, const int32_t * cell, size_t n) : p(cell ? p : nullptr) {
            if (cell) {
                p->place(cell, n);
            }
        }
        ~placing() {
            if (p) {
                p->forget();
            }
        }
    } chosen(c->placed, cell, (size_t) st->rows);
    auto & rows = c->batch->tokens;
    rows.resize((size_t) st->rows);
    for (int32_t i = 0; i < st->rows; i++) {
        auto &        row = rows[i];
        const int32_t id  = seq[i] + c->base;
        if (row.seq_ids.size() != 1 || *row.seq_ids.begin() != id) { // as a rule it is the one of the step before
            row.seq_ids = {id};
        }
        row.id     = tokens[i];
        row.pos[0] = pos[i];
        row.output = c->output[i] != 0;
    }

    int32_t rc;
    try {
        rc = llama_process(c->ctx, LLAMA_PROCESS_TYPE_DECODE, c->batch.get());
        if (rc == 0) {
            llama_synchronize(c->ctx);
        }
    } catch (...) {
        c->abort.store(0);
        c->dead = true;
        throw;
    }
    c->abort.store(0);
    switch (rc) {
        case 0:
            return RP_OK;
        case 1:
            forget_cells(c);
            return RP_NO_CELLS;
        case 2:
            roll_back(c);
            return RP_ABORTED;
        case -1:
            forget_cells(c);
            throw bad_argument(with_last_error("refused by the library"));
        default:
            c->dead = true;
            throw assertion(with_last_error("code " + std::to_string(rc)));
    }
}

// Notes which of the rows with logits each row is, and copies the lists of their
// best tokens. The library keeps the rows in the batch's order: the batch is
// computed as one.
static void fetch_lists(rp_context * c, const rp_step * st) {
    int32_t n = 0;
    for (int32_t i = 0; i < st->rows; i++) {
        if (c->output[i]) {
            c->out_row[i] = n++;
        }
    }
    c->listed = c->list && n > 0 && c->list->fetch(n);
    if (c->list && n > 0 && !c->listed) {
        throw std::runtime_error("the step's graph has no lists of best tokens");
    }
}

// Where the rows with logits lie. The library's getter writes into the context, so it
// is asked here, by one thread.
static void find_logits(rp_context * c, const rp_step * st) {
    for (int32_t g = 0; g < st->n_groups; g++) {
        const rp_group & gr = st->groups[g];
        for (int32_t row = gr.first; row < gr.first + gr.rows; row++) {
            c->logits[(size_t) row] = llama_get_logits_ith(c->ctx, row);
        }
    }
}

// What sampling reads and writes; each group has rows, a sampler and an error of its
// own, and nothing else is written.
struct sampling {
    rp_context *         c;
    rp_step *            st;
    const int32_t *      tokens;
    int32_t *            out, * lp_n, * lp_token;
    float *              lp_value;
    std::atomic<int32_t> next{0}; // in c->order
    std::atomic<int32_t> listed{0}, whole{0}; // rows, by what their tokens were chosen from
};

// Chooses behind a row. With a list of its best tokens the row itself is copied
// only when the list does not decide.
static int32_t choose(sampling & s, rp_sampler * by, int32_t row, float * logits) {
    rp_context * c = s.c;
    if (!c->listed) {
        return by->sample(c->ctx, row, logits);
    }
    const int32_t at = c->out_row[(size_t) row];
    int32_t       t  = -1;
    const auto    is = by->sample_listed(c->list->ids(at), c->list->values(at), (size_t) c->list->width(), t);
    if (is == rp_sampler::from_list::chosen) {
        s.listed++;
        return t;
    }
    s.whole++;
    c->list->row(at, logits);
    return by->sample(c->ctx, row, logits, is == rp_sampler::from_list::refused);
}

static void sample_rows(sampling & s, int32_t g) {
    rp_group & gr = s.st->groups[g];
    const int32_t stride = s.st->lp_stride;
    for (int32_t k = 0; k < gr.rows; k++) {
        const int32_t row    = gr.first + k;
        float *       logits = s.c->logits[(size_t) row];
        if (!logits) {
            throw std::runtime_error("row " + std::to_string(row) + " has no logits");
        }
        const int32_t t = choose(s, gr.sampler, row, logits);
        if (stride > 0 && gr.sampler->params.logprobs >= 0) {
            s.lp_n[row] = gr.sampler->logprobs(logits, t, stride, s.lp_token + (size_t) row * stride, s.lp_value + (size_t) row * stride);
        }
        gr.sampler->accept(t);
        s.out[row] = t;
        gr.accepted++;
        if (k + 1 < gr.rows && (t != s.tokens[row + 1] || llama_vocab_is_eog(s.c->core->vocab, t))) {
            break;
        }
    }
}

// Samples one group and notes what it cost. Nothing leaves it.
static void sample_group(sampling & s, int32_t g) noexcept {
    rp_group &    gr = s.st->groups[g];
    const int64_t t0 = now_ns();
    try {
        sample_rows(s, g);
    } catch (const std::exception & e) {
        gr.failed = 1;
        try {
            s.c->errors[(size_t) g] = e.what();
        } catch (...) { // out of memory: it failed without a word
        }
    }
    const float took       = (float) (now_ns() - t0);
    s.c->took_ns[(size_t) g] = took;
    if (gr.accepted > 0) {
        gr.sampler->row_ns += (took / (float) gr.accepted - gr.sampler->row_ns) / 4;
    }
}

// One thread's share: the dearest group that nobody has taken, until none is left.
static void sample_some(void * data) {
    sampling & s = *static_cast<sampling *>(data);
    guard      here; // assertions on helper threads are thrown too
    for (int32_t i = s.next++; i < s.st->n_groups; i = s.next++) {
        sample_group(s, s.c->order[(size_t) i]);
    }
}

// The least that a team must save to be asked, and the most that asking it is thought
// to cost, in nanoseconds.
static constexpr float least_saved_ns = 10'000, most_asking_ns = 1'000'000;

// Samples every group, side by side where the samplers' own measurements say that it
// pays: what it saves is twice what asking the team cost lately, which is microseconds
// while its threads spin behind the graph and far more where they sleep or their
// cores are taken. Who samples a group does not change what it gives.
static void sample_groups(sampling & s) {
    rp_context *  c = s.c;
    const int32_t n = s.st->n_groups, threads = std::min(c->threads, n);
    float         total = 0, dearest = 0;
    bool          alone = n < 2 || threads < 2 || c->sampling < 0;
    for (int32_t g = 0; g < n; g++) {
        const rp_group & gr = s.st->groups[g];
        alone               = alone || gr.sampler->reference; // llama.cpp's own asks the context
        total += gr.sampler->row_ns * (float) gr.rows;
        dearest = std::max(dearest, gr.sampler->row_ns * (float) gr.rows);
    }
    const float together = std::max(dearest, total / (float) threads);
    s.st->threads        = 1;
    const float saved = total - together;
    if (alone || (c->sampling == 0 && saved < std::max(least_saved_ns, 2 * c->asking_ns))) {
        if (!alone && saved >= least_saved_ns) {
            c->asking_ns -= c->asking_ns / 512; // asked again some time
        }
        for (int32_t g = 0; g < n; g++) {
            sample_group(s, g);
        }
        return;
    }
    c->order.resize((size_t) n);
    for (int32_t g = 0; g < n; g++) {
        c->order[(size_t) g] = g;
    }
    auto cost = [&](int32_t g) { return s.st->groups[g].sampler->row_ns * (float) s.st->groups[g].rows; };
    std::sort(c->order.begin(), c->order.end(), [&](int32_t a, int32_t b) { return cost(a) > cost(b) || (cost(a) == cost(b) && a < b); });
    s.st->threads = threads;
    const int64_t t0 = now_ns();
    on_team(c->threads, sample_some, &s);
    const float took = (float) (now_ns() - t0);
    float       spent = 0, longest = 0;
    for (int32_t g = 0; g < n; g++) {
        spent += c->took_ns[(size_t) g];
        longest = std::max(longest, c->took_ns[(size_t) g]);
    }
    const float asking = std::clamp(took - std::max(longest, spent / (float) threads), 0.0f, most_asking_ns);
    c->asking_ns += (asking - c->asking_ns) / 8;
}

} // namespace rp

extern "C" {

rp_code rp_context_step(rp_context * c, rp_step * st, const int32_t * tokens, const int32_t * pos, const int32_t * seq,
                        const int32_t * cell, int32_t * out, int32_t * lp_n, int32_t * lp_token, float * lp_value, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        c->need_alive();
        rp::check_rows(c, st, tokens, pos, seq);
        rp::check_groups(c, st, seq);
        if (cell) {
            rp::check_cells(c, st, seq, cell);
        } else {
            rp::forget_cells(c);
        }
        if (st->lp_stride > 0) {
            memset(lp_n, 0, (size_t) st->rows * sizeof(int32_t));
        }

        rp::settle(c->where, c->threads);
        const int32_t had = llama_perf_context(c->ctx).n_reused;
        const int64_t t0  = rp::now_us();
        const rp_code rc  = rp::decode(c, st, tokens, pos, seq, cell);
        const int64_t t1  = rp::now_us();
        st->decode_us     = t1 - t0;
        st->sample_us     = 0;
        st->threads       = 1;
        st->listed = st->whole = 0;
        st->reused        = llama_perf_context(c->ctx).n_reused > had;
        if (rc != RP_OK) {
            return rc;
        }
        rp::fetch_lists(c, st);
        if (c->errors.size() < (size_t) st->n_groups) {
            c->errors.resize((size_t) st->n_groups);
        }
        rp::find_logits(c, st);
        rp::sampling s{c, st, tokens, out, lp_n, lp_token, lp_value};
        rp::sample_groups(s);
        st->listed = s.listed;
        st->whole  = s.whole;
        for (int32_t g = 0; g < st->n_groups; g++) {
            const rp_group & gr = st->groups[g];
            // Rows whose drafted token was refused leave the memory again. At
            // least the first row stays: its token was the caller's own.
            const int32_t keep = gr.accepted > 0 ? gr.accepted : 1;
            if (keep < gr.rows) {
                llama_memory_seq_rm(c->mem, seq[gr.first] + c->base, pos[gr.first] + keep, -1);
                c->last_cell[(size_t) seq[gr.first]] = cell ? cell[gr.first + keep - 1] : rp_context::unknown;
            }
        }
        st->sample_us = rp::now_us() - t1;
        return RP_OK;
    });
}

void rp_group_error(const rp_context * c, int32_t g, char * msg, size_t cap) {
    rp::say(msg, cap, g >= 0 && (size_t) g < c->errors.size() ? c->errors[g].c_str() : "");
}

} // extern "C"
