// The little format in which Go and C++ hand each other structured things:
// 32-bit little-endian integers, and strings as length and bytes. See pack.go.
#pragma once

#include "guard.h"

#include <cstdint>
#include <cstring>
#include <string>

namespace rp {

class unpack {
    const char * p;
    size_t       left;

  public:
    unpack(const char * data, size_t n) : p(data), left(n) {}

    int32_t integer() {
        if (left < 4) {
            throw bad_argument("packed input is cut short");
        }
        int32_t v;
        memcpy(&v, p, 4);
        p += 4;
        left -= 4;
        return v;
    }

    bool flag() { return integer() != 0; }

    // A number of entries, each at least four bytes long.
    int32_t count() {
        const int32_t n = integer();
        if (n < 0 || (size_t) n > left / 4) {
            throw bad_argument("packed input is cut short");
        }
        return n;
    }

    std::string text() {
        const uint32_t n = (uint32_t) integer();
        if (n > left) {
            throw bad_argument("packed input is cut short");
        }
        std::string s(p, n);
        p += n;
        left -= n;
        return s;
    }
};

class pack {
  public:
    std::string out;

    void integer(int32_t v) { out.append((const char *) &v, 4); }

    void flag(bool v) { integer(v ? 1 : 0); }

    void text(const std::string & s) {
        integer((int32_t) s.size());
        out += s;
    }
};

} // namespace rp
