// SPDX-License-Identifier: MIT
// What the attention shaders share (engine/ops/attention.c holds the formulas). An invocation has
// one query, or one key, and walks over all keys, or queries, which are the same for its whole
// workgroup: two lines of channels each. They come through shared memory, SHARE at a time; with
// SERIAL, for software Vulkan drivers, the lanes of a subgroup (the workgroup) fetch one channel
// each and hand it round by shuffles (gemm.comp says why). own: 0 N, 1 T, 2 S, 3 heads, 4 scale,
// 5..7 strides of the bias by n, head and query
layout(constant_id = 10) const uint D = 32;
layout(constant_id = 11) const uint BIAS = 0;
layout(constant_id = 12) const uint UNIT = 1;  // divides D
layout(constant_id = 13) const uint SHARE = 1; // not with SERIAL

// For each piece of a head's channels, and for each channel of a piece. GPUs want registers, so all
// of a head is one piece; compilers for CPUs take their time, so there wide heads have several.
#ifdef SERIAL
#extension GL_KHR_shader_subgroup_shuffle : require
#define PIECE UNIT
#define PIECES(d0) [[unroll]] for (uint d0 = 0; d0 < D; d0 += PIECE)
#else
#define PIECE D
#define PIECES(d0) [[unroll]] for (uint d0 = 0; d0 < D; d0 += PIECE)
#endif
// (Counted from 0: Mesa unrolls no other loops.)
#define WITHIN(d, d0) [[unroll]] for (uint d##z_ = 0, d = d0; d##z_ < PIECE; d##z_++, d++)
#define EACH(d) PIECES(d##_) WITHIN(d, d##_)

uint width() { return u(3) * D; }
// First element of query i, or key j, of head h of sample n.
uint query(uint n, uint h, uint i) { return (n * u(1) + i) * width() + h * D; }
uint key(uint n, uint h, uint j) { return (n * u(2) + j) * width() + h * D; }
uint bias_at(uint n, uint h, uint i) { return n * u(5) + h * u(6) + i * u(7); }
// Row of (n,h,i) in the row statistics.
uint stats(uint n, uint h, uint i) { return ((n * u(3) + h) * u(1) + i) * 2; }

#ifndef ALONE
// The walk, over `count` lines j from element `first` on:
//   for (uint j0 = 0; j0 < count; j0 += STRETCH(count)) {
//       BRING(j0, count, first, load_a, load_b)       (all invocations)
//       for (uint j = j0; j < min(j0 + STRETCH(count), count); j++)
//           PIECES(d0) { CHANNELS(a, x, d0, j, j0, first, load_a) ... }
// declares x[PIECE], the channels from d0 on of line j of source a (or b).
#ifdef SERIAL
#define STRETCH(count) (count)
#define BRING(j0, count, first, load_a, load_b)
#define CHANNELS(a, x, d0, j, j0, first, load)                                                     \
    float x[PIECE], x##_together[(PIECE + LANES - 1) / LANES];                                     \
    [[unroll]] for (uint c_ = 0; c_ < PIECE; c_ += LANES)                                          \
        x##_together[c_ / LANES] = load(first + j * width() + d0 + min(c_ + lane(), PIECE - 1));   \
    [[unroll]] for (uint c_ = 0; c_ < PIECE; c_++)                                                 \
        x[c_] = subgroupShuffle(x##_together[c_ / LANES], c_ % LANES);
#else
shared float lines_a[SHARE * D], lines_b[SHARE * D];
#define STRETCH(count) SHARE
#define BRING(j0, count, first, load_a, load_b)                                                    \
    barrier();                                                                                     \
    for (uint e_ = lane(); e_ < (min(j0 + SHARE, count) - j0) * D; e_ += LANES) {                  \
        uint from_ = first + (j0 + e_ / D) * width() + e_ % D;                                     \
        lines_a[e_] = load_a(from_);                                                               \
        lines_b[e_] = load_b(from_);                                                               \
    }                                                                                              \
    barrier();
#define CHANNELS(a, x, d0, j, j0, first, load)                                                     \
    float x[PIECE];                                                                                \
    [[unroll]] for (uint c_ = 0; c_ < PIECE; c_++)                                                 \
        x[c_] = lines_##a[(j - j0) * D + d0 + c_];
#endif
#endif
