// Chat templates: the full path, and a short one for plain conversations.
#include "template.h"

#include "pack.h"

#include <chrono>
#include <ctime>

namespace rp {

using clock = std::chrono::system_clock;

templates::templates(const model_core & m, const std::string & source) {
    all     = common_chat_templates_init(m.model, source);
    add_bos = llama_vocab_get_add_bos(m.vocab);
    add_eos = llama_vocab_get_add_eos(m.vocab);

    auto text = [&](llama_token t) { return t == LLAMA_TOKEN_NULL ? std::string() : common_token_to_piece(m.vocab, t, true); };
    tmpl      = std::make_unique<common_chat_template>(common_chat_templates_source(all.get()), text(llama_vocab_bos(m.vocab)),
                                                  text(llama_vocab_eos(m.vocab)));
    learn();
}

common_chat_params templates::apply(const common_chat_templates_inputs & in) const {
    return common_chat_templates_apply(all.get(), in);
}

static common_chat_msg message(const char * role, const char * content) {
    common_chat_msg m;
    m.role    = role;
    m.content = content;
    return m;
}

// Renders probes both ways. The short path is open when they agree in every one
// and what the answer implies does not depend on the conversation.
void templates::learn() {
    const std::vector<std::vector<common_chat_msg>> probes = {
        {message("user", "a b")},
        {message("system", "s\n t"), message("user", "u")},
        {message("user", "u"), message("assistant", "v"), message("user", "w")},
        {message("system", "s"), message("user", " u "), message("assistant", "v"), message("user", "w\n")},
    };
    for (int thinking = 0; thinking < 2; thinking++) {
        try {
            bool first = true, same = true;
            for (const auto & messages : probes) {
                common_chat_templates_inputs in;
                in.messages         = messages;
                in.enable_thinking  = thinking != 0;
                in.reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK;
                common_chat_params p = apply(in);
                same                 = same && p.prompt == render(in) && p.grammar.empty();
                p.prompt.clear();
                const std::string parser = pack_parser(p, false);
                if (first) {
                    implied[thinking] = {p, parser};
                    first             = false;
                }
                same = same && parser == implied[thinking].parser &&
                       p.additional_stops == implied[thinking].params.additional_stops &&
                       p.generation_prompt == implied[thinking].params.generation_prompt;
            }
            has_plain[thinking] = same;
        } catch (const std::exception &) {
            has_plain[thinking] = false; // the full path will say why
        }
    }
}

// The variables that llama.cpp gives every template about today.
static common_json today(clock::time_point now) {
    const time_t t = clock::to_time_t(now);
    tm           local{};
    localtime_r(&t, &local);
    char date[32], full[64];
    strftime(date, sizeof(date), "%d %b %Y", &local);
    strftime(full, sizeof(full), "%b %d %Y", &local);
    common_json j    = common_json::object();
    j["datetime"]    = std::string(full);
    j["date_string"] = std::string(date);
    return j;
}

std::string templates::render(const common_chat_templates_inputs & in) const {
    autoparser::generation_params p;
    p.messages = common_json::array();
    for (const auto & m : in.messages) {
        common_json o = common_json::object();
        o["role"]     = m.role == "developer" ? std::string("system") : m.role;
        o["content"]  = m.content;
        p.messages.push_back(o);
    }
    if (!tmpl->original_caps().supports_system_role && !p.messages.empty() &&
        p.messages.at((size_t) 0).at("role") == "system") {
        if (p.messages.size() > 1) {
            common_json & next = p.messages.at((size_t) 1);
            next["content"]    = p.messages.at((size_t) 0).at("content").get<std::string>() + "\n" +
                              next.at("content").get<std::string>();
        }
        p.messages.erase((size_t) 0);
    }
    p.enable_thinking       = in.enable_thinking;
    p.add_generation_prompt = in.add_generation_prompt;
    p.add_bos               = add_bos;
    p.add_eos               = add_eos;
    p.now                   = in.now;
    p.extra_context         = today(in.now);
    return common_chat_template_direct_apply(*tmpl, p);
}

bool templates::plain(const common_chat_templates_inputs & in, std::string & prompt, const answer ** out) const {
    const int thinking = in.enable_thinking ? 1 : 0;
    if (!has_plain[thinking] || !in.tools.empty() || !in.json_schema.empty() || !in.grammar.empty() ||
        !in.add_generation_prompt || in.continue_final_message != COMMON_CHAT_CONTINUATION_NONE || in.messages.empty() ||
        in.messages.back().role != "user") {
        return false;
    }
    for (const auto & m : in.messages) {
        if (m.role != "user" && m.role != "assistant" && m.role != "system" && m.role != "developer") {
            return false;
        }
        if (!m.tool_calls.empty() || !m.reasoning_content.empty() || !m.tool_name.empty() || !m.tool_call_id.empty()) {
            return false;
        }
    }
    prompt                 = render(in);
    const std::string & gp = implied[thinking].params.generation_prompt;
    if (prompt.size() < gp.size() || prompt.compare(prompt.size() - gp.size(), gp.size(), gp) != 0) {
        return false; // this conversation ends otherwise than the probes did
    }
    *out = &implied[thinking];
    return true;
}

std::shared_ptr<templates> templates_of(const model_core & m) {
    auto & core = const_cast<model_core &>(m);
    std::call_once(core.templates_once, [&] {
        if (core.chat) {
            return;
        }
        try {
            core.chat = std::make_shared<templates>(m, "");
        } catch (const std::exception & e) {
            core.chat_error = e.what();
        }
    });
    if (!core.chat) {
        throw std::runtime_error("the model's template cannot be used: " + core.chat_error);
    }
    return core.chat;
}

} // namespace rp
