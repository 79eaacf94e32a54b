// Cells by the caller's choice: see cells.h.
#include "cells.h"

#include "llama-context.h"

namespace rp {

// The library makes a context's memory itself and has no door to put another one
// in front of it. An explicit instantiation may name a private member; this one
// hands out a reference to it.
llama_memory_ptr & memory_of(llama_context & ctx);

template <llama_memory_ptr llama_context::*member> struct door {
    friend llama_memory_ptr & memory_of(llama_context & ctx) { return ctx.*member; }
};

template struct door<&llama_context::memory>;

placed_memory * placed_memory::install(llama_context * ctx) {
    auto & slot = memory_of(*ctx);
    auto * both = dynamic_cast<llama_kv_cache_iswa *>(slot.get());
    auto * kv   = both ? both->get_base() : dynamic_cast<llama_kv_cache *>(slot.get());
    auto * swa  = both ? both->get_swa() : nullptr;
    if (!kv || kv->get_n_stream() != 1 || (swa && (swa->get_n_stream() != 1 || swa->get_size() != kv->get_size()))) {
        return nullptr;
    }
    auto p   = std::make_unique<placed_memory>();
    p->both  = both;
    p->kv    = kv;
    p->swa   = swa;
    p->inner = std::move(slot);
    auto * out = p.get();
    slot       = std::move(p);
    return out;
}

bool placed_memory::is_free(int32_t cell) const {
    return kv->get_cells(0).is_empty((uint32_t) cell) && (!swa || swa->get_cells(0).is_empty((uint32_t) cell));
}

bool placed_memory::is_own(int32_t cell, int32_t id, int32_t p0) const {
    const auto & cells = kv->get_cells(0);
    return !cells.is_empty((uint32_t) cell) && cells.seq_count((uint32_t) cell) == 1 && cells.seq_has((uint32_t) cell, id) &&
           cells.pos_get((uint32_t) cell) >= p0;
}

bool placed_memory::holds(int32_t cell, int32_t id) const {
    const auto & cells = kv->get_cells(0);
    return !cells.is_empty((uint32_t) cell) && cells.seq_has((uint32_t) cell, id);
}

bool placed_memory::is_gap(int32_t id, int32_t p0, int32_t p1) const {
    const auto &   cells  = kv->get_cells(0);
    const uint32_t end    = cells.used_max_p1();
    bool           before = p0 == 0, behind = false;
    for (uint32_t i = cells.used_min(); i < end; i++) {
        if (cells.is_empty(i) || !cells.seq_has(i, id)) {
            continue;
        }
        const int32_t p = cells.pos_get(i);
        if (p >= p0 && p < p1) {
            return false;
        }
        before = before || p == p0 - 1;
        behind = behind || p == p1;
    }
    return before && behind;
}

int32_t placed_memory::free_cells() const {
    uint32_t used = kv->get_cells(0).get_used();
    if (swa) {
        used = std::max(used, swa->get_cells(0).get_used());
    }
    return size() - (int32_t) used;
}

int32_t placed_memory::size() const {
    return (int32_t) kv->get_size();
}

void placed_memory::cells_of(int32_t id, int32_t p0, int32_t p1, std::vector<int32_t> & out) const {
    const auto & cells = kv->get_cells(0);
    out.assign(p1 > p0 ? (size_t) (p1 - p0) : 0, -1);
    const uint32_t end = cells.used_max_p1();
    for (uint32_t i = cells.used_min(); i < end; i++) {
        if (cells.is_empty(i) || !cells.seq_has(i, id)) {
            continue;
        }
        const int32_t p = cells.pos_get(i);
        if (p >= p0 && p < p1) {
            out[(size_t) (p - p0)] = (int32_t) i;
        }
    }
    for (size_t i = 0; i < out.size(); i++) {
        if (out[i] < 0) {
            throw bad_argument("position " + std::to_string(p0 + (int32_t) i) + " is not in memory");
        }
    }
}

int32_t placed_memory::last_cell(int32_t id) const {
    const auto &  cells = kv->get_cells(0);
    const int32_t last  = cells.seq_pos_max(id);
    for (uint32_t i = cells.used_max_p1(); last >= 0 && i-- > 0;) {
        if (!cells.is_empty(i) && cells.seq_has(i, id) && cells.pos_get(i) == last) {
            return (int32_t) i;
        }
    }
    return -1;
}

llama_memory_context_ptr placed_memory::init_batch(llama_batch_allocr & balloc, uint32_t n_ubatch, bool embd_all) {
    if (!want) {
        return inner->init_batch(balloc, n_ubatch, embd_all);
    }
    balloc.split_reset();
    std::vector<llama_ubatch>         ubatches;
    llama_kv_cache::slot_info_vec_t slots;
    for (;;) {
        auto u = balloc.split_simple(n_ubatch);
        if (u.n_tokens == 0) {
            break;
        }
        llama_kv_cache::slot_info slot{0, 0, {0}, {{}}};
        slot.idxs[0].reserve(u.n_tokens);
        for (int32_t row : u.data->batch_idxs) {
            if (row < 0 || (size_t) row >= n_want) {
                throw assertion("a row without a cell");
            }
            slot.idxs[0].push_back((uint32_t) want[row]);
        }
        slots.push_back(std::move(slot));
        ubatches.push_back(std::move(u));
    }
    if (balloc.get_n_used() < balloc.get_n_tokens()) {
        throw assertion("the rows could not be divided");
    }
    if (both) {
        auto again = slots;
        return std::make_unique<llama_kv_cache_iswa_context>(both, std::move(slots), std::move(again), std::move(ubatches));
    }
    return std::make_unique<llama_kv_cache_context>(kv, std::move(slots), std::move(ubatches));
}

std::vector<llama_kv_cache *> placed_memory::caches() const {
    return swa ? std::vector<llama_kv_cache *>{kv, swa} : std::vector<llama_kv_cache *>{kv};
}

} // namespace rp
