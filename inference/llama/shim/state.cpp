// A sequence's cells as bytes, in pieces, and back into cells of choice.
#include "context.h"

#include "llama-context.h"

#include "ggml-backend.h"

#include <algorithm>

namespace rp {

// Id 0 is kept for these calls: a piece is given to it for a moment.
static constexpr int32_t spare = 0;

// Counts when it has no buffer.
class byte_writer : public llama_io_write_i {
  public:
    byte_writer(uint8_t * data, size_t cap) : data(data), cap(cap) {}
    void write(const void * src, size_t size) override {
        if (uint8_t * to = room(size)) {
            memcpy(to, src, size);
        }
    }
    void write_tensor(ggml_tensor * tensor, size_t offset, size_t size) override {
        if (uint8_t * to = room(size)) {
            ggml_backend_tensor_get(tensor, to, offset, size);
        }
    }
    size_t n_bytes() override { return at; }

  private:
    uint8_t * data;
    size_t    cap, at = 0;
    uint8_t * room(size_t size) {
        const size_t here = at;
        at += size;
        return data && at <= cap ? data + here : nullptr;
    }
};

class byte_reader : public llama_io_read_i {
  public:
    byte_reader(const uint8_t * data, size_t n) : data(data), n(n) {}
    void read(void * dst, size_t size) override { memcpy(dst, take(size), size); }
    void read_tensor(ggml_tensor * tensor, size_t offset, size_t size) override {
        ggml_backend_tensor_set(tensor, take(size), offset, size);
    }
    size_t          n_bytes() override { return at; }
    const uint8_t * peek(size_t offset, size_t size) const {
        if (offset > n - at || size > n - at - offset) {
            throw std::runtime_error("the bytes end too early");
        }
        return data + at + offset;
    }

  private:
    const uint8_t * data;
    size_t          n, at = 0;
    const uint8_t * take(size_t size) {
        const uint8_t * p = peek(0, size);
        at += size;
        return p;
    }
};

template <typename T> static T value_at(const uint8_t * p) {
    T v;
    memcpy(&v, p, sizeof(v));
    return v;
}

// The positions of the cells that the reader stands before, as the library wrote
// them: number of streams, number of cells, then position, number of sequences,
// what some models keep beside, and the sequence. They must be different ones of
// p0 … p1−1, and all of them when whole is set.
static std::vector<int32_t> positions(const byte_reader & in, bool ext, int32_t p0, int32_t p1, bool whole) {
    if (value_at<uint32_t>(in.peek(0, 4)) != 1) {
        throw std::runtime_error("the bytes are not of one stream");
    }
    const uint32_t count = value_at<uint32_t>(in.peek(4, 4));
    if (count > (uint32_t) (p1 - p0) || (whole && count != (uint32_t) (p1 - p0))) {
        throw std::runtime_error("the bytes hold " + std::to_string(count) + " cells for " + std::to_string(p1 - p0) + " positions");
    }
    const size_t         one = 8 + (ext ? sizeof(llama_kv_cell_ext) : 0) + 4;
    std::vector<int32_t> pos(count);
    std::vector<bool>    seen((size_t) (p1 - p0));
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t * cell = in.peek(8 + i * one, one);
        pos[i]               = value_at<int32_t>(cell);
        if (value_at<uint32_t>(cell + 4) != 1) {
            throw std::runtime_error("a cell belongs to several sequences");
        }
        if (pos[i] < p0 || pos[i] >= p1 || seen[(size_t) (pos[i] - p0)]) {
            throw std::runtime_error("position " + std::to_string(pos[i]) + " is out of place");
        }
        seen[(size_t) (pos[i] - p0)] = true;
    }
    return pos;
}

struct spare_id { // empties the spare id whatever happens
    rp_context * c;
    ~spare_id() {
        try {
            llama_memory_seq_rm(c->mem, spare, -1, -1);
        } catch (...) {
            c->dead = true;
        }
    }
};

