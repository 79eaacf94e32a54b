// Loops over a row of logits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rp {

constexpr size_t lanes = 64; // values looked at together

// The largest value; NaN never wins.
float row_max(const float * x, size_t n);

// The first index of the largest value, −1 when there is none (all −inf or NaN).
int32_t row_argmax(const float * x, size_t n);

// out[i] = exp((x[i] − max) · inv) with a relative error below 3e-7, 0 below e⁻⁸⁶; returns the
// sum. out may be null.
double row_exp_sum(const float * x, size_t n, float max, float inv, float * out);

// The first index at which the running sum of p reaches target, the last one with
// p > 0 when it never does, n when there is none.
size_t row_pick(const float * p, size_t n, double target);

// Whether one of x[0 … lanes) is at least least.
bool row_reaches(const float * x, float least);

} // namespace rp
