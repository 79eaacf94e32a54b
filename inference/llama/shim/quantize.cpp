// Copies of model files with other weight types or fewer layers.
#include "guard.h"

#include "llama.h"

#include <vector>

namespace rp {

// The types that need no importance matrix.
static const struct {
    const char * name;
    llama_ftype  type;
} weight_types[] = {
    {"F32", LLAMA_FTYPE_ALL_F32},         {"F16", LLAMA_FTYPE_MOSTLY_F16},       {"BF16", LLAMA_FTYPE_MOSTLY_BF16},
    {"Q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},    {"Q6_K", LLAMA_FTYPE_MOSTLY_Q6_K},     {"Q5_K_M", LLAMA_FTYPE_MOSTLY_Q5_K_M},
    {"Q5_K_S", LLAMA_FTYPE_MOSTLY_Q5_K_S}, {"Q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},    {"Q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},
    {"Q4_K_M", LLAMA_FTYPE_MOSTLY_Q4_K_M}, {"Q4_K_S", LLAMA_FTYPE_MOSTLY_Q4_K_S}, {"Q4_1", LLAMA_FTYPE_MOSTLY_Q4_1},
    {"Q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},    {"IQ4_NL", LLAMA_FTYPE_MOSTLY_IQ4_NL}, {"IQ4_XS", LLAMA_FTYPE_MOSTLY_IQ4_XS},
    {"Q3_K_L", LLAMA_FTYPE_MOSTLY_Q3_K_L}, {"Q3_K_M", LLAMA_FTYPE_MOSTLY_Q3_K_M}, {"Q3_K_S", LLAMA_FTYPE_MOSTLY_Q3_K_S},
    {"Q2_K", LLAMA_FTYPE_MOSTLY_Q2_K},
};

} // namespace rp

extern "C" {

rp_code rp_quantize(const char * in, const char * out, const char * type, const int32_t * drop, int32_t n, int32_t threads,
                    char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        rp_init();
        llama_model_quantize_params p = llama_model_quantize_default_params();
        p.nthread          = threads;
        p.allow_requantize = true;
        p.only_copy        = !type;
        if (type) {
            bool known = false;
            for (const auto & t : rp::weight_types) {
                if (!strcmp(t.name, type)) {
                    p.ftype = t.type;
                    known   = true;
                }
            }
            if (!known) {
                throw rp::bad_argument(std::string("unknown weight type ") + type);
            }
        }
        std::vector<int32_t> layers(drop, drop + n);
        if (n > 0) {
            layers.push_back(-1);
            p.prune_layers = layers.data();
        }
        if (llama_model_quantize(in, out, &p) != 0) {
            throw std::runtime_error(rp::with_last_error("cannot be written anew"));
        }
        return RP_OK;
    });
}

} // extern "C"
