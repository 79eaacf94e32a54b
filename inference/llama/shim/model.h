#pragma once

#include "guard.h"

#include "chat.h"
#include "llama.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rp {

class templates; // template.cpp

// A loaded model; contexts, samplers and grammars keep it alive.
struct model_core {
    llama_model *              model = nullptr;
    const llama_vocab *        vocab = nullptr;
    int32_t                    n_vocab = 0;
    std::once_flag             templates_once;
    std::shared_ptr<templates> chat; // made on first use
    std::string                chat_error;
    std::once_flag             leads_once;
    std::vector<uint16_t>      leads; // by token, see grammar_lead.cpp; made on first use

    ~model_core();
};

using model_ptr = std::shared_ptr<model_core>;

inline char * copy_out(const char * data, size_t n) {
    char * p = (char *) malloc(n + 1);
    if (!p) {
        throw std::bad_alloc();
    }
    memcpy(p, data, n);
    p[n] = 0;
    return p;
}

inline char * copy_out(const std::string & s) {
    return copy_out(s.data(), s.size());
}

} // namespace rp

struct rp_model {
    rp::model_ptr core;
};
