#pragma once

#include "model.h"

#include "chat-auto-parser.h"

#include <map>
#include <string>

namespace rp {

// What a template implies for the answer, apart from the prompt.
struct answer {
    common_chat_params params; // prompt left empty
    std::string        parser; // packed for rp_parse
};

// A model's chat template. Rendering reads it only, so any thread may.
class templates {
  public:
    // source empty = the model's own; throws when it cannot be parsed.
    templates(const model_core & m, const std::string & source);

    // The full path through the library: tools, schemas, reasoning.
    common_chat_params apply(const common_chat_templates_inputs & in) const;

    // The short path for plain conversations: only the template runs, what it
    // implies for the answer was learned at load. False when this template or
    // conversation needs the full path.
    bool plain(const common_chat_templates_inputs & in, std::string & prompt, const answer ** implied) const;

  private:
    std::string render(const common_chat_templates_inputs & in) const;
    void        learn();

    common_chat_templates_ptr             all;
    std::unique_ptr<common_chat_template> tmpl;
    bool                                  add_bos, add_eos;
    bool                                  has_plain[2] = {false, false}; // by enable_thinking
    answer                                implied[2];
};

std::shared_ptr<templates> templates_of(const model_core & m);
std::string                pack_parser(const common_chat_params & p, bool continuation);

} // namespace rp