static size_t save(rp_context * c, int32_t id, int32_t p0, int32_t p1, uint8_t * data, size_t cap) {
    spare_id hold{c};
    llama_memory_seq_cp(c->mem, id, spare, p0, p1);
    llama_synchronize(c->ctx);
    byte_writer out(data, cap);
    c->mem->state_write(out, spare, 0);
    return out.n_bytes();
}

static void load(rp_context * c, int32_t id, int32_t p0, int32_t p1, const uint8_t * data, size_t n, const int32_t * cells) {
    spare_id hold{c};
    llama_synchronize(c->ctx);
    byte_reader in(data, n);
    bool        first = true;
    for (llama_kv_cache * kv : c->placed->caches()) {
        const auto pos = positions(in, kv->has_cell_ext(), p0, p1, first);
        first          = false;
        if (pos.empty()) {
            throw std::runtime_error("the bytes hold no cells");
        }
        if (!cells) {
            kv->state_read_sinfo(in, spare, 0, nullptr, nullptr);
            continue;
        }
        llama_kv_cache::slot_info slot{0, 0, {0}, {{}}};
        for (int32_t p : pos) {
            slot.idxs[0].push_back((uint32_t) cells[p - p0]);
        }
        const llama_kv_cache::slot_info_vec_t slots{slot};
        kv->state_read_sinfo(in, spare, 0, nullptr, &slots);
    }
    if (in.n_bytes() != n) {
        throw std::runtime_error(std::to_string(n - in.n_bytes()) + " bytes too many");
    }
    llama_memory_seq_cp(c->mem, spare, id, p0, p1);
}

// Checks cells for the positions of a sequence from p0 on. With move those that
// it holds there itself count as free.
static void check_cells(rp_context * c, int32_t id, int32_t p0, const int32_t * cells, int32_t n, bool move) {
    std::vector<int32_t> sorted(cells, cells + n);
    std::sort(sorted.begin(), sorted.end());
    for (int32_t i = 0; i < n; i++) {
        const int32_t x = sorted[(size_t) i];
        if (x < 0 || x >= c->placed->size() || (i > 0 && sorted[(size_t) i - 1] == x)) {
            throw bad_argument("cell " + std::to_string(x) + " is out of range or named twice");
        }
        if (!c->placed->is_free(x) && !(move && c->placed->is_own(x, id, p0))) {
            throw bad_argument("cell " + std::to_string(x) + " is not free");
        }
    }
    if (!c->params.ordered) {
        return;
    }
    std::vector<int32_t> before;
    if (p0 > 0) {
        c->placed->cells_of(id, p0 - 1, p0, before);
    }
    for (int32_t i = 0; i < n; i++) {
        const int32_t below = i > 0 ? cells[i - 1] : p0 > 0 ? before[0] : -1;
        if (cells[i] <= below) {
            throw bad_argument("cell " + std::to_string(cells[i]) + " is not above the sequence's cell before, " + std::to_string(below));
        }
    }
}

static void need_positions(int32_t p0, int32_t p1, int32_t end) {
    if (p0 < 0 || p0 >= p1 || p1 > end) {
        throw bad_argument("positions " + std::to_string(p0) + " … " + std::to_string(p1) + " are not in the sequence, which ends at " +
                           std::to_string(end));
    }
}

// Positions of a sequence on their way to other cells. Of what is saved at once, a
// layer with a sliding window keeps what the last position sees: so no piece goes
// beyond a window.
struct piece {
    int32_t              from, to;
    std::vector<uint8_t> data;
};

static std::vector<piece> lift(rp_context * c, int32_t id, int32_t p0, int32_t p1) {
    std::vector<piece> pieces;
    for (int32_t from = p0; from < p1;) {
        const int32_t to = c->n_swa > 0 ? std::min(p1, (from / c->n_swa + 1) * c->n_swa) : p1;
        pieces.push_back({from, to, std::vector<uint8_t>(save(c, id, from, to, nullptr, 0))});
        save(c, id, from, to, pieces.back().data.data(), pieces.back().data.size());
        from = to;
    }
    return pieces;
}

