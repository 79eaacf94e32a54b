// Which tokens a grammar can take at all, by their first byte.
//
// Where a grammar leaves no choice, a quote or a comma, asking the library about a
// whole vocabulary takes ten milliseconds: it decodes every token and walks the rules
// for each. Nearly all of them begin with a byte that nothing in the grammar's state
// begins with; those need not be asked about.
#include "grammar.h"

#include "llama-grammar.h"
#include "llama-vocab.h"

#include <algorithm>

namespace rp {

// Of a token that has no first byte: it ends a generation (always asked about), or it
// is empty (never taken).
static constexpr uint16_t lead_end = 256, lead_none = 257;

static const std::vector<uint16_t> & leads(model_core & m) {
    std::call_once(m.leads_once, [&] {
        std::vector<uint16_t> out((size_t) m.n_vocab);
        for (int32_t t = 0; t < m.n_vocab; t++) {
            const std::string & piece = m.vocab->token_to_piece(t);
            out[(size_t) t] = m.vocab->is_eog(t) ? lead_end : piece.empty() || piece[0] == 0 ? lead_none : (uint8_t) piece[0];
        }
        m.leads = std::move(out);
    });
    return m.leads;
}

// Tells whether a character of lo … hi may stand where e, the first of a set's
// elements, stands. It may say yes wrongly, never no.
static bool may_be(const llama_grammar_element * e, uint32_t lo, uint32_t hi) {
    const bool inverse = e->type == LLAMA_GRETYPE_CHAR_NOT;
    bool       in      = false;
    do {
        if (e->type == LLAMA_GRETYPE_CHAR_ANY) {
            return true;
        }
        const bool     span = e[1].type == LLAMA_GRETYPE_CHAR_RNG_UPPER;
        const uint32_t last = span ? e[1].value : e->value;
        in                  = in || (e->value <= hi && lo <= last);
        e += span ? 2 : 1;
    } while (e->type == LLAMA_GRETYPE_CHAR_ALT);
    return inverse ? !in || lo != hi : in;
}

// Fills in the bytes that a token may begin with. False: the grammar's state is none
// that first bytes decide.
static bool lead_bytes(const llama_grammar & g, bool (&ok)[258]) {
    if (g.awaiting_trigger || g.partial_utf8.n_remain != 0) {
        return false;
    }
    std::fill(std::begin(ok), std::end(ok), false);
    ok[lead_end] = true;
    for (const auto & stack : g.stacks) {
        if (stack.empty()) {
            continue; // the end alone
        }
        const llama_grammar_element * e = stack.back();
        if (e->type != LLAMA_GRETYPE_CHAR && e->type != LLAMA_GRETYPE_CHAR_NOT && e->type != LLAMA_GRETYPE_CHAR_ANY) {
            return false; // a token by its number
        }
        for (uint32_t b = 1; b < 256; b++) {
            // What the library makes of the byte and the 0 … 3 that follow it.
            const uint32_t more = b < 0x80 ? 0 : b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
            const uint32_t lo   = b < 0x80 ? b : (b & (0x3fu >> (more - 1))) << 6 * more;
            ok[b] = ok[b] || (b >= 0x80 && b < 0xc0) || may_be(e, lo, lo | ((1u << 6 * more) - 1));
        }
    }
    return true;
}

void drop_by_lead(model_core & m, const llama_grammar & g, std::vector<llama_token_data> & candidates) {
    bool ok[258];
    if (!lead_bytes(g, ok)) {
        return;
    }
    const auto & lead = leads(m);
    candidates.erase(std::remove_if(candidates.begin(), candidates.end(), [&](const llama_token_data & c) { return !ok[lead[(size_t) c.id]]; }),
                     candidates.end());
}

} // namespace rp
