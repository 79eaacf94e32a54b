// rp_render and rp_parse: packed requests to templates and parsers.
#include "pack.h"
#include "template.h"

namespace rp {

static common_chat_templates_inputs read_input(unpack & in) {
    common_chat_templates_inputs p;
    for (int32_t i = in.count(); i > 0; i--) {
        common_chat_msg m;
        m.role              = in.text();
        m.content           = in.text();
        m.tool_name         = in.text();
        m.tool_call_id      = in.text();
        m.reasoning_content = in.text();
        for (int32_t k = in.count(); k > 0; k--) {
            common_chat_tool_call c;
            c.id        = in.text();
            c.name      = in.text();
            c.arguments = in.text();
            m.tool_calls.push_back(std::move(c));
        }
        p.messages.push_back(std::move(m));
    }
    for (int32_t i = in.count(); i > 0; i--) {
        common_chat_tool t;
        t.name        = in.text();
        t.description = in.text();
        t.parameters  = in.text();
        p.tools.push_back(std::move(t));
    }
    static const common_chat_tool_choice choices[] = {COMMON_CHAT_TOOL_CHOICE_AUTO, COMMON_CHAT_TOOL_CHOICE_REQUIRED,
                                                      COMMON_CHAT_TOOL_CHOICE_NONE};
    const int32_t choice = in.integer();
    if (choice < 0 || choice > 2) {
        throw bad_argument("unknown tool choice " + std::to_string(choice));
    }
    p.tool_choice            = choices[choice];
    p.parallel_tool_calls    = in.flag();
    p.json_schema            = in.text();
    p.add_generation_prompt  = !in.flag();
    p.continue_final_message = in.flag() ? COMMON_CHAT_CONTINUATION_AUTO : COMMON_CHAT_CONTINUATION_NONE;
    p.enable_thinking        = !in.flag();
    p.reasoning_format       = COMMON_REASONING_FORMAT_DEEPSEEK;
    if (p.continue_final_message != COMMON_CHAT_CONTINUATION_NONE) {
        p.add_generation_prompt = false;
    }
    return p;
}

std::string pack_parser(const common_chat_params & p, bool continuation) {
    pack out;
    out.integer((int32_t) p.format);
    out.flag(continuation);
    out.text(p.generation_prompt);
    out.text(p.parser);
    return std::move(out.out);
}

static std::string write_output(const model_core & m, const common_chat_params & p, const std::string & prompt,
                                const std::string & parser) {
    pack out;
    out.text(prompt);
    out.integer((int32_t) p.additional_stops.size());
    for (const auto & s : p.additional_stops) {
        out.text(s);
    }
    out.text(p.grammar);
    out.flag(p.grammar_lazy);
    out.integer((int32_t) p.grammar_triggers.size());
    for (const auto & t : p.grammar_triggers) {
        out.integer((int32_t) t.type);
        out.integer(t.token);
        out.text(t.value);
    }
    out.text(p.generation_prompt);
    out.integer((int32_t) p.preserved_tokens.size());
    for (const auto & t : p.preserved_tokens) {
        out.text(t);
        const auto ids = common_tokenize(m.vocab, t, false, true);
        out.integer(ids.size() == 1 ? ids[0] : -1);
    }
    out.text(parser);
    return std::move(out.out);
}

} // namespace rp

extern "C" {

rp_code rp_render(const rp_model * model, const char * input, size_t len, char ** output, size_t * n, char * msg, size_t cap) {
    *output = nullptr;
    *n      = 0;
    return rp::guarded(msg, cap, [&]() -> rp_code {
        rp::unpack packed(input, len);
        const auto in   = rp::read_input(packed);
        const bool full = packed.flag();
        const auto chat = rp::templates_of(*model->core);

        std::string        prompt;
        const rp::answer * implied = nullptr;
        std::string        out;
        if (!full && chat->plain(in, prompt, &implied)) {
            out = rp::write_output(*model->core, implied->params, prompt, implied->parser);
        } else {
            const auto p = chat->apply(in);
            out = rp::write_output(*model->core, p, p.prompt,
                                   rp::pack_parser(p, in.continue_final_message != COMMON_CHAT_CONTINUATION_NONE));
        }
        *n      = out.size();
        *output = rp::copy_out(out);
        return RP_OK;
    });
}

rp_code rp_parse(const rp_model * model, const char * input, size_t len, char ** output, size_t * n, char * msg, size_t cap) {
    *output = nullptr;
    *n      = 0;
    return rp::guarded(msg, cap, [&]() -> rp_code {
        (void) model;
        rp::unpack        in(input, len);
        const std::string parser  = in.text();
        const std::string text    = in.text();
        const bool        partial = in.flag();

        common_chat_parser_params p;
        if (!parser.empty()) {
            rp::unpack packed(parser.data(), parser.size());
            const int32_t format = packed.integer();
            if (format < 0 || format >= COMMON_CHAT_FORMAT_COUNT) {
                throw rp::bad_argument("unknown output format " + std::to_string(format));
            }
            p.format              = (common_chat_format) format;
            p.is_continuation     = packed.flag();
            p.generation_prompt   = packed.text();
            const std::string peg = packed.text();
            if (!peg.empty()) {
                p.parser.load(peg);
            }
        }
        p.reasoning_format = COMMON_REASONING_FORMAT_DEEPSEEK;
        const auto msg_    = common_chat_parse(text, partial, p);

        rp::pack out;
        out.text(msg_.content);
        out.text(msg_.reasoning_content);
        out.integer((int32_t) msg_.tool_calls.size());
        for (const auto & c : msg_.tool_calls) {
            out.text(c.id);
            out.text(c.name);
            out.text(c.arguments);
        }
        *n      = out.out.size();
        *output = rp::copy_out(out.out);
        return RP_OK;
    });
}

rp_code rp_model_set_template(rp_model * model, const char * source, size_t len, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        model->core->chat = std::make_shared<rp::templates>(*model->core, std::string(source, len));
        return RP_OK;
    });
}

} // extern "C"
