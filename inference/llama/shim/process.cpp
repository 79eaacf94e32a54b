// Process-wide things: start, versions, devices, the log queue, the assertion net.
#include "guard.h"

#include "llama.h"
#include "log.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>

namespace rp {

static thread_local int         depth = 0;
static thread_local std::string last;

guard::guard() {
    if (depth++ == 0) {
        last.clear();
    }
}

guard::~guard() {
    depth--;
}

bool guard::active() {
    return depth > 0;
}

std::string & guard::last_error() {
    return last;
}

std::string with_last_error(const std::string & why) {
    return last.empty() ? why : why + ": " + last;
}

// Called by ggml just before it would end the process. The C frames between
// here and the guard hold nothing but memory, which is lost, and the object
// being worked on is given up by the caller.
static void on_assert(const char * text) {
    if (depth > 0) {
        throw assertion(text);
    }
    fprintf(stderr, "%s\n", text);
}

struct log_line {
    int32_t     level;
    std::string text;
};

static constexpr size_t      max_lines = 4096;
static std::mutex            log_mutex;
static std::deque<log_line>  log_lines;   // complete lines
static std::string           log_open;    // a line that has no newline yet
static int32_t               open_level = 0;
static std::atomic<int32_t>  log_min{3};
static std::atomic<int32_t>  log_count{0};

static int32_t level_of(ggml_log_level l) {
    switch (l) {
        case GGML_LOG_LEVEL_ERROR: return 4;
        case GGML_LOG_LEVEL_WARN:  return 3;
        case GGML_LOG_LEVEL_INFO:  return 2;
        default:                   return 1;
    }
}

static void push_line() {
    if (log_lines.size() >= max_lines) {
        log_lines.pop_front();
    }
    log_lines.push_back({open_level, std::move(log_open)});
    log_open.clear();
    log_count.store((int32_t) log_lines.size(), std::memory_order_release);
}

static void on_log(ggml_log_level l, const char * text, void *) {
    try {
        if (!text || !*text) {
            return;
        }
        if (l == GGML_LOG_LEVEL_ERROR && depth > 0) {
            // The first error is the cause, later ones only pass it on.
            std::string t = text;
            while (!t.empty() && t.back() == '\n') {
                t.pop_back();
            }
            if (last.empty()) {
                last = t;
            }
        }
        std::lock_guard<std::mutex> lock(log_mutex);
        if (l != GGML_LOG_LEVEL_CONT) {
            if (!log_open.empty()) {
                push_line();
            }
            open_level = level_of(l);
        }
        if (open_level < log_min.load(std::memory_order_relaxed)) {
            return;
        }
        for (const char * p = text; *p;) {
            const char * nl = strchr(p, '\n');
            if (!nl) {
                log_open += p;
                break;
            }
            log_open.append(p, nl - p);
            if (!log_open.empty()) {
                push_line();
            }
            p = nl + 1;
        }
        if (log_open.size() > 8192) {
            push_line();
        }
    } catch (...) { // a log line is not worth a process
    }
}

} // namespace rp

// Weak: see attention.cpp.
extern "C" __attribute__((weak)) int64_t rp_attention_count(bool own);

extern "C" {

int64_t rp_attention(bool own) {
    return rp_attention_count ? rp_attention_count(own) : 0;
}

void rp_init(void) {
    static std::once_flag once;
    try {
        std::call_once(once, [] {
            llama_log_set(rp::on_log, nullptr);
            common_log_set_verbosity_thold(-1); // it would write to the terminal by itself
            ggml_set_abort_callback(rp::on_assert);
            llama_backend_init();
        });
    } catch (...) {
    }
}

bool rp_numa(int32_t strategy) {
    static std::once_flag once;
    bool                  several = false;
    rp::quietly([&]() -> rp_code {
        rp_init();
        std::call_once(once, [&] { llama_numa_init((ggml_numa_strategy) strategy); });
        ggml_backend_dev_t dev = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
        if (dev) {
            auto * ask = (bool (*)(void)) ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(dev), "ggml_backend_cpu_is_numa");
            several    = ask && ask();
        }
        return RP_OK;
    });
    return several;
}

rp_code rp_modules(const char * dir, const char * extra, char * msg, size_t cap) {
    return rp::guarded(msg, cap, [&]() -> rp_code {
        rp_init();
        // Where backends are modules they lie in a folder that is given; the
        // library's own search would take any from the working directory.
        static std::once_flag once;
        std::call_once(once, [&] { ggml_backend_load_all_from_path(dir); });
        if (ggml_backend_dev_count() == 0) {
            throw std::runtime_error(rp::with_last_error("no processor module fits this machine"));
        }
        if (*extra && !ggml_backend_load(extra)) {
            throw std::runtime_error(rp::with_last_error("the module cannot be loaded"));
        }
        return RP_OK;
    });
}

const char * rp_version(void) {
    return llama_version();
}

const char * rp_system_info(void) {
    try {
        return llama_print_system_info();
    } catch (...) {
        return "";
    }
}

int32_t rp_devices(rp_device * out, int32_t cap) {
    int32_t n = 0;
    try {
        rp_init();
        for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
            ggml_backend_dev_t d = ggml_backend_dev_get(i);
            if (n < cap) {
                rp_device & o = out[n];
                memset(&o, 0, sizeof(o));
                snprintf(o.name, sizeof(o.name), "%s", ggml_backend_dev_name(d));
                snprintf(o.description, sizeof(o.description), "%s", ggml_backend_dev_description(d));
                switch (ggml_backend_dev_type(d)) {
                    case GGML_BACKEND_DEVICE_TYPE_CPU:   o.kind = 0; break;
                    case GGML_BACKEND_DEVICE_TYPE_GPU:   o.kind = 1; break;
                    case GGML_BACKEND_DEVICE_TYPE_IGPU:  o.kind = 2; break;
                    default:                             o.kind = 3; break;
                }
                size_t free = 0, total = 0;
                ggml_backend_dev_memory(d, &free, &total);
                o.free_bytes  = free;
                o.total_bytes = total;
            }
            n++;
        }
    } catch (...) {
    }
    return n;
}

void rp_free(void * p) {
    free(p);
}

void rp_log_level(int32_t level) {
    rp::log_min.store(level);
}

int32_t rp_log_pending(void) {
    return rp::log_count.load(std::memory_order_acquire);
}

int32_t rp_log_take(int32_t * level, char * text, size_t cap) {
    try {
        std::lock_guard<std::mutex> lock(rp::log_mutex);
        if (rp::log_lines.empty()) {
            return 0;
        }
        rp::log_line & l = rp::log_lines.front();
        *level           = l.level;
        rp::say(text, cap, l.text.c_str());
        rp::log_lines.pop_front();
        rp::log_count.store((int32_t) rp::log_lines.size(), std::memory_order_release);
        return 1;
    } catch (...) {
        return 0;
    }
}

} // extern "C"
