// Loading a model, what it says of itself, its vocabulary and tokenizer.
#include "model.h"

#include <climits>
#include <cstdlib>
#include <cstring>
#include <vector>

// Exported by progress.go; false stops the load.
extern "C" bool rp_go_progress(uintptr_t handle, float fraction);

namespace rp {

model_core::~model_core() {
    if (model) {
        llama_model_free(model);
    }
}

static bool on_progress(float fraction, void * user) {
    uintptr_t h = (uintptr_t) user;
    return h == 0 || rp_go_progress(h, fraction);
}

// Calls f(buffer, size) until the buffer is large enough for what it wants.
template <typename F> static std::string grown(F f) {
    std::string s(256, 0);
    int32_t     n = f(&s[0], s.size());
    if (n >= (int32_t) s.size()) {
        s.resize(n + 1);
        n = f(&s[0], s.size());
    }
    s.resize(n < 0 ? 0 : n);
    return s;
}

} // namespace rp

extern "C" {

rp_code rp_model_load(const rp_model_params * p, rp_model ** out, char * msg, size_t cap) {
    *out = nullptr;
    return rp::guarded(msg, cap, [&]() -> rp_code {
        rp_init();
        llama_model_params mp = llama_model_default_params();
        mp.n_gpu_layers                = p->gpu_layers;
        mp.vocab_only                  = p->vocab_only;
        mp.load_mode                   = p->mlock ? LLAMA_LOAD_MODE_MMAP_MLOCK : LLAMA_LOAD_MODE_MMAP;
        mp.load_mtp                    = p->heads;
        mp.progress_callback           = rp::on_progress;
        mp.progress_callback_user_data = (void *) p->progress;

        auto core   = std::make_shared<rp::model_core>();
        core->model = llama_model_load_from_file(p->path, mp);
        rp_threads_release(); // AMX kernels have the weights put into their order by a team of threads
        if (!core->model) {
            throw std::runtime_error(rp::with_last_error("cannot be loaded"));
        }
        core->vocab   = llama_model_get_vocab(core->model);
        core->n_vocab = llama_vocab_n_tokens(core->vocab);
        if (core->n_vocab <= 0) {
            throw std::runtime_error("the file has no vocabulary");
        }
        *out = new rp_model{std::move(core)};
        return RP_OK;
    });
}

void rp_model_free(rp_model * model) {
    rp::quietly([&]() -> rp_code {
        delete model;
        return RP_OK;
    });
}

void rp_model_get_info(const rp_model * model, rp_model_info * o) {
    memset(o, 0, sizeof(*o));
    rp::quietly([&]() -> rp_code {
        const llama_model * m = model->core->model;
        const llama_vocab * v = model->core->vocab;
        o->size_bytes     = llama_model_size(m);
        o->parameters     = llama_model_n_params(m);
        o->context_train  = llama_model_n_ctx_train(m);
        o->embedding      = llama_model_n_embd(m);
        o->layers         = llama_model_n_layer(m);
        o->vocab_size     = model->core->n_vocab;
        o->bos            = llama_vocab_bos(v);
        o->eos            = llama_vocab_eos(v);
        o->eot            = llama_vocab_eot(v);
        o->sliding_window = llama_model_n_swa(m);
        o->add_bos        = llama_vocab_get_add_bos(v);
        o->recurrent      = llama_model_is_recurrent(m);
        o->hybrid         = llama_model_is_hybrid(m);
        o->encoder        = llama_model_has_encoder(m);
        o->decoder        = llama_model_has_decoder(m);
        llama_model_desc(m, o->description, sizeof(o->description));
        snprintf(o->file_type, sizeof(o->file_type), "%s", llama_ftype_name(llama_model_ftype(m)));
        if (o->layers > 0) { // a vocabulary alone has no heads to count
            o->heads    = llama_model_n_head(m);
            o->heads_kv = llama_model_n_head_kv(m);
        }
        return RP_OK;
    });
}

rp_code rp_model_eog(const rp_model * model, int32_t * out, int32_t cap, int32_t * n) {
    *n = 0;
    return rp::quietly([&]() -> rp_code {
        for (int32_t t = 0; t < model->core->n_vocab; t++) {
            if (llama_vocab_is_eog(model->core->vocab, t)) {
                if (*n < cap) {
                    out[*n] = t;
                }
                ++*n;
            }
        }
        return *n > cap ? RP_SMALL : RP_OK;
    });
}

rp_code rp_model_meta(const rp_model * model, int32_t i, char ** key, char ** value) {
    *key = *value = nullptr;
    return rp::quietly([&]() -> rp_code {
        const llama_model * m = model->core->model;
        if (i < 0 || i >= llama_model_meta_count(m)) {
            return RP_ARGUMENT;
        }
        std::string k = rp::grown([&](char * b, size_t c) { return llama_model_meta_key_by_index(m, i, b, c); });
        std::string v = rp::grown([&](char * b, size_t c) { return llama_model_meta_val_str_by_index(m, i, b, c); });
        *key          = rp::copy_out(k);
        *value        = rp::copy_out(v);
        return RP_OK;
    });
}

char * rp_model_template(const rp_model * model) {
    char * out = nullptr;
    rp::quietly([&]() -> rp_code {
        const char * t = llama_model_chat_template(model->core->model, nullptr);
        if (t) {
            out = rp::copy_out(t, strlen(t));
        }
        return RP_OK;
    });
    return out;
}

rp_code rp_model_pieces(const rp_model * model, char ** text, int64_t * offset, uint8_t * attr, char * msg, size_t cap) {
    *text = nullptr;
    return rp::guarded(msg, cap, [&]() -> rp_code {
        const llama_vocab * v = model->core->vocab;
        std::string         all;
        all.reserve((size_t) model->core->n_vocab * 8);
        std::vector<char> buf(512);
        for (int32_t t = 0; t < model->core->n_vocab; t++) {
            offset[t] = (int64_t) all.size();
            int32_t n = llama_token_to_piece(v, t, buf.data(), (int32_t) buf.size(), 0, true);
            if (n < 0) {
                buf.resize((size_t) -n);
                n = llama_token_to_piece(v, t, buf.data(), (int32_t) buf.size(), 0, true);
            }
            if (n > 0) {
                all.append(buf.data(), n);
            }
            attr[t] = (uint8_t) ((llama_vocab_is_control(v, t) ? 1 : 0) | (llama_vocab_is_eog(v, t) ? 2 : 0));
        }
        offset[model->core->n_vocab] = (int64_t) all.size();
        *text                        = rp::copy_out(all);
        return RP_OK;
    });
}

rp_code rp_tokenize(const rp_model * model, const char * text, int32_t len, bool add_special, bool parse_special,
                    int32_t * out, int32_t out_cap, int32_t * n, char * msg, size_t cap) {
    *n = 0;
    return rp::guarded(msg, cap, [&]() -> rp_code {
        if (len < 0) {
            throw rp::bad_argument("text too long");
        }
        static char none = 0; // an empty Go string has no address
        int32_t r = llama_tokenize(model->core->vocab, text ? text : &none, len, out, out_cap, add_special, parse_special);
        if (r == INT32_MIN) {
            throw rp::bad_argument("text too long");
        }
        if (r < 0) {
            *n = -r;
            return RP_SMALL;
        }
        *n = r;
        return RP_OK;
    });
}

} // extern "C"