static void lay(rp_context * c, int32_t id, const std::vector<piece> & pieces, const int32_t * cells) {
    const int32_t p0 = pieces.front().from;
    for (const auto & p : pieces) {
        load(c, id, p.from, p.to, p.data.data(), p.data.size(), cells + (p.from - p0));
    }
}

// Memories whose cells nobody chooses are saved and restored by the library, whole.
static rp_code save_whole(rp_context * c, int32_t id, uint8_t * data, size_t cap_data, size_t * n) {
    struct alias { // the sequence under the one id that can be saved
        rp_context * c;
        alias(rp_context * c, int32_t id) : c(c) { llama_memory_seq_cp(c->mem, id, spare, -1, -1); }
        ~alias() { llama_memory_seq_rm(c->mem, spare, -1, -1); }
    };
    std::unique_ptr<alias> hold;
    if (c->base) {
        hold = std::make_unique<alias>(c, id);
        id   = spare;
    }
    *n = llama_state_seq_get_size(c->ctx, id);
    if (*n > cap_data) {
        return RP_SMALL;
    }
    if (*n > 0) {
        *n = llama_state_seq_get_data(c->ctx, data, cap_data, id);
    }
    if (*n == 0) {
        throw std::runtime_error(with_last_error("no state"));
    }
    return RP_OK;
}

static rp_code load_whole(rp_context * c, int32_t id, const uint8_t * data, size_t n, char * msg, size_t cap) {
    struct cleared {
        rp_context * c;
        int32_t      id;
        bool         keep = false;
        ~cleared() {
            if (!keep) {
                llama_memory_seq_rm(c->mem, id, -1, -1);
            }
        }
    } hold{c, id};
    if (llama_state_seq_set_data(c->ctx, data, n, id) != n) {
        const std::string & why = guard::last_error();
        if (why.find("available cells") != std::string::npos || why.find("not enough cells") != std::string::npos) {
            say(msg, cap, why.c_str());
            return RP_NO_CELLS;
        }
        throw std::runtime_error(with_last_error("the state does not fit this context"));
    }
    hold.keep = true;
    return RP_OK;
}

} // namespace rp

extern "C" {

rp_code rp_seq_save(rp_context * c, int32_t seq, int32_t p0, int32_t p1, uint8_t * data, size_t cap_data, size_t * n,
                    char * msg, size_t cap) {
    *n = 0;
    return rp::guarded(msg, cap, [&]() -> rp_code {
        c->need_alive();
        seq               = c->id(seq, "sequence");
        const int32_t end = llama_memory_seq_pos_max(c->mem, seq) + 1;
        rp::need_positions(p0, p1, end);
        if (!c->placed) {
            if (p0 != 0 || p1 != end) {
                throw std::runtime_error("this model's state can only be saved whole");
            }
            return rp::save_whole(c, seq, data, cap_data, n);
        }
        *n = rp::save(c, seq, p0, p1, data, cap_data);
        return *n > cap_data ? RP_SMALL : RP_OK;
    });
}

rp_code rp_seq_load(rp_context * c, int32_t seq, int32_t p0, int32_t p1, const uint8_t * data, size_t n,
                    const int32_t * cells, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        c->need_alive();
        seq               = c->id(seq, "sequence");
        const int32_t end = llama_memory_seq_pos_max(c->mem, seq) + 1;
        if (p0 != end || p1 <= p0) {
            throw rp::bad_argument("positions " + std::to_string(p0) + " … " + std::to_string(p1) +
                                   " do not go on from the sequence's end, " + std::to_string(end));
        }
        c->last_cell[(size_t) (seq - c->base)] = rp_context::unknown;
        if (!c->placed) {
            if (p0 != 0 || cells) {
                throw std::runtime_error("this model's state can only be loaded whole, into cells of the library's choice");
            }
            return rp::load_whole(c, seq, data, n, msg, cap);
        }
        if (cells) {
            rp::check_cells(c, seq, p0, cells, p1 - p0, false);
        } else if (c->params.ordered) {
            throw rp::bad_argument("an ordered context wants to be told the cells");
        }
        if (p1 - p0 > c->placed->free_cells()) {
            rp::say(msg, cap, (std::to_string(p1 - p0) + " cells are wanted, " + std::to_string(c->placed->free_cells()) + " are free").c_str());
            return RP_NO_CELLS;
        }
        rp::load(c, seq, p0, p1, data, n, cells);
        return RP_OK;
    });
}

