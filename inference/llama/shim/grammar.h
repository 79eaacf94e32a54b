#pragma once

#include "model.h"

#include <vector>

struct llama_grammar;

// A compiled grammar: never advanced itself, samplers take clones of it.
struct rp_grammar {
    rp::model_ptr   core;
    llama_grammar * grammar = nullptr;

    ~rp_grammar();
};

namespace rp {

// A copy with its own state. The library's own copy compares every element of
// the state with every element of the rules, which takes seconds for a grammar
// of some size; this one looks the rules up.
llama_grammar * clone_grammar(const llama_grammar & g);
void            free_grammar(llama_grammar * g);
void            advance_grammar(llama_grammar & g, int32_t token);
void            apply_grammar(const llama_grammar & g, llama_token_data_array * candidates);
// Takes out tokens that the grammar cannot take because of their first byte; others
// that it cannot take may stay.
void            drop_by_lead(model_core & m, const llama_grammar & g, std::vector<llama_token_data> & candidates);

} // namespace rp
