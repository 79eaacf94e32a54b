// The memory of a context with a door for the caller's choice of cells.
#pragma once

#include "guard.h"

#include "llama-batch.h"
#include "llama-io.h"
#include "llama-kv-cache-iswa.h"
#include "llama-kv-cache.h"
#include "llama-memory.h"

#include <vector>

namespace rp {

// Stands before the library's own memory and passes everything on to it, but
// where the caller has said which cells the rows of the next decode go to, it
// lays them there itself. The library would take the first free cells from
// wherever its head is, and after a removal that can be below the cells of the
// same sequence: answers then depend on what else is in the buffer, because
// attention adds up in the order of the cells.
//
// Another context that is made to share this one's memory (ctx_other) would see
// the wrong type; none is.
class placed_memory : public llama_memory_i {
  public:
    // Puts itself in front of ctx's memory; null when there is none or when its
    // cells cannot be chosen (recurrent states, short sliding windows).
    static placed_memory * install(llama_context * ctx);

    // The cells of the rows of the next batches, until forget: one a row, checked
    // by the caller to be in range, free and different.
    void place(const int32_t * cells, size_t n) { want = cells; n_want = n; }
    void forget() { want = nullptr; n_want = 0; }

    bool    is_free(int32_t cell) const;
    int32_t size() const;
    // The cells of positions p0 … p1−1 of a sequence, in the order of positions;
    // throws when one is missing.
    void    cells_of(int32_t id, int32_t p0, int32_t p1, std::vector<int32_t> & out) const;
    int32_t last_cell(int32_t id) const; // −1 when the sequence is empty

    // A sequence holds nothing of p0 … p1−1 but what comes before and behind.
    bool    is_gap(int32_t id, int32_t p0, int32_t p1) const;
    int32_t free_cells() const;
    bool    is_own(int32_t cell, int32_t id, int32_t p0) const; // of nobody but id, from position p0 on
    bool    holds(int32_t cell, int32_t id) const;
    // The caches that hold a sequence: one, or one without and one with a window.
    std::vector<llama_kv_cache *> caches() const;

    // llama_memory_i
    llama_memory_context_ptr init_batch(llama_batch_allocr & balloc, uint32_t n_ubatch, bool embd_all) override;
    llama_memory_context_ptr init_full() override { return inner->init_full(); }
    llama_memory_context_ptr init_update(llama_context * ctx, bool optimize) override { return inner->init_update(ctx, optimize); }
    bool                     get_can_shift() const override { return inner->get_can_shift(); }
    void                     clear(bool data) override { inner->clear(data); }
    bool seq_rm(llama_seq_id s, llama_pos p0, llama_pos p1) override { return inner->seq_rm(s, p0, p1); }
    void seq_cp(llama_seq_id a, llama_seq_id b, llama_pos p0, llama_pos p1) override { inner->seq_cp(a, b, p0, p1); }
    void seq_keep(llama_seq_id s) override { inner->seq_keep(s); }
    void seq_add(llama_seq_id s, llama_pos p0, llama_pos p1, llama_pos d) override { inner->seq_add(s, p0, p1, d); }
    void seq_div(llama_seq_id s, llama_pos p0, llama_pos p1, int d) override { inner->seq_div(s, p0, p1, d); }
    llama_pos seq_pos_min(llama_seq_id s) const override { return inner->seq_pos_min(s); }
    llama_pos seq_pos_max(llama_seq_id s) const override { return inner->seq_pos_max(s); }
    std::map<ggml_backend_buffer_type_t, size_t> memory_breakdown() const override { return inner->memory_breakdown(); }
    void state_write(llama_io_write_i & io, llama_seq_id s, llama_state_seq_flags f) const override { inner->state_write(io, s, f); }
    void state_read(llama_io_read_i & io, llama_seq_id s, llama_state_seq_flags f) override { inner->state_read(io, s, f); }

  private:
    llama_memory_ptr      inner;
    llama_kv_cache_iswa * both = nullptr; // a model with sliding windows, kept whole
    llama_kv_cache *      kv   = nullptr;
    llama_kv_cache *      swa  = nullptr;
    const int32_t *       want   = nullptr;
    size_t                n_want = 0;
};

} // namespace rp