rp_code rp_seq_move(rp_context * c, int32_t seq, int32_t p0, const int32_t * cells, int32_t n, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        c->need_alive();
        seq               = c->id(seq, "sequence");
        const int32_t end = llama_memory_seq_pos_max(c->mem, seq) + 1;
        if (p0 < 0 || p0 > end || n != end - p0) {
            throw rp::bad_argument(std::to_string(n) + " cells for positions " + std::to_string(p0) + " … " + std::to_string(end));
        }
        if (!c->placed) {
            throw std::runtime_error("the cells of this model's memory cannot be chosen");
        }
        if (n == 0) {
            return RP_OK;
        }
        rp::check_cells(c, seq, p0, cells, n, true);
        const auto pieces = rp::lift(c, seq, p0, end);
        c->last_cell[(size_t) (seq - c->base)] = rp_context::unknown;
        llama_memory_seq_rm(c->mem, seq, p0, -1);
        rp::lay(c, seq, pieces, cells);
        return RP_OK;
    });
}

rp_code rp_run_move(rp_context * c, int32_t seq, int32_t p0, int32_t p1, const int32_t * cells, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        c->need_alive();
        seq               = c->id(seq, "sequence");
        const int32_t end = llama_memory_seq_pos_max(c->mem, seq) + 1;
        rp::need_positions(p0, p1, end);
        if (!c->placed) {
            throw std::runtime_error("the cells of this model's memory cannot be chosen");
        }
        std::vector<int32_t> old, before;
        c->placed->cells_of(seq, p0, p1, old);
        if (p0 > 0) {
            c->placed->cells_of(seq, p0 - 1, p0, before);
        }
        for (int32_t i = 0, last = p0 > 0 ? before[0] : -1; i < p1 - p0; last = cells[i++]) {
            // Downwards and in order: what comes behind stays above whatever it is.
            if (cells[i] <= last || cells[i] > old[(size_t) i]) {
                throw rp::bad_argument("cell " + std::to_string(cells[i]) + " is not above " + std::to_string(last) +
                                       ", the one before, and at most " + std::to_string(old[(size_t) i]));
            }
            if (!c->placed->is_free(cells[i]) && !std::binary_search(old.begin(), old.end(), cells[i])) {
                throw rp::bad_argument("cell " + std::to_string(cells[i]) + " is not free");
            }
        }
        std::vector<int32_t> holders;
        for (size_t s = 0; s < c->last_cell.size(); s++) {
            const int32_t id   = (int32_t) s + c->base;
            const size_t  held = (size_t) std::count_if(old.begin(), old.end(), [&](int32_t x) { return c->placed->holds(x, id); });
            if (held != 0 && held != old.size()) {
                throw rp::bad_argument("sequence " + std::to_string(s) + " holds a part of these cells only");
            }
            if (held > 0) {
                holders.push_back(id);
            }
        }
        const auto pieces = rp::lift(c, seq, p0, p1);
        try {
            for (int32_t id : holders) {
                c->last_cell[(size_t) (id - c->base)] = rp_context::unknown;
                llama_memory_seq_rm(c->mem, id, p0, p1);
            }
            rp::lay(c, seq, pieces, cells);
            for (int32_t id : holders) {
                if (id != seq) {
                    llama_memory_seq_cp(c->mem, seq, id, p0, p1);
                }
            }
        } catch (...) {
            c->dead = true; // sequences with holes
            throw;
        }
        return RP_OK;
    });
}

} // extern "C"
