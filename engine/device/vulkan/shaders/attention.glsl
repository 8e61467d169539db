// SPDX-License-Identifier: MIT
// What the attention shaders share (engine/ops/attention.c holds the formulas).
// own: 0 N, 1 T, 2 S, 3 heads, 4 scale, 5..7 strides of the bias by n, head and query
layout(constant_id = 10) const uint D = 32;
layout(constant_id = 11) const uint BIAS = 0;
layout(constant_id = 12) const uint UNIT = 1; // divides D

// For each channel of a head. GPUs want registers, so everything unrolled; compilers for CPUs would
// take minutes, and llvmpipe counts the rounds (VK_ROUNDS_MAX): there in pieces of UNIT.
#ifdef SERIAL
#define EACH(d)                                                                                    \
    [[dont_unroll]] for (uint d##_ = 0; d##_ < D; d##_ += UNIT)                                     \
        [[unroll]] for (uint d = d##_; d < d##_ + UNIT; d++)
#else
#define EACH(d) [[unroll]] for (uint d = 0; d < D; d++)
#endif

uint width() { return u(3) * D; }
// First element of query i, or key j, of head h of sample n.
uint query(uint n, uint h, uint i) { return (n * u(1) + i) * width() + h * D; }
uint key(uint n, uint h, uint j) { return (n * u(2) + j) * width() + h * D; }
uint bias_at(uint n, uint h, uint i) { return n * u(5) + h * u(6) + i * u(7); }
// Row of (n,h,i) in the row statistics.
uint stats(uint n, uint h, uint i) { return ((n * u(3) + h) * u(1) + i) * 2; }
