// Host memory that a GPU's copies go to and come from directly.
#include "guard.h"

#include "ggml-backend.h"
#include "ggml-cpp.h"

#include <mutex>
#include <unordered_map>

namespace rp {

static std::mutex                                           pinned_mutex;
static std::unordered_map<void *, ggml_backend_buffer_ptr> pinned; // by address

} // namespace rp

extern "C" {

void * rp_host_alloc(size_t n) {
    void * out = nullptr;
    rp::quietly([&]() -> rp_code {
        for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
            ggml_backend_dev_t d = ggml_backend_dev_get(i);
            if (ggml_backend_dev_type(d) != GGML_BACKEND_DEVICE_TYPE_GPU) {
                continue;
            }
            ggml_backend_buffer_type_t type = ggml_backend_dev_host_buffer_type(d);
            if (!type || type == ggml_backend_cpu_buffer_type()) {
                continue;
            }
            ggml_backend_buffer_ptr b{ggml_backend_buft_alloc_buffer(type, n)};
            // Where the driver refuses, the library gives plain memory.
            if (!b || ggml_backend_buffer_get_type(b.get()) != type) {
                continue;
            }
            void *                      at = ggml_backend_buffer_get_base(b.get());
            std::lock_guard<std::mutex> lock(rp::pinned_mutex);
            rp::pinned[at] = std::move(b);
            out            = at;
            break;
        }
        return RP_OK;
    });
    return out;
}

bool rp_host_free(void * p) {
    bool known = false;
    rp::quietly([&]() -> rp_code {
        ggml_backend_buffer_ptr b; // freed outside the lock
        {
            std::lock_guard<std::mutex> lock(rp::pinned_mutex);
            auto                        at = rp::pinned.find(p);
            if (at != rp::pinned.end()) {
                known = true;
                b     = std::move(at->second);
                rp::pinned.erase(at);
            }
        }
        return RP_OK;
    });
    return known;
}

} // extern "C"
