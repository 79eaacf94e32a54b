// Grammars: compiled once, cloned for each sampler.
#include "grammar.h"

#include "pack.h"

#include "llama-grammar.h"

#include "common.h"
#include "json-schema-to-grammar.h"

#include <algorithm>
#include <cctype>
#include <set>

rp_grammar::~rp_grammar() {
    if (grammar) {
        llama_grammar_free_impl(grammar);
    }
}

namespace rp {

void free_grammar(llama_grammar * g) {
    llama_grammar_free_impl(g);
}

// A grammar can be ambiguous without end; each reading is a state that every
// further character is tried on.
static constexpr size_t max_readings = 4096;

// Text that a waiting grammar looks for its trigger in. The library's patterns
// are matched by recursion over all of it, at every token.
static constexpr size_t max_waiting = 4096;

void advance_grammar(llama_grammar & g, int32_t token) {
    if (g.awaiting_trigger && g.trigger_buffer.size() > max_waiting) {
        // Forget the older half; a pattern that wants the very beginning has
        // had its chance.
        size_t cut = 0, n = 0;
        for (; n < g.trigger_buffer_positions.size() && cut < max_waiting / 2; n++) {
            cut = g.trigger_buffer_positions[n].second.second;
        }
        g.trigger_buffer.erase(0, cut);
        g.trigger_buffer_positions.erase(g.trigger_buffer_positions.begin(), g.trigger_buffer_positions.begin() + n);
        for (auto & p : g.trigger_buffer_positions) {
            p.second.first -= cut;
            p.second.second -= cut;
        }
        auto anchored = [](const llama_grammar_trigger_pattern & p) { return !p.pattern.empty() && p.pattern[0] == '^'; };
        g.trigger_patterns.erase(std::remove_if(g.trigger_patterns.begin(), g.trigger_patterns.end(), anchored),
                                 g.trigger_patterns.end());
    }
    llama_grammar_accept_impl(g, token);
    if (g.stacks.size() > max_readings) {
        throw std::runtime_error("the grammar is too ambiguous: the text so far can be read in " +
                                 std::to_string(g.stacks.size()) + " ways");
    }
}

void apply_grammar(const llama_grammar & g, llama_token_data_array * candidates) {
    llama_grammar_apply_impl(g, candidates);
}

llama_grammar * clone_grammar(const llama_grammar & g) {
    struct span {
        const llama_grammar_element * begin;
        size_t                        len, rule;
    };
    std::vector<span> spans;
    spans.reserve(g.rules.size());
    for (size_t i = 0; i < g.rules.size(); i++) {
        spans.push_back({g.rules[i].data(), g.rules[i].size(), i});
    }
    std::sort(spans.begin(), spans.end(), [](const span & a, const span & b) { return a.begin < b.begin; });

    std::unique_ptr<llama_grammar> c(new llama_grammar{
        g.vocab,
        g.rules,
        g.stacks,
        g.partial_utf8,
        g.lazy,
        g.awaiting_trigger,
        g.trigger_buffer,
        g.trigger_buffer_positions,
        g.trigger_tokens,
        g.trigger_patterns,
    });
    for (auto & stack : c->stacks) {
        for (auto & e : stack) {
            auto it = std::upper_bound(spans.begin(), spans.end(), e,
                                       [](const llama_grammar_element * p, const span & s) { return p < s.begin; });
            if (it == spans.begin()) {
                throw std::runtime_error("grammar state points nowhere");
            }
            --it;
            const size_t at = (size_t) (e - it->begin);
            if (at >= it->len) {
                throw std::runtime_error("grammar state points nowhere");
            }
            e = &c->rules[it->rule][at];
        }
    }
    return c.release();
}

// The pattern of a trigger as the library wants it: matched against the whole
// text generated so far.
static std::string trigger_pattern(int32_t type, const std::string & value) {
    switch (type) {
        case COMMON_GRAMMAR_TRIGGER_TYPE_WORD:
            return regex_escape(value);
        case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN:
            return value;
        case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN_FULL: {
            std::string p = value;
            if (p.empty() || p.front() != '^') {
                p = "^" + p;
            }
            if (p.back() != '$') {
                p += "$";
            }
            return p;
        }
    }
    throw bad_argument("unknown trigger type " + std::to_string(type));
}

// Tells the grammar of the text that the template has put behind the assistant
// header already.
static void feed_prompt(const model_core & m, llama_grammar & g, const std::string & text) {
    const auto tokens = common_tokenize(m.vocab, text, false, true);
    for (size_t i = 0; i < tokens.size(); i++) {
        const std::string piece = common_token_to_piece(m.vocab, tokens[i], true);
        if (i == 0 && !piece.empty() && isspace((unsigned char) piece[0]) && !isspace((unsigned char) text[0])) {
            continue; // a space that the tokenizer made up
        }
        llama_grammar_accept_impl(g, tokens[i]);
    }
}

} // namespace rp

