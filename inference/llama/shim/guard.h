// What every shim function stands in: no exception and, on the calling thread,
// no failed assertion of the library may end the process.
#pragma once

#include "../shim.h"

#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

namespace rp {

// A failed GGML_ASSERT on a guarded thread.
struct assertion : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A wrong argument: becomes RP_ARGUMENT.
struct bad_argument : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// While one of these lives, assertions on this thread are thrown as
// rp::assertion, and the library's last error line is kept for the message.
class guard {
  public:
    guard();
    ~guard();
    guard(const guard &)             = delete;
    guard & operator=(const guard &) = delete;

    static bool               active();
    static std::string &      last_error(); // this thread's
};

inline void say(char * msg, size_t cap, const char * text) {
    if (msg && cap) {
        size_t n = strlen(text);
        n        = n < cap ? n : cap - 1;
        memcpy(msg, text, n);
        msg[n] = 0;
    }
}

// "why: what the library said last".
std::string with_last_error(const std::string & why);

// Runs f and turns everything it throws into a code and a message.
template <typename F> rp_code guarded(char * msg, size_t cap, F && f) noexcept {
    say(msg, cap, "");
    try {
        guard g;
        try {
            return f();
        } catch (const bad_argument & e) {
            say(msg, cap, e.what());
            return RP_ARGUMENT;
        } catch (const assertion & e) {
            say(msg, cap, (std::string("the library gave up: ") + e.what()).c_str());
            return RP_FATAL;
        } catch (const std::bad_alloc &) {
            say(msg, cap, "out of memory");
            return RP_FAILED;
        } catch (const std::exception & e) {
            say(msg, cap, e.what());
            return RP_FAILED;
        } catch (...) {
            say(msg, cap, "unknown C++ exception");
            return RP_FAILED;
        }
    } catch (...) {
        say(msg, cap, "out of memory");
        return RP_FAILED;
    }
}

// The same where nobody waits for a message.
template <typename F> rp_code quietly(F && f) noexcept {
    return guarded(nullptr, 0, f);
}

} // namespace rp
