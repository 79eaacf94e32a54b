// One step: check everything, decode, sample every group.
#include "context.h"
#include "head.h"
#include "sampler.h"
#include "step_sampling.h"
#include "team.h"

#include <algorithm>
#include <cstring>

namespace rp {

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

// Lets the draft head read the step. What goes wrong there hurts no step: the head
// begins anew.
static void read_head(rp_context * c, rp_step * st, const int32_t * tokens, const int32_t * pos, const int32_t * seq) {
    st->head_us   = 0;
    st->head_lost = false;
    if (!c->draft_head || !c->draft_head->follows()) {
        return;
    }
    const int64_t began = now_us();
    try {
        st->head_lost = !c->draft_head->read(st, tokens, pos, seq);
    } catch (const std::exception &) {
        c->draft_head->retire();
        st->head_lost = true;
    }
    st->head_us = now_us() - began;
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
        rp::read_head(c, st, tokens, pos, seq);
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
            if (c->draft_head && gr.rows > 1) {
                c->draft_head->keep(seq[gr.first], pos[gr.first], gr.rows, keep);
            }
            if (keep < gr.rows) {
                llama_memory_seq_rm(c->mem, seq[gr.first] + c->base, pos[gr.first] + keep, -1);
                c->last_cell[(size_t) seq[gr.first]] = cell ? cell[gr.first + keep - 1] : rp_context::unknown;
            }
        }
        st->sample_us = rp::now_us() - t1 - st->head_us;
        return RP_OK;
    });
}

void rp_group_error(const rp_context * c, int32_t g, char * msg, size_t cap) {
    rp::say(msg, cap, g >= 0 && (size_t) g < c->errors.size() ? c->errors[g].c_str() : "");
}

} // extern "C"