extern "C" {

rp_code rp_grammar_new(const rp_model * model, const char * spec, size_t len, rp_grammar ** out, char * msg, size_t cap) {
    *out = nullptr;
    return rp::guarded(msg, cap, [&]() -> rp_code {
        rp::unpack        in(spec, len);
        const std::string gbnf       = in.text();
        const bool        lazy       = in.flag();
        const std::string generation = in.text(); // of the prompt, already read

        struct trigger {
            int32_t     type, token;
            std::string value;
        };
        std::vector<trigger> triggers;
        for (int32_t i = in.count(); i > 0; i--) {
            trigger t;
            t.type  = in.integer();
            t.token = in.integer();
            t.value = in.text();
            triggers.push_back(std::move(t));
        }
        std::set<llama_token> preserved;
        for (int32_t i = in.count(); i > 0; i--) {
            const auto ids = common_tokenize(model->core->vocab, in.text(), false, true);
            if (ids.size() == 1) {
                preserved.insert(ids[0]);
            }
        }
        std::vector<std::string> patterns;
        std::vector<llama_token> tokens;
        for (const auto & t : triggers) {
            if (t.type == COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN) {
                if (t.token < 0 || t.token >= model->core->n_vocab) {
                    throw rp::bad_argument("trigger token " + std::to_string(t.token) + " is not in the vocabulary");
                }
                tokens.push_back(t.token);
                continue;
            }
            if (t.type == COMMON_GRAMMAR_TRIGGER_TYPE_WORD) {
                // A word that is one special token shows itself as that token.
                const auto ids = common_tokenize(model->core->vocab, t.value, false, true);
                if (ids.size() == 1 && preserved.count(ids[0])) {
                    tokens.push_back(ids[0]);
                    continue;
                }
            }
            patterns.push_back(rp::trigger_pattern(t.type, t.value));
        }
        if (gbnf.empty()) {
            throw rp::bad_argument("the grammar is empty");
        }
        if (gbnf.find('\0') != std::string::npos) {
            throw rp::bad_argument("the grammar holds a zero byte");
        }
        std::vector<const char *> cpatterns;
        for (const auto & p : patterns) {
            cpatterns.push_back(p.c_str());
        }
        if (lazy && patterns.empty() && tokens.empty()) {
            throw rp::bad_argument("a lazy grammar needs a trigger");
        }
        auto g     = std::make_unique<rp_grammar>();
        g->core    = model->core;
        g->grammar = llama_grammar_init_impl(model->core->vocab, gbnf.c_str(), "root", lazy, cpatterns.data(),
                                             cpatterns.size(), tokens.data(), tokens.size());
        if (!g->grammar) {
            throw std::runtime_error(rp::with_last_error("it cannot be parsed"));
        }
        if (!lazy && !generation.empty()) {
            rp::feed_prompt(*model->core, *g->grammar, generation);
        }
        *out = g.release();
        return RP_OK;
    });
}

void rp_grammar_free(rp_grammar * g) {
    rp::quietly([&]() -> rp_code {
        delete g;
        return RP_OK;
    });
}

rp_code rp_schema_to_grammar(const char * schema, size_t len, char ** gbnf, size_t * n, char * msg, size_t cap) {
    *gbnf = nullptr;
    *n    = 0;
    return rp::guarded(msg, cap, [&]() -> rp_code {
        const std::string g = json_schema_to_grammar(common_json::parse(std::string(schema, len)));
        *n                  = g.size();
        *gbnf               = rp::copy_out(g);
        return RP_OK;
    });
}

} // extern "C"
